//! How far the candidates of one object agree, before non-maximum suppression throws all but one away.

/// Sums over the candidates that were suppressed in one frame, against the box that suppressed them.
///
/// The two figures of PCR, prediction consistency and reliability (Yoo et al., ICCV 2025, arXiv 2508.12082).
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
