//! How good the monitor is: what `report.json` says under `monitor`.

use serde::{Deserialize, Serialize};

use crate::corruption::Group;

/// The monitor's quality on a labelled dataset under known corruptions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorStudy {
    /// The profile.
    pub profile: ProfileSummary,
    /// What was measured on.
    pub dataset: String,
    /// Its frames.
    pub frames: usize,
    /// Windows drawn from each condition, of each size.
    pub draws: usize,
    /// Seed of corruptions and draws.
    pub seed: u64,
    /// Estimated mean average precision: by whether the profile knows the corruption, group and size of the window.
    pub map: Vec<MonitorRow>,
    /// Average precision of classes with enough instances in the window, in the same way.
    pub classes: Vec<MonitorRow>,
    /// By class, all conditions and sizes together.
    pub by_class: Vec<ClassRow>,
    /// Truth and estimate by condition.
    pub conditions: Vec<MonitorCondition>,
    /// Alarms by the estimate alone, by size of the window.
    pub roc: Vec<Roc>,
    /// Alarms on streams; absent where not asked for.
    pub alarms: Option<AlarmStudy>,
}

/// Which profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSummary {
    /// Its SHA-256.
    pub sha256: String,
    /// Name of the dataset that it was made from.
    pub source: String,
    /// Its frames.
    pub frames: usize,
    /// Corruptions that it knows; all others are held out.
    pub corruptions: Vec<String>,
}

/// Errors over a set of windows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorRow {
    /// Whether the corruptions are unknown to the profile.
    pub is_held_out: bool,
    /// Of which group; all if none is named.
    pub group: Option<Group>,
    /// Frames in each window.
    pub frames: usize,
    /// How many estimates.
    pub count: usize,
    /// Roadproof's own estimate first, then simpler ones, then `oracle`: the condition's mean itself, which no estimate from the
    /// condition alone can beat.
    pub estimators: Vec<EstimatorError>,
}

/// Errors of one way to estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EstimatorError {
    /// Which.
    pub name: String,
    /// Mean absolute error.
    pub mae: f64,
    /// Mean error; above 0 where too much is promised.
    pub bias: f64,
    /// Spearman's rank correlation; absent where nothing varies.
    pub rank_correlation: Option<f64>,
    /// Share of windows whose truth lies in the interval; absent where there is no interval.
    pub coverage: Option<f64>,
}

/// Errors of one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassRow {
    /// Its name.
    pub name: String,
    /// Windows with enough of its instances.
    pub count: usize,
    /// Mean true average precision in them.
    pub ap: f64,
    /// Errors of the estimate.
    pub error: EstimatorError,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorCondition {
    /// The corruption; none for clean frames.
    pub corruption: Option<String>,
    /// Its severity, 0 for clean frames.
    pub severity: f64,
    /// Whether the profile does not know it.
    pub is_held_out: bool,
    /// Frames in each window.
    pub frames: usize,
    /// Mean of the true mean average precision over windows.
    pub truth: f64,
    /// Its standard deviation over windows.
    pub truth_deviation: f64,
    /// Mean of the estimate.
    pub estimate: f64,
    /// Mean ends of the interval.
    pub interval: [f64; 2],
    /// The corruption that most windows seem to show; none: clean.
    pub seems: Option<String>,
    /// Share of windows that seem to show it.
    pub seems_share: f64,
    /// Mean estimated severity.
    pub seems_severity: f64,
}

/// Alarms on streams that are put together from the dataset's frames.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmStudy {
    /// Frames per second.
    pub frame_rate_hz: f64,
    /// Length of the monitor's window, seconds.
    pub window_s: u32,
    /// Simulated hours of clean frames, each hour a camera that starts anew.
    pub clean_hours: f64,
    /// Times that a class (or the camera by itself) went to `warn` or `error` on clean frames.
    pub false_alarms: usize,
    /// The same in 10 hours.
    pub false_alarms_per_10h: f64,
    /// What the profile's thresholds were set for.
    pub allowed_per_10h: f64,
    /// Share of the clean time in which the camera was at `warn` or `error`.
    pub alarmed_share: f64,
    /// After a step from clean frames to a condition.
    pub steps: Vec<StepAlarm>,
    /// Fog that thickens slowly.
    pub ramp: Option<RampAlarm>,
    /// Classes that vanish.
    pub vanishing: Vec<VanishingClass>,
}

/// How fast a step is noticed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepAlarm {
    /// The corruption.
    pub corruption: String,
    /// Its severity.
    pub severity: f64,
    /// Share of clean average precision that is lost.
    pub lost: f64,
    /// Streams.
    pub streams: usize,
    /// Streams that raised an alarm within the time looked at.
    pub detected: usize,
    /// Median delay over all streams, frames; absent where fewer than half noticed.
    pub median_delay_frames: Option<f64>,
}

/// The receiver operating characteristic of an alarm that is raised where the estimate falls below a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roc {
    /// Frames in each window.
    pub frames: usize,
    /// Area below it: the chance that a window that lost a fifth has the lower estimate than a clean one; absent where there are
    /// none of one kind.
    pub area: Option<f64>,
    /// By rising threshold.
    pub points: Vec<RocPoint>,
}

/// A point of the receiver operating characteristic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RocPoint {
    /// Threshold: share of the profile's mean average precision.
    pub threshold: f64,
    /// Of the windows of conditions that cost a fifth of clean average precision or more, the share below the threshold.
    pub true_rate: f64,
    /// Of the clean windows, the share below the threshold.
    pub false_rate: f64,
}

/// A slow ramp.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RampAlarm {
    /// The corruption.
    pub corruption: String,
    /// Time from severity 0 to the highest, seconds.
    pub length_s: f64,
    /// Severity at the first warning; absent without one.
    pub severity: Option<f64>,
    /// Share of true recall (published detections, IoU ≥ 0.5) lost at the first warning.
    pub recall_lost: Option<f64>,
}

/// A class that vanishes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VanishingClass {
    /// The class.
    pub class: String,
    /// Published detections per second before.
    pub rate_hz: f64,
    /// Seconds to `error`; absent where it was not raised in the time looked at.
    pub delay_s: Option<f64>,
}
