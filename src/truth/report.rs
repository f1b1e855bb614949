//! What is told once a second. Fields are named as in `msg/GroundTruthHealth.msg` and `msg/GroundTruthClass.msg`.

use serde::Serialize;

use crate::health::{ClassReport, Estimated};

/// What the health figures estimate of a class without labels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassEstimate {
    /// Average precision.
    pub ap: Estimated,
    /// Precision of what is published.
    pub precision: f64,
}

impl From<&ClassReport> for ClassEstimate {
    fn from(report: &ClassReport) -> Self {
        Self { ap: report.estimated_ap, precision: report.expected_precision }
    }
}

impl ClassEstimate {
    /// Nothing is estimated.
    pub const UNKNOWN: Self = Self { ap: Estimated::UNKNOWN, precision: f64::NAN };
}

/// What became of frames, messages and objects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "msg/GroundTruthHealth.msg says what each field is")]
pub struct TruthCounts {
    pub frames_compared: u64,
    pub frames_without_truth: u64,
    pub frames_unstamped: u64,
    pub frames_waiting: u64,
    pub wrong_frame_id: u64,
    pub truths_received: u64,
    pub truths_without_frame: u64,
    pub truths_duplicate: u64,
    pub truths_unstamped: u64,
    pub truths_malformed: u64,
    pub truths_waiting: u64,
    pub time_jumps: u64,
    pub objects_received: u64,
    pub objects_unknown_class: u64,
    pub objects_bad_box: u64,
    pub objects_outside: u64,
    pub objects_partly_outside: u64,
    pub objects_rotated: u64,
}

/// How good the detector really is on one camera. Figures that are not known are NaN (`null` in JSON).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "msg/GroundTruthHealth.msg says what each field is")]
pub struct TruthReport {
    pub window_frames: usize,
    pub frames: usize,
    pub first_stamp_ns: i64,
    pub last_stamp_ns: i64,
    pub iou: f64,
    pub map: f64,
    pub estimated_map: f64,
    pub map_error: f64,
    #[serde(flatten)]
    pub counts: TruthCounts,
    /// Objects by the name of the class that the model does not have.
    pub unknown_classes: Vec<(String, u64)>,
    /// What went wrong since the report before, in words.
    pub notes: Vec<String>,
    /// By class id, those with instances or published detections in the window.
    pub classes: Vec<TruthClass>,
}

/// How good the detector really is on one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(missing_docs, reason = "msg/GroundTruthClass.msg says what each field is")]
pub struct TruthClass {
    pub class_id: u32,
    pub class_name: String,
    pub instances: u32,
    pub published: u32,
    pub right: u32,
    pub precision: f64,
    pub recall: f64,
    pub ap: f64,
    pub estimated_ap: Estimated,
    pub expected_precision: f64,
    pub ap_error: f64,
    pub precision_error: f64,
}

/// A share; NaN of nothing.
pub(super) fn share(part: u32, whole: u32) -> f64 {
    f64::from(part) / f64::from(whole)
}

/// A mean; NaN of nothing.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}
