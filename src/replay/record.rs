//! Lines of `detections.jsonl` and `health.jsonl`.

use serde::Serialize;

use crate::detector::Detection;
use crate::health::{CameraReport, ClassReport, HealthStatus};

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
    /// Whether corruptions were injected since the line before.
    pub is_injected: bool,
    /// What was done to the last frame.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub corruptions: &'a [String],
    /// The figures, named as in `msg/CameraHealth.msg`; `null` where they are not known.
    #[serde(flatten)]
    pub report: &'a CameraReport,
    /// The class with the worst status.
    pub worst_class: Option<&'a str>,
    /// One for each class that was detected within the window, or whose status says more than that too little was seen.
    pub classes: Vec<ClassHealthRecord<'a>>,
}

/// Health of a class, its figures named as in `msg/ClassHealth.msg`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassHealthRecord<'a> {
    /// Its name.
    pub class_name: &'a str,
    /// The figures.
    #[serde(flatten)]
    pub report: &'a ClassReport,
}

impl<'a> HealthRecord<'a> {
    pub(super) fn new(
        report: &'a CameraReport,
        camera: &'a str,
        stamp_ns: i64,
        is_injected: bool,
        corruptions: &'a [String],
        names: &'a [String],
    ) -> Self {
        let matters = |class: &&ClassReport| {
            class.detections > 0 || matches!(class.status, HealthStatus::Warn | HealthStatus::Error)
        };
        let classes = report.classes.iter().filter(matters).map(|class| ClassHealthRecord {
            class_name: names.get(class.class_id as usize).map_or("?", String::as_str),
            report: class,
        });
        let worst_class = report.worst_class.and_then(|id| names.get(id as usize)).map(String::as_str);
        Self { camera, stamp_ns, is_injected, corruptions, report, worst_class, classes: classes.collect() }
    }
}
