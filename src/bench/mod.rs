//! How fast a model is, from picture to detections: stage by stage as fast as it goes ([`measure_stages`]), and behind
//! cameras that do not wait ([`measure_rates`]).
//!
//! What is measured is what the node runs: its converters, its detector, and in [`measure_rates`] its mailbox and its
//! pipeline. The middleware is left out.

mod environment;
mod error;
mod gpu;
mod latency;
mod pictures;
mod precision;
mod process;
mod rate;
mod report;
mod stages;
mod subject;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use error::{BenchError, SizeError};
pub use latency::{LEAST_FOR_P99, LEAST_FOR_P999, Latency};
pub use pictures::{MAX_PICTURES, Pictures};
pub use rate::{ACCEPTABLE_LOSS, RatePlan, measure_rates};
pub use report::{
    Environment, FORMAT, Failure, GpuInfo, GpuUse, Input, Peak, Precision, Probe, RateRow, Ratio, Report,
    Settings, Skipped, StageRow, Stages, Subject, Trial,
};
pub use stages::measure_stages;

use crate::detector::{ModelManifest, ProviderPolicy, SessionOptions};

/// Width and height of a picture, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// How long to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// So long.
    Time(Duration),
    /// So many images.
    Images(u64),
}

/// What both ways of measuring need: every model runs on every provider with every input.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The models.
    pub models: Vec<ModelManifest>,
    /// What to compute on: each is tried for itself, and one that does not come up is a [`Failure`].
    pub providers: Vec<ProviderPolicy>,
    /// The pictures.
    pub inputs: Vec<Pictures>,
    /// How the models are run; its providers are replaced by each of `providers`.
    pub session: SessionOptions,
    /// Runs before those that count.
    pub warm_up_runs: usize,
    /// How long each measurement is.
    pub extent: Extent,
}

/// Where a benchmark is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is done now.
    pub what: String,
    /// Share of everything that is done, 0 to 1; an estimate where a search is still to come.
    pub share: f64,
}

/// Hears where a benchmark is.
pub type OnProgress<'a> = dyn FnMut(Progress) + 'a;
