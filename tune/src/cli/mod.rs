//! The command line: one subcommand, one file.

mod bench;
mod check;
mod run;
mod study;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Wins back what compression lost: fine-tunes a compressed detector, straight from its ONNX file, by distillation from its
/// uncompressed parent.
#[derive(Debug, Parser)]
#[command(name = "roadproof-tune", version, max_term_width = 110)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Bench(bench::Args),
    Study(study::Args),
}

/// Runs the subcommand; what went wrong is said on standard error.
pub(crate) fn main() -> ExitCode {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Study(args) => study::run(&args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("roadproof-tune: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What Ctrl-C sets; a second one ends the process at once.
fn stop_on_ctrl_c() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(stop)
}
