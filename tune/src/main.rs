//! `roadproof-tune`: wins back what compression lost.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
