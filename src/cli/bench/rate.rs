use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use roadproof::bench::{Extent, RatePlan, measure_rates};
use roadproof::detector::MAX_BATCH;

use super::{Common, seconds, with_progress};

/// Measure behind cameras that do not wait: the highest rate with few lost frames, and fixed rates.
///
/// As in the node, each camera has one slot in which the latest frame wins, and one worker serves all of them. Every camera
/// sends at the rate. The peak is the highest rate at which at most 5 % of the frames are lost.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  roadproof bench rate --model models/nanodet-g.toml
  roadproof bench rate -m model.toml --cameras 6 --hz 10,30 --no-peak --json
  roadproof bench rate -m fp32.toml -m int8.toml --provider tensorrt --cameras 6 --duration 20 -o rates.json")]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Cameras.
    #[arg(long, value_name = "N", default_value_t = 1)]
    cameras: usize,
    /// Fixed rates of each camera, Hz.
    #[arg(long, value_name = "HZ", default_value = "10,30,60", value_delimiter = ',')]
    hz: Vec<f64>,
    /// Do not search for the peak.
    #[arg(long)]
    no_peak: bool,
    /// Highest rate of a camera that the search tries, Hz.
    #[arg(long, value_name = "HZ", default_value_t = 1000.0)]
    max_hz: f64,
    /// Let the cameras take turns within a period instead of sending at once.
    #[arg(long)]
    staggered: bool,
    /// Images of different cameras for one run of the model at most.
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch_max: usize,
    /// For how long at most a frame waits for those of other cameras, ms.
    #[arg(long, value_name = "MS", default_value_t = 0.0)]
    batch_window_ms: f64,
    /// Seconds at each rate.
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    duration: f64,
}

/// Rates that can be asked for, Hz.
const RATES_HZ: std::ops::RangeInclusive<f64> = 0.1..=10_000.0;
/// Windows that can be asked for, ms; as the node's `batch_window_ms`.
const WINDOWS_MS: std::ops::RangeInclusive<f64> = 0.0..=100.0;
/// Most cameras.
const MAX_CAMERAS: usize = 64;

pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(rate) = args.hz.iter().find(|rate| !RATES_HZ.contains(*rate)) {
        bail!("--hz: expected rates from 0.1 to 10000 Hz, found {rate}");
    }
    if !(1.0..=*RATES_HZ.end()).contains(&args.max_hz) {
        bail!("--max-hz: expected a rate from 1 to 10000 Hz, found {}", args.max_hz);
    }
    if !(1..=MAX_CAMERAS).contains(&args.cameras) {
        bail!("--cameras: expected 1 to {MAX_CAMERAS}, found {}", args.cameras);
    }
    if !(1..=MAX_BATCH).contains(&args.batch_max) {
        bail!("--batch-max: expected 1 to {MAX_BATCH}, found {}", args.batch_max);
    }
    if !WINDOWS_MS.contains(&args.batch_window_ms) {
        bail!("--batch-window-ms: expected 0 to 100 ms, found {}", args.batch_window_ms);
    }
    let extent = Extent::Time(seconds(args.duration, "--duration")?);
    let mut common = args.common.plan(extent)?;
    common.session.max_batch = args.batch_max;
    let plan = RatePlan {
        plan: common,
        batch_window: Duration::from_secs_f64(args.batch_window_ms / 1e3),
        peak: !args.no_peak,
        highest_hz: args.max_hz,
        fixed_hz: args.hz.clone(),
        cameras: args.cameras,
        is_staggered: args.staggered,
    };
    let report = with_progress(|progress| measure_rates(&plan, progress))?;
    args.common.finish(&report)
}
