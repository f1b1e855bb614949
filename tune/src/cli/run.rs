//! `roadproof-tune run`

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use roadproof_tune::train::{Event, Outcome, RunOptions, Trainer};
use serde_json::json;

/// Fine-tunes a compressed model as a file says
///
/// The file names the parent, the student, the images and how to train; docs/tuning.md has one to start from. The result is
/// NAME.onnx with NAME.toml in the output folder, beside journal.jsonl (every step) and report.html. A run that was
/// stopped, in whatever way, goes on where its last checkpoint was when it is started again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  roadproof-tune run config/tune.toml -o tuned/")]
pub(super) struct Args {
    /// The file of the run
    options: PathBuf,
    /// Folder for the result and all that belongs to the run
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Threads, each with an image at a time; 0 is one per core. The result does not depend on it
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Steps, instead of those of the file
    #[arg(long)]
    steps: Option<u64>,
    /// Seed, instead of that of the file
    #[arg(long)]
    seed: Option<u64>,
    /// Removes what another run left in the folder
    #[arg(long)]
    force: bool,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut options = RunOptions::load(&args.options)?;
    options.training.steps = args.steps.unwrap_or(options.training.steps);
    options.seed = args.seed.unwrap_or(options.seed);
    if args.force {
        for part in ["checkpoints", "trial"] {
            let folder = args.output.join(part);
            if folder.exists() {
                std::fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
    }
    let stop = super::stop_on_ctrl_c()?;

    let mut show = Show::new()?;
    let trainer = Trainer::open(options, &args.output, args.threads, &mut |event| show.event(&event))?;
    let outcome = trainer.run(&stop, &mut |event| show.event(&event))?;
    show.bar.finish_and_clear();
    match outcome {
        Outcome::Done(manifest) => {
            if args.json {
                let result = json!({
                    "name": manifest.name,
                    "onnx": manifest.model_path(),
                    "manifest": manifest.path(),
                    "sha256": manifest.sha256,
                    "validation": show.validated,
                    "tuning": manifest.tuning,
                });
                println!("{result:#}");
            } else {
                println!("{}: {}", manifest.name, manifest.path().display());
                if let Some([ap, parent]) = show.validated {
                    println!("  AP {:.4}, {:.1} % of the parent's {parent:.4}", ap, 100.0 * ap / parent);
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Stopped { step } => {
            eprintln!("roadproof-tune: stopped after {step} steps; the same command goes on from there");
            Ok(ExitCode::from(130))
        }
    }
}

/// A bar on standard error.
struct Show {
    bar: ProgressBar,
    /// The last AP and the parent's.
    validated: Option<[f64; 2]>,
}

impl Show {
    fn new() -> anyhow::Result<Self> {
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left")?);
        Ok(Self { bar, validated: None })
    }

    fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("roadproof-tune: {line}"));
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Preparing(what) => self.bar.set_message(format!("preparing {what}")),
            Event::Prepared(done, total) => {
                self.bar.set_length(*total as u64);
                self.bar.set_position(*done as u64);
            }
            Event::Begins { step, steps, threads, images } => {
                let from = if *step > 0 { format!(" from step {step}") } else { String::new() };
                self.say(&format!("{steps} steps{from} on {images} images, {threads} threads"));
                self.bar.reset_eta();
                self.bar.set_length(*steps);
                self.bar.set_position(*step);
            }
            Event::Step(entry) => {
                self.bar.set_position(entry.step + 1);
                self.bar.set_message(format!("loss {:.4}, {:.2} s a step", entry.loss, entry.seconds));
            }
            Event::Pruned(entry) => self.say(&format!(
                "before step {} pruned from {} to {} parameters",
                entry.step, entry.parameters_before, entry.parameters_after
            )),
            Event::Validated(entry) => {
                self.validated = Some([entry.ap, entry.parent_ap]);
                self.say(&format!(
                    "after {} steps AP {:.4} (AP50 {:.4}), {:.1} % of the parent's",
                    entry.step,
                    entry.ap,
                    entry.ap50,
                    100.0 * entry.ap / entry.parent_ap
                ));
            }
        }
    }
}
