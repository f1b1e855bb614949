//! A model's baseline: what its detections and its images look like when all is well, and how they change when it is not.
//!
//! `roadproof profile` makes it; [`CameraMonitor`](super::CameraMonitor) compares with it. One JSON file for each model.

mod check;
mod read;
#[cfg(test)]
mod tests;
mod write;

use serde::{Deserialize, Serialize};

use super::change::ChangeBaseline;
use super::estimate::Estimator;
use super::quality::QualityMeans;

pub use read::ProfileError;

/// Version of the file's format; others are refused.
pub const PROFILE_VERSION: u32 = 1;

/// A model's baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// [`PROFILE_VERSION`].
    pub version: u32,
    /// Roadproof's version that made it.
    pub roadproof_version: String,
    /// Whose baseline it is.
    pub model: ProfiledModel,
    /// What it was made from.
    pub source: ProfileSource,
    /// Of the images.
    pub camera: CameraProfile,
    /// By class id, all of the model's.
    pub classes: Vec<ClassProfile>,
    /// How figures respond to corruptions.
    pub curves: Vec<ResponseCurve>,
    /// Estimates average precision; absent without labels.
    pub estimator: Option<Estimator>,
    /// What the alarms were set for.
    pub alarms: AlarmSettings,
    /// SHA-256 of the file, lower-case hexadecimal; not in the file, set by [`Profile::load`].
    #[serde(skip)]
    pub sha256: String,
}

/// The model that a profile is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfiledModel {
    /// The manifest's name.
    pub name: String,
    /// SHA-256 of the ONNX file, lower-case hexadecimal.
    pub sha256: String,
}

/// What a profile was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSource {
    /// Name of the dataset or recording.
    pub name: String,
    /// Clean frames.
    pub frames: usize,
    /// Whether the frames had labels; without them corrupted frames were compared with the clean ones' detections.
    pub is_labelled: bool,
    /// Whether consecutive frames belong together, so that tracks and rates over time mean something.
    pub is_stream: bool,
    /// Lowest score that was counted; the monitor must count from the same.
    pub low_score: f32,
    /// IoU of non-maximum suppression.
    pub nms_iou: f32,
}

/// The image's baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraProfile {
    /// Means over clean frames.
    pub quality: QualityMeans,
    /// Standard deviations over clean frames.
    pub quality_deviation: QualityMeans,
    /// Mean prediction consistency and reliability over clean frames: pooled, so that frames count by their boxes; NaN (`null`
    /// in the file) where nothing was suppressed.
    #[serde(with = "nan_as_null")]
    pub agreement: [f64; 2],
    /// Mean average precision on the clean frames; absent without labels.
    pub map: Option<f64>,
}

/// The baseline of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassProfile {
    /// Its name.
    pub name: String,
    /// Detections down to the low score in 100 bins of 0.01 (see [`SCORE_BINS`](super::SCORE_BINS)).
    pub score_histogram: Vec<u32>,
    /// Detections per frame down to the low score: mean and variance.
    pub detections_per_frame: [f64; 2],
    /// Published detections per frame: mean and variance.
    pub published_per_frame: [f64; 2],
    /// Summed scores per frame: mean and variance.
    pub score_sum_per_frame: [f64; 2],
    /// Share of frames with a published detection.
    pub frames_share: f64,
    /// Probability that a detection is right (IoU ≥ 0.5), for each bin of the histogram, never falling; absent where support
    /// is too thin even for a class-independent map.
    pub precision_by_score: Option<Vec<f64>>,
    /// Threshold of average thresholded confidence: the share of scores above it is the precision on clean frames.
    pub atc_score: Option<f64>,
    /// Share of tracked objects found again in the next frame; absent where frames are no stream.
    pub track_match_rate: Option<f64>,
    /// Average precision on the clean frames; absent without labels.
    pub ap: Option<f64>,
    /// Labelled instances; 0 without labels.
    pub instances: u64,
    /// Classes by id that were published in the same frame: share of this class's frames.
    pub co_occurrence: Vec<f64>,
    /// Alarm thresholds; absent where the class was too rare to set any.
    pub alarms: Option<ClassAlarms>,
}

/// How figures respond to one corruption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseCurve {
    /// The corruption's name.
    pub corruption: String,
    /// By rising severity, severity 0 (clean) first.
    pub points: Vec<ResponsePoint>,
}

/// What is measured under one corruption at one severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponsePoint {
    /// Severity, 0 … 5.
    pub severity: f64,
    /// Means of the image's quality.
    pub quality: QualityMeans,
    /// Mean prediction consistency and reliability, as in [`CameraProfile::agreement`].
    #[serde(with = "nan_as_null")]
    pub agreement: [f64; 2],
    /// Mean average precision; without labels against the clean detections.
    pub map: f64,
    /// Average precision by class id; absent for classes without instances.
    pub class_ap: Vec<Option<f64>>,
    /// Recall at the publishing threshold (IoU ≥ 0.5) by class id.
    pub class_recall: Vec<Option<f64>>,
    /// Share of the clean frame's published detections that are found again, by class id: what probes measure.
    pub class_retention: Vec<Option<f64>>,
}

/// What the alarm thresholds were set for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlarmSettings {
    /// False alarms per camera and 10 hours that the thresholds allow.
    pub false_alarms_per_10h: f64,
    /// Frames per second that were assumed.
    pub frame_rate_hz: f64,
    /// Length of the window that was assumed, seconds.
    pub window_s: u32,
}

/// Alarm thresholds of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassAlarms {
    /// Threshold of the change detector's statistic (natural logarithm).
    pub change: f64,
    /// Population stability index that clean windows exceed as rarely as allowed.
    pub psi: f64,
    /// The same for the Wasserstein-1 distance.
    pub wasserstein: f64,
    /// Lowest track match rate of clean windows; absent where frames are no stream.
    pub track_match_rate: Option<f64>,
    /// What the change detector bets against; absent where the class profile has to do.
    #[serde(default)]
    pub baseline: Option<ChangeBaseline>,
}

/// Figures that may be unknown: NaN here, `null` in JSON, which knows no NaN.
mod nan_as_null {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(super) fn serialize<S: Serializer>(values: &[f64; 2], serializer: S) -> Result<S::Ok, S::Error> {
        values.map(|value| (!value.is_nan()).then_some(value)).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[f64; 2], D::Error> {
        let values = <[Option<f64>; 2]>::deserialize(deserializer)?;
        Ok(values.map(|value| value.unwrap_or(f64::NAN)))
    }
}
