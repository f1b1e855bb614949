//! How fast a model is.

mod rate;
mod stages;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use roadproof::bench::{BenchError, Extent, OnProgress, Pictures, Plan, Progress, Report, Size};
use roadproof::detector::{ModelManifest, Provider, ProviderPolicy, SessionOptions};

/// Size of made pictures, where none is given.
const DEFAULT_SIZE: Size = Size { width: 1280, height: 720 };
/// Steps of the progress bar.
const STEPS: f64 = 10_000.0;

/// Measure how fast models are: throughput and latency of every stage, or behind cameras (`bench rate`).
///
/// Every model runs with every provider, batch and picture size, one run after the other without a pause. The first row is
/// what the others are compared with.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  roadproof bench --model models/nanodet-g.toml
  roadproof bench -m fp32.toml -m int8.toml --provider cpu --size 1280x720 --size 1920x1080 --json > bench.json
  roadproof bench -m model.toml --provider tensorrt --provider cuda --batch 1,4 -o bench.json
  roadproof bench rate -m models/nanodet-g.toml --cameras 6"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    stages: stages::StagesArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Measure behind cameras that do not wait: the highest rate with few lost frames, and fixed rates.
    Rate(rate::Args),
}

/// What both ways of measuring take.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
struct Common {
    /// Model manifest; may be given several times.
    #[arg(long = "model", short, value_name = "TOML", required = true)]
    models: Vec<PathBuf>,
    /// Execution provider (tensorrt, cuda, cpu); may be given several times: each is measured for itself and has to come up.
    #[arg(long = "provider", value_name = "NAME", default_value = "cpu")]
    providers: Vec<Provider>,
    /// Measure on the CPU where a provider does not come up, and say so, instead of failing.
    #[arg(long)]
    prefer: bool,
    /// Size of the pictures, in pixels; may be given several times. 1280x720 if neither this nor --input is given.
    #[arg(long = "size", value_name = "WIDTHxHEIGHT")]
    sizes: Vec<Size>,
    /// Pictures from a folder, a video or a bag instead of made ones: as they are, decompressed each time, or with --size
    /// scaled beforehand. The first 100 are used.
    #[arg(long, value_name = "PATH")]
    input: Option<PathBuf>,
    /// Runs before those that count.
    #[arg(long, value_name = "N", default_value_t = 10)]
    warm_up: usize,
    /// Threads inside one operator on the CPU; 0 leaves the choice to ONNX Runtime.
    #[arg(long, value_name = "N", default_value_t = 0)]
    intra_op_threads: usize,
    /// Let ONNX Runtime's threads spin while they wait.
    #[arg(long)]
    spinning: bool,
    /// Let the CPU provider keep its memory in an arena.
    #[arg(long, value_name = "BOOL", default_value_t = SessionOptions::default().cpu_arena, action = clap::ArgAction::Set)]
    cpu_arena: bool,
    /// Let the memory of a run be planned from the one before.
    #[arg(long, value_name = "BOOL", default_value_t = SessionOptions::default().memory_pattern, action = clap::ArgAction::Set)]
    memory_pattern: bool,
    #[command(flatten)]
    gpu: super::GpuArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Write the result to this file as JSON.
    #[arg(long, short, value_name = "JSON")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        None => stages::run(&args.stages),
        Some(Command::Rate(args)) => rate::run(args),
    }
}

impl Common {
    fn plan(&self, extent: Extent) -> anyhow::Result<Plan> {
        let models = self.models.iter().map(ModelManifest::load).collect::<Result<_, _>>()?;
        let policy = |provider: &Provider| match *provider {
            Provider::Cpu => ProviderPolicy::require(Provider::Cpu),
            provider if self.prefer => ProviderPolicy::prefer([provider, Provider::Cpu]),
            provider => ProviderPolicy::require(provider),
        };
        let session = SessionOptions {
            intra_op_threads: self.intra_op_threads,
            spinning: self.spinning,
            cpu_arena: self.cpu_arena,
            memory_pattern: self.memory_pattern,
            ..self.gpu.options()
        };
        let inputs = self.inputs()?;
        for input in inputs.iter().map(Pictures::input).filter(|input| input.left_out > 0) {
            eprintln!(
                "roadproof: {}: the first {} pictures are used, {} are left out",
                input.name, input.pictures, input.left_out
            );
        }
        if cfg!(debug_assertions) {
            eprintln!(
                "roadproof: this program was built without optimisation; its figures are worth nothing (cargo build --release)"
            );
        }
        Ok(Plan {
            models,
            providers: self.providers.iter().map(policy).collect(),
            inputs,
            session,
            warm_up_runs: self.warm_up,
            extent,
        })
    }

    fn inputs(&self) -> Result<Vec<Pictures>, BenchError> {
        match (&self.input, self.sizes.as_slice()) {
            (None, []) => Ok(vec![Pictures::synthetic(DEFAULT_SIZE)]),
            (None, sizes) => Ok(sizes.iter().copied().map(Pictures::synthetic).collect()),
            (Some(path), []) => Ok(vec![Pictures::open(path, None)?]),
            (Some(path), sizes) => sizes.iter().map(|size| Pictures::open(path, Some(*size))).collect(),
        }
    }

    /// Prints and writes what was measured; something that should have been measured and was not is a failure.
    fn finish(&self, report: &Report) -> anyhow::Result<ExitCode> {
        let text = serde_json::to_string_pretty(report)? + "\n";
        if let Some(path) = &self.output {
            let partial = path.with_extension("json.part");
            std::fs::write(&partial, &text).with_context(|| format!("cannot write {}", partial.display()))?;
            std::fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if self.json {
            print!("{text}");
        } else {
            print!("{}", table::report(report));
        }
        for failure in &report.failures {
            eprintln!("roadproof: {} on {}: {}", failure.model, failure.provider, failure.message);
        }
        if !report.failures.is_empty() {
            bail!("{} of what was asked for could not be measured", report.failures.len());
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn with_progress<T>(run: impl FnOnce(&mut OnProgress<'_>) -> T) -> anyhow::Result<T> {
    let style = ProgressStyle::with_template("{bar:30} {percent} %, {eta} left: {msg}")?;
    let bar = ProgressBar::new(STEPS as u64).with_style(style);
    let result = run(&mut |Progress { what, share }| {
        bar.set_message(what);
        bar.set_position((share * STEPS) as u64);
    });
    bar.finish_and_clear();
    Ok(result)
}

/// A number of seconds on the command line.
fn seconds(value: f64, option: &str) -> anyhow::Result<Duration> {
    if !(0.1..=86_400.0).contains(&value) {
        bail!("{option}: expected seconds from 0.1 to 86400, found {value}");
    }
    Ok(Duration::from_secs_f64(value))
}
