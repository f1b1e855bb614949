//! `roadproof report`.

mod compare;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use roadproof::report;

/// Make a report.json or a health.jsonl readable, or compare two reports.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  roadproof report report.json -o report.html
  roadproof report out/health.jsonl -o health.html
  roadproof report compare before.json after.json
  roadproof report compare before.json after.json --fail-if 'worst_class_ap drop > 0.02'"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// report.json of a study, or health.jsonl of a replay.
    #[arg(required = true)]
    report: Option<PathBuf>,
    /// Where the page goes, one HTML file with everything in it; beside the report by default.
    #[arg(long, short, value_name = "PATH")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// What changed from one study to another, and whether that is too much.
    Compare(compare::Args),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(Command::Compare(args)) = &args.command {
        return Ok(compare::run(args));
    }
    let path = args.report.as_deref().context("the report is missing")?;
    let output = args.output.clone().unwrap_or_else(|| path.with_extension("html"));
    if same(path, &output) {
        bail!("the output {} is the report itself: give it another name", output.display());
    }
    let page = if path.extension().is_some_and(|extension| extension == "jsonl") {
        report::timeline::html(path)?
    } else {
        report::html(&report::load(path)?, path.parent().unwrap_or(Path::new("")))?
    };
    std::fs::write(&output, page).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}
