//! What a camera's health is, once a second. Fields are named as in `msg/CameraHealth.msg` and `msg/ClassHealth.msg`.

use serde::Serialize;

use super::{HealthStatus, ImageState, Reason, SUMMARY_BINS};

const NOTHING: Reason = Reason::TooFewDetections { have: 0, need: 0 };
const UNJUDGED: HealthStatus = HealthStatus::InsufficientData { have: 0, need: 0 };

/// An estimate with its interval; all NaN where it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimated {
    /// The estimate.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Estimated {
    /// Not known.
    pub const UNKNOWN: Self = Self { value: f64::NAN, low: f64::NAN, high: f64::NAN };
}

/// Health of a camera. Figures that are not known are NaN (`null` in JSON).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "msg/CameraHealth.msg says what each field is")]
pub struct CameraReport {
    #[serde(serialize_with = "status_name")]
    pub status: HealthStatus,
    #[serde(serialize_with = "in_words")]
    pub reason: Reason,
    pub window_s: u32,
    pub frames: u64,
    pub detections: u64,
    pub published: u64,
    /// Times that the window was emptied because time went back.
    pub time_jumps: u64,
    pub processing_rate: f64,
    pub image_state: ImageState,
    pub image_noise: f64,
    pub image_sharpness: f64,
    pub image_brightness: f64,
    pub image_contrast: f64,
    pub image_dark_share: f64,
    pub image_bright_share: f64,
    pub image_blockiness: f64,
    pub prediction_consistency: f64,
    pub prediction_reliability: f64,
    /// Name of a corruption; `None` where the image is as in the profile, or no profile is loaded.
    pub estimated_corruption: Option<&'static str>,
    pub estimated_severity: f64,
    pub estimated_map: Estimated,
    /// `class_id` of the worst class; written by name, as the classes are, by whoever knows names.
    #[serde(skip)]
    pub worst_class: Option<u32>,
    /// By `class_id`, all of the model's.
    #[serde(skip)]
    pub classes: Vec<ClassReport>,
}

/// Health of a class of a camera. Figures that are not known are NaN (`null` in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[expect(missing_docs, reason = "msg/ClassHealth.msg says what each field is")]
pub struct ClassReport {
    pub class_id: u32,
    #[serde(serialize_with = "status_name")]
    pub status: HealthStatus,
    #[serde(serialize_with = "in_words")]
    pub reason: Reason,
    pub detections: u32,
    pub published: u32,
    pub detections_needed: u32,
    pub detection_rate: f64,
    pub score_mean: f64,
    pub score_p10: f64,
    pub score_p50: f64,
    pub score_p90: f64,
    pub score_histogram: [u32; SUMMARY_BINS],
    pub expected_detection_rate: f64,
    pub expected_precision: f64,
    pub above_threshold_share: f64,
    pub score_psi: f64,
    pub score_wasserstein: f64,
    pub change_statistic: f64,
    pub track_match_rate: f64,
    pub estimated_ap: Estimated,
}

impl CameraReport {
    /// A report of nothing, to be filled.
    pub(super) fn empty(class_count: usize, window_s: u32) -> Self {
        Self {
            status: UNJUDGED,
            reason: NOTHING,
            window_s,
            frames: 0,
            detections: 0,
            published: 0,
            time_jumps: 0,
            processing_rate: f64::NAN,
            image_state: ImageState::Unknown,
            image_noise: f64::NAN,
            image_sharpness: f64::NAN,
            image_brightness: f64::NAN,
            image_contrast: f64::NAN,
            image_dark_share: f64::NAN,
            image_bright_share: f64::NAN,
            image_blockiness: f64::NAN,
            prediction_consistency: f64::NAN,
            prediction_reliability: f64::NAN,
            estimated_corruption: None,
            estimated_severity: f64::NAN,
            estimated_map: Estimated::UNKNOWN,
            worst_class: None,
            classes: (0..class_count as u32).map(ClassReport::empty).collect(),
        }
    }
}

impl ClassReport {
    /// A report of nothing, to be filled.
    pub(super) fn empty(class_id: u32) -> Self {
        Self {
            class_id,
            status: UNJUDGED,
            reason: NOTHING,
            detections: 0,
            published: 0,
            detections_needed: 0,
            detection_rate: f64::NAN,
            score_mean: f64::NAN,
            score_p10: f64::NAN,
            score_p50: f64::NAN,
            score_p90: f64::NAN,
            score_histogram: [0; SUMMARY_BINS],
            expected_detection_rate: f64::NAN,
            expected_precision: f64::NAN,
            above_threshold_share: f64::NAN,
            score_psi: f64::NAN,
            score_wasserstein: f64::NAN,
            change_statistic: f64::NAN,
            track_match_rate: f64::NAN,
            estimated_ap: Estimated::UNKNOWN,
        }
    }
}

fn status_name<S: serde::Serializer>(status: &HealthStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status.name())
}

fn in_words<S: serde::Serializer>(reason: &Reason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(reason)
}
