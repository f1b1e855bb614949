//! Lines of `detections.jsonl` and `health.jsonl`.

use serde::Serialize;

use crate::detector::Detection;
use crate::health::{CameraWindow, HealthStatus};

/// What became of one frame: a line of `detections.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameRecord<'a> {
    /// Camera or topic.
    pub camera: &'a str,
    /// Index among the frames of its camera.
    pub index: u64,
    /// Capture time, ns.
    pub stamp_ns: i64,
    /// When it was recorded, ns.
    #[serde(skip)]
    pub log_time_ns: i64,
    /// Coordinate frame.
    pub frame_id: &'a str,
    /// What names it in its source.
    pub name: &'a str,
    /// `processed`, `dropped` (by a corruption of the stream) or `rejected`.
    pub outcome: &'static str,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// What was done to it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub corruptions: &'a [String],
    /// Width and height, pixels; absent where it was not processed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// Published detections, by falling score.
    pub detections: Vec<DetectionRecord<'a>>,
}

/// A detection, its box in pixels of the original image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DetectionRecord<'a> {
    /// Name of the class.
    pub class: &'a str,
    /// Index of the class.
    pub class_id: u32,
    /// Score.
    pub score: f32,
    /// `x_min`, `y_min`, `x_max`, `y_max`.
    pub bbox: [f32; 4],
}

impl<'a> DetectionRecord<'a> {
    pub(super) fn new(detection: &Detection, names: &'a [String]) -> Self {
        let bbox = &detection.bbox;
        Self {
            class: names.get(detection.class_id as usize).map_or("?", String::as_str),
            class_id: detection.class_id,
            score: detection.score,
            bbox: [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max],
        }
    }
}

/// Health of a camera at a moment of the recording: a line of `health.jsonl`, once a second of recorded time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthRecord<'a> {
    /// Camera or topic.
    pub camera: &'a str,
    /// The moment, ns, on the clock of the stamps.
    pub stamp_ns: i64,
    /// `ok`, `warn`, `error`, `insufficient_data` or `stale`.
    pub status: &'static str,
    /// Why.
    pub reason: String,
    /// Frames within the window.
    pub frames: u64,
    /// Frames per second of the window; absent while it covers less than one.
    pub frame_rate_hz: Option<f64>,
    /// Whether corruptions were injected.
    pub is_injected: bool,
    /// One for each class that was detected within the window.
    pub classes: Vec<ClassHealthRecord<'a>>,
}

/// Health of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassHealthRecord<'a> {
    /// Its name.
    pub class: &'a str,
    /// As for the camera.
    pub status: &'static str,
    /// Published detections within the window.
    pub count: u32,
    /// All detections down to the low threshold.
    pub low_count: u32,
    /// Mean score of those.
    pub mean_score: Option<f64>,
    /// Their median.
    pub median_score: Option<f64>,
}

/// The name of a status in the files.
#[must_use]
pub fn status_name(status: HealthStatus) -> &'static str {
    match status {
        HealthStatus::Ok => "ok",
        HealthStatus::Warn => "warn",
        HealthStatus::Error => "error",
        HealthStatus::InsufficientData { .. } => "insufficient_data",
        HealthStatus::Stale { .. } => "stale",
    }
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

impl<'a> HealthRecord<'a> {
    pub(super) fn new(
        window: &CameraWindow,
        camera: &'a str,
        stamp_ns: i64,
        is_injected: bool,
        names: &'a [String],
    ) -> Self {
        let summary = window.camera_summary();
        let classes = (0_u32..).zip(names).filter_map(|(id, name)| {
            let class = window.class_summary(id).filter(|class| class.low_count > 0)?;
            Some(ClassHealthRecord {
                class: name,
                status: status_name(class.status),
                count: class.count,
                low_count: class.low_count,
                mean_score: finite(class.mean_score),
                median_score: finite(class.quantiles.p50),
            })
        });
        Self {
            camera,
            stamp_ns,
            status: status_name(summary.status),
            reason: summary.reason.to_string(),
            frames: summary.frames,
            frame_rate_hz: finite(summary.frame_rate_hz),
            is_injected,
            classes: classes.collect(),
        }
    }
}
