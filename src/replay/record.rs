//! Lines of `detections.jsonl` and `health.jsonl`.

use serde::Serialize;

use crate::detector::Detection;

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
