use crate::detector::{Agreement, Detection, Thresholds};

use super::ImageQuality;

/// What health is told of one processed frame.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The frame's time, ns, on the clock that [`CameraMonitor::advance`](super::CameraMonitor::advance) is given.
    pub stamp_ns: i64,
    /// Detections down to the low score, after non-maximum suppression, pixels of the original image.
    pub detections: &'a [Detection],
    /// Which of them are published.
    pub thresholds: &'a Thresholds,
    /// Width and height of the original image, pixels.
    pub image_size: [u32; 2],
    /// How far the candidates agreed.
    pub agreement: Agreement,
    /// The image's quality, where it was measured.
    pub quality: Option<&'a ImageQuality>,
}
