//! The command line of Roadproof.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(std::env::args()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("roadproof: {error:#}");
            ExitCode::FAILURE
        }
    }
}
