//! Looking into a model.

mod build;
mod check;
mod info;

use std::process::ExitCode;

/// Look into a model.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Build a model's engine ahead of time, into a cache.
    Build(build::Args),
    /// Load a model as the node would, and say what it is.
    Check(check::Args),
    /// Say what a model holds and costs: operators, parameters, arithmetic, memory.
    Info(info::Args),
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Build(args) => build::run(args),
        Command::Check(args) => check::run(args),
        Command::Info(args) => info::run(args),
    }
}
