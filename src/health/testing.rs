//! What tests of several rooms of health need.

use crate::detector::Thresholds;

/// Published from 0.4, counted from 0.05.
pub(super) fn thresholds() -> Thresholds {
    Thresholds {
        score: 0.4,
        nms_iou: 0.6,
        max_detections: 100,
        class_scores: Vec::new(),
        enabled: Vec::new(),
        low_score: 0.05,
    }
}
