//! How far the candidates of one object agree, before non-maximum suppression throws all but one away.

/// Sums over the candidates that were suppressed in one frame, against the box that suppressed them.
///
/// After PCR, prediction consistency and reliability (Yoo, Kwon, Hwang & Lee, "Automated Model Evaluation for Object
/// Detection via Prediction Consistency and Reliability", ICCV 2025, arXiv 2508.12082): the boxes that suppression throws
/// away say how well the detector localises, and their scores how far it can be relied on. The paper merges the candidates
/// of a kept box into one enclosing box, takes the mean of its IoU with the kept box and of the closeness of their centres,
/// weighs low-confidence boxes most, and for reliability takes the share of the candidates' confidence that lies around
/// kept boxes of more than 0.5.
///
/// What is computed here is simpler, without constants to tune, and ours. For a kept box, *consistency* is the mean IoU with the
/// candidates that it suppressed, and *reliability* the mean of their scores, each weighted by its IoU. All kept boxes count
/// the same, whatever their score. Between models with different thresholds (`low_score`, `nms_iou`) neither compares: what
/// suppresses has an IoU above `nms_iou`, so consistency lies between that and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Agreement {
    /// Kept boxes.
    pub kept: u32,
    /// Suppressed candidates.
    pub suppressed: u32,
    /// Mean IoU of a kept box with those that it suppressed, summed over kept boxes that suppressed any.
    pub consistency_sum: f32,
    /// Confidence of a kept box as its candidates tell it (see [`Agreement::reliability`]), summed over the same boxes.
    pub reliability_sum: f32,
    /// Kept boxes that suppressed any.
    pub supported: u32,
}

impl Agreement {
    /// Mean prediction consistency, 0 … 1; `None` where nothing was suppressed.
    #[must_use]
    pub fn consistency(&self) -> Option<f32> {
        (self.supported > 0).then(|| self.consistency_sum / self.supported as f32)
    }

    /// Mean prediction reliability, 0 … 1; `None` where nothing was suppressed.
    #[must_use]
    pub fn reliability(&self) -> Option<f32> {
        (self.supported > 0).then(|| self.reliability_sum / self.supported as f32)
    }
}
