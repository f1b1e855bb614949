use std::process::ExitCode;

use anyhow::bail;
use roadproof::bench::{Extent, measure_stages};
use roadproof::detector::MAX_BATCH;

use super::{Common, seconds, with_progress};

/// How a model is measured as fast as it goes.
#[derive(Debug, clap::Args)]
pub(super) struct StagesArgs {
    #[command(flatten)]
    common: Common,
    /// Images of each run; what a model cannot take is skipped.
    #[arg(long = "batch", value_name = "N", default_value = "1", value_delimiter = ',')]
    batches: Vec<usize>,
    /// Seconds of each measurement.
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    duration: f64,
    /// Images of each measurement, instead of seconds.
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    frames: Option<u64>,
}

pub(super) fn run(args: &StagesArgs) -> anyhow::Result<ExitCode> {
    if args.batches.contains(&0) {
        bail!("--batch: expected at least 1, found 0");
    }
    if args.frames == Some(0) {
        bail!("--frames: expected at least 1, found 0");
    }
    let extent = match args.frames {
        Some(frames) => Extent::Images(frames),
        None => Extent::Time(seconds(args.duration, "--duration")?),
    };
    let mut plan = args.common.plan(extent)?;
    plan.session.max_batch = args.batches.iter().copied().max().unwrap_or(1).clamp(1, MAX_BATCH);
    let report = with_progress(|progress| measure_stages(&plan, &args.batches, progress))?;
    args.common.finish(&report)
}
