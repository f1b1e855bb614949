//! `roadproof-tune study`

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use roadproof::evaluation::study::Progress as Measuring;
use roadproof_tune::study::{
    self, Cell, Event, Executor as _, Factorial, Progress, StudyFile, StudyOptions, StudyResults, Workshop,
};
use roadproof_tune::train;
use serde_json::json;

/// Tests four published claims on compression and robustness by a factorial experiment
///
/// Compressions x arms (plain, augmentation, imbalance, both) x seeds: each is pruned, tuned and measured under corruptions.
/// Cells that have their result are not run again, so a study that was stopped goes on with the same command; more seeds
/// can be added to the file. config/robustness-study.toml is one to start from.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof-tune study config/robustness-study.toml -o robustness-study/
  roadproof-tune study config/robustness-study.toml -o robustness-study/ --only structured50-plain --only none-plain
  roadproof-tune study config/robustness-study.toml -o robustness-study/ --list")]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct Args {
    /// The file of the study
    study: PathBuf,
    /// Folder for all that belongs to the study
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Threads, each with an image at a time; 0 is one per core. The result does not depend on it
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Runs only cells (COMPRESSION-ARM-SEED) whose names hold this; may be given several times
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// Lists the cells, and which have their results
    #[arg(long, conflicts_with = "dry_run")]
    list: bool,
    /// Checks everything and says what would be run
    #[arg(long)]
    dry_run: bool,
    /// Begins cells anew whose checkpoints are of other options
    #[arg(long)]
    force: bool,
    /// Prints the result (or the list) as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = StudyOptions::load(&args.study)?;
    let show = Show::new()?;
    let tell = |progress: Progress<'_>| show.part(&progress);
    let mut workshop = Workshop::open(&file, &args.output, args.threads, &tell)?;
    let inputs = workshop.inputs().to_owned();
    let factorial = Factorial { file: &file, folder: &args.output, inputs: &inputs };
    let cells = factorial.chosen(&args.only);
    anyhow::ensure!(
        !cells.is_empty(),
        "--only: no cell's name holds {}; --list shows them all",
        args.only.join(" or ")
    );
    if args.list || args.dry_run {
        show.clear();
        list(args, &file, &factorial, &cells)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.force {
        forget(args, &factorial, &cells)?;
    }
    let stop = super::stop_on_ctrl_c()?;
    let done = factorial.run(&cells, &mut workshop, &stop, &mut |event| show.cell(&event))?;
    show.clear();
    if !done {
        eprintln!("roadproof-tune: stopped; the same command goes on from there");
        return Ok(ExitCode::from(130));
    }
    let results = match factorial.analyse(workshop.parent()) {
        Err(error @ study::StudyError::Incomplete { .. }) if !args.only.is_empty() => {
            eprintln!("roadproof-tune: {error}");
            return Ok(ExitCode::SUCCESS);
        }
        results => results?,
    };
    let files = study::write(&results, &args.output)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        print(&results);
        for file in files.iter().take(3) {
            println!("{}", file.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &Args, file: &StudyFile, factorial: &Factorial<'_>, cells: &[Cell]) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for cell in cells {
        found.push((cell.name(), factorial.result(cell)?.is_some()));
    }
    let missing = found.iter().filter(|(_, there)| !there).count();
    let evaluation = &file.options.evaluation;
    let corruptions = evaluation.corruptions().map_err(anyhow::Error::msg)?.len();
    let conditions = 1 + corruptions * evaluation.severities.len();
    if args.json {
        let cells: Vec<_> =
            found.iter().map(|(name, there)| json!({ "name": name, "done": there })).collect();
        println!("{:#}", json!({ "cells": cells, "missing": missing, "conditions": conditions }));
        return Ok(());
    }
    if args.list {
        for (name, there) in &found {
            println!("{name} {}", if *there { "done" } else { "missing" });
        }
    }
    println!("{missing} of {} cells are to be run, each measured under {conditions} conditions", found.len());
    Ok(())
}

/// Removes the checkpoints of cells that have no result.
fn forget(args: &Args, factorial: &Factorial<'_>, cells: &[Cell]) -> anyhow::Result<()> {
    for cell in cells {
        let folder = cell.folder(&args.output).join("checkpoints");
        if factorial.result(cell)?.is_none() && folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    Ok(())
}

fn print(results: &StudyResults) {
    for claim in &results.claims {
        println!("{}: {:?}", claim.title, claim.verdict);
        for test in claim.tests.iter().filter(|test| test.scope == study::analysis::Scope::Primary) {
            match test.effect {
                Some(effect) => {
                    let [value, low, high] =
                        [effect.effect, effect.interval[0], effect.interval[1]].map(|v| v * 100.0);
                    println!("  {}: {value:.1} ({low:.1} to {high:.1}) of 100", test.name);
                }
                None => println!("  {}: {}", test.name, test.note),
            }
        }
    }
}

/// Bars on standard error: over the cells, and over the part of one.
struct Show {
    all: MultiProgress,
    cells: ProgressBar,
    part: ProgressBar,
}

impl Show {
    fn new() -> anyhow::Result<Self> {
        let all = MultiProgress::new();
        let style = |template: &str| ProgressStyle::with_template(template);
        let cells =
            all.add(ProgressBar::new(0).with_style(style("{bar:30} cell {pos}/{len} {msg}, {eta} left")?));
        let part = all.add(ProgressBar::new(0).with_style(style("{bar:30} {msg} {pos}/{len}, {eta} left")?));
        cells.enable_steady_tick(Duration::from_secs(1));
        Ok(Self { all, cells, part })
    }

    fn clear(&self) {
        self.part.finish_and_clear();
        self.cells.finish_and_clear();
    }

    fn say(&self, line: &str) {
        self.all.suspend(|| eprintln!("roadproof-tune: {line}"));
    }

    fn cell(&self, event: &Event<'_>) {
        match event {
            Event::Begins { cells, there } => {
                self.say(&format!("{there} cells have their results, {cells} are to be run"));
                self.cells.set_length(*cells as u64);
            }
            Event::Part { cell, part } => {
                self.cells.set_message((*cell).to_owned());
                self.part.reset();
                self.part.set_length(0);
                self.part.set_message((*part).to_owned());
            }
            Event::Done(result) => {
                self.cells.inc(1);
                let name = result.cell.as_ref().map_or_else(|| "parent".to_owned(), Cell::name);
                let ap = result.measured.clean.ap.unwrap_or(0.0);
                self.say(&format!(
                    "{name}: AP {ap:.4} on clean images, {:.0} s",
                    result.seconds.iter().sum::<f64>()
                ));
            }
        }
    }

    fn part(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Compressing(progress) => {
                self.part.set_message(progress.what);
                self.part.set_length(progress.total as u64);
                self.part.set_position(progress.done as u64);
            }
            Progress::Tuning(train::Event::Begins { step, steps, .. }) => {
                self.part.set_message("tuning");
                self.part.set_length(*steps);
                self.part.set_position(*step);
                self.part.reset_eta();
            }
            Progress::Tuning(train::Event::Step(entry)) => {
                self.part.set_position(entry.step + 1);
                self.part.set_message(format!("tuning, loss {:.4}", entry.loss));
            }
            Progress::Tuning(train::Event::Preparing(what)) => {
                self.part.set_message(format!("preparing {what}"));
            }
            Progress::Tuning(train::Event::Prepared(done, total)) => {
                self.part.set_length(*total as u64);
                self.part.set_position(*done as u64);
            }
            Progress::Tuning(train::Event::Validated(_) | train::Event::Pruned(_)) => {}
            Progress::Measuring(Measuring::Begin { runs, .. }) => {
                self.part.set_length(*runs as u64);
                self.part.set_position(0);
            }
            Progress::Measuring(Measuring::Condition { name }) => {
                self.part.set_message(format!("measuring under {name}"));
            }
            Progress::Measuring(Measuring::Runs { count }) => self.part.inc(*count as u64),
            Progress::Measuring(Measuring::Summarising) => self.part.set_message("resampling"),
        }
    }
}
