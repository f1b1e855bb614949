//! Looking into a model.

mod check;
mod info;

use std::process::ExitCode;

/// Look into a model.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Load a model as the node would, and say what it is.
    Check(check::Args),
    /// Say what a model holds and costs: operators, parameters, arithmetic, memory.
    Info(info::Args),
}

pub(crate) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Info(args) => info::run(args),
    }
}
