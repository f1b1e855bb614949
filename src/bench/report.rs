//! What was measured: the content of the JSON that `roadproof bench` writes.
//!
//! Names here are the contract with whoever reads the file (`docs/bench.schema.json`); [`FORMAT`] counts up when one
//! changes its meaning. What is not known is `null`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Latency;
use crate::detector::Provider;

/// Version of the layout.
pub const FORMAT: u32 = 1;

/// A benchmark.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the program that made it.
    pub roadproof_version: String,
    /// When it ended, RFC 3339 in UTC.
    pub created: String,
    /// What it ran on.
    pub environment: Environment,
    /// How it was done.
    pub settings: Settings,
    /// As fast as it goes, stage by stage: one for each model, provider, batch and input.
    pub stages: Vec<StageRow>,
    /// At given rates: one for each model, provider and input.
    pub rates: Vec<RateRow>,
    /// What could not be measured by nature.
    pub skipped: Vec<Skipped>,
    /// What should have been measured and could not.
    pub failures: Vec<Failure>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The processor's name.
    pub cpu: Option<String>,
    /// Cores that the process may use.
    pub cores: usize,
    /// Processes that ran or waited for a core, mean of the minute before the start.
    pub load_average: Option<f64>,
    /// Whether the program was built with optimisation; figures of another build are worth nothing.
    pub is_optimised: bool,
    /// ONNX Runtime's version; `None` where no model came up.
    pub onnxruntime: Option<String>,
    /// The GPU.
    pub gpu: Option<GpuInfo>,
    /// Why nothing is known of a GPU.
    pub gpu_problem: Option<String>,
}

/// A GPU, by NVML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuInfo {
    /// Its name.
    pub name: String,
    /// The driver's version.
    pub driver: String,
    /// Its memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Of that, in use before anything was loaded, by all processes.
    pub memory_used_bytes: Option<u64>,
}

/// How busy a GPU was, by NVML, all its processes together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuUse {
    /// How often it was looked at.
    pub looks: u32,
    /// Most memory in use, bytes.
    pub memory_used_bytes: u64,
    /// Share of the time in which a kernel ran, 0 to 1, mean.
    pub utilisation_mean: f64,
    /// The same, largest.
    pub utilisation_max: f64,
}

/// How a benchmark was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Runs before those that count.
    pub warm_up_runs: usize,
    /// Seconds of each measurement, as milliseconds; `None` where images are counted instead.
    pub duration_ms: Option<u64>,
    /// Images of each measurement; `None` where the time ends it.
    pub images: Option<u64>,
    /// Threads within an operator on the CPU; 0 leaves it to ONNX Runtime.
    pub intra_op_threads: usize,
    /// Whether these spin while they wait.
    pub spinning: bool,
    /// Whether the CPU provider keeps its memory in an arena.
    pub cpu_arena: bool,
    /// Whether the memory of a run is planned from the one before.
    pub memory_pattern: bool,
}

/// Pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The file or folder they come from, or `synthetic`.
    pub name: String,
    /// Their size, pixels; `None` where they differ.
    pub size: Option<super::Size>,
    /// How many there are; they come in turn.
    pub pictures: usize,
    /// How many of the file or folder were too many.
    pub left_out: usize,
}

/// What a model computes in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precision {
    /// What most multiply-accumulates are computed in: `float32`, `float16`, `int8`.
    pub main: String,
    /// Share of the multiply-accumulates by what they are computed in.
    pub macs: BTreeMap<String, f64>,
}

/// What ran.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The model's name.
    pub model: String,
    /// Its file's SHA-256.
    pub sha256: String,
    /// What it computes in, by its graph; `None` where that cannot be told (a warning says why).
    pub precision: Option<Precision>,
    /// What was asked for: providers in order.
    pub provider: String,
    /// What computes.
    pub runs_on: Provider,
    /// What an operator should know: a provider that did not come up, an unverified model.
    pub warnings: Vec<String>,
    /// The pictures.
    pub input: Input,
}

/// Stage by stage, as fast as it goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StageRow {
    /// What ran.
    pub subject: Subject,
    /// Images of each run.
    pub batch: usize,
    /// Images in all.
    pub images: u64,
    /// Time in all.
    pub seconds: f64,
    /// Images per second.
    pub images_per_second: f64,
    /// Beside the first row.
    pub ratio: Ratio,
    /// Detections per image; tells whether the pictures gave the last stage anything to do.
    pub detections_per_image: f64,
    /// How long a run took.
    pub stages: Stages,
    /// CPU time of the whole process for an image, user and system, ms.
    pub cpu_ms_per_image: Option<f64>,
    /// The process's memory at the end, with this model loaded, bytes.
    pub resident_bytes: Option<u64>,
    /// The GPU meanwhile; `None` on the CPU or without NVML.
    pub gpu: Option<GpuUse>,
}

/// A row beside the first one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    /// Images per second over those of the first row: above 1 is faster.
    pub throughput: f64,
    /// Median of the whole run over the first row's: below 1 is faster.
    pub total_p50: f64,
}

/// Stages of a run (of one batch).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stages {
    /// Decompression and colour conversion.
    pub convert: Latency,
    /// Bringing the images to the GPU; zero where they stay on the host.
    pub upload: Latency,
    /// Resize, padding, normalisation.
    pub preprocess: Latency,
    /// The model.
    pub inference: Latency,
    /// Decoding and non-maximum suppression.
    pub postprocess: Latency,
    /// From the picture to its detections, by one clock: more than the sum of the others by what lies between them.
    pub total: Latency,
}

/// At given rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateRow {
    /// What ran.
    pub subject: Subject,
    /// How many cameras; each sends at the rate.
    pub cameras: usize,
    /// Whether the cameras take turns within a period instead of sending at once.
    pub is_staggered: bool,
    /// Images of different cameras that one run of the model takes at most.
    pub batch_max: usize,
    /// For how long at most a frame waits for those of other cameras, ms.
    pub batch_window_ms: f64,
    /// The highest rate at which at most 5 % of the frames are lost; `None` where it was not searched, or where even
    /// the lowest rate loses more.
    pub peak: Option<Peak>,
    /// Every trial of the search, in order.
    pub search: Vec<Probe>,
    /// Trials at fixed rates.
    pub fixed: Vec<Trial>,
}

/// The highest rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peak {
    /// Whether the search ended at the highest rate that it may try, so that the peak may lie above.
    pub is_limit: bool,
    /// What was measured at it.
    pub trial: Trial,
}

/// A step of the search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Frames per second of each camera.
    pub rate_hz: f64,
    /// Share of the frames that were lost.
    pub loss: f64,
}

/// What happened at a rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Frames per second of each camera.
    pub rate_hz: f64,
    /// From the first frame until the last one was done.
    pub seconds: f64,
    /// Frames that the cameras sent, all together.
    pub sent: u64,
    /// Of these, those that gave a result.
    pub processed: u64,
    /// Those that were overwritten by a newer one.
    pub lost: u64,
    /// `lost / sent`.
    pub loss: f64,
    /// Results per second, all cameras together.
    pub processed_hz: f64,
    /// From a frame's arrival in its slot until its detections are there; jitter within each camera.
    pub latency: Option<Latency>,
    /// How late the source was: from when a frame was due until it arrived.
    pub lateness: Option<Latency>,
    /// CPU time of the whole process by time: 1 is one core.
    pub cpu_cores: Option<f64>,
    /// The GPU meanwhile; `None` on the CPU or without NVML.
    pub gpu: Option<GpuUse>,
}

/// What could not be measured by nature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// The model's name.
    pub model: String,
    /// What was asked for: providers in order.
    pub provider: String,
    /// Images of each run.
    pub batch: usize,
    /// Why.
    pub reason: String,
}

/// What should have been measured and could not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// The model's name.
    pub model: String,
    /// What was asked for: providers in order.
    pub provider: String,
    /// Why.
    pub message: String,
}
