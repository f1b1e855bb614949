//! What the estimator sees of a camera.

use crate::detector::Agreement;
use crate::health::estimate::WindowView;
use crate::health::seconds::Seconds;
use crate::health::{CameraWindow, QualityMeans, SCORE_BINS};

/// Sums over the frames of a second, all classes together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameSums {
    pub(super) frames: u32,
    top_score: f64,
    /// Frames in which a candidate was suppressed.
    agreeing: u32,
    consistency: f64,
    reliability: f64,
}

impl FrameSums {
    pub(super) fn add(&mut self, top_score: f32, agreement: Agreement) {
        self.frames = self.frames.saturating_add(1);
        self.top_score += f64::from(top_score);
        let means = agreement.consistency().zip(agreement.reliability());
        if let Some((consistency, reliability)) = means.filter(|(c, r)| c.is_finite() && r.is_finite()) {
            self.agreeing = self.agreeing.saturating_add(1);
            self.consistency += f64::from(consistency);
            self.reliability += f64::from(reliability);
        }
    }
}

/// Means over the window.
#[derive(Debug)]
pub(super) struct View<'a> {
    window: &'a CameraWindow,
    frames: u64,
    pub(super) quality: QualityMeans,
    top_score: f64,
    agreement: [f64; 2],
}

impl<'a> View<'a> {
    /// The view of a `window` that holds `frames` frames.
    pub(super) fn new(
        window: &'a CameraWindow,
        frames: u64,
        quality: QualityMeans,
        sums: &Seconds<FrameSums>,
    ) -> Self {
        let mut total = FrameSums::default();
        for second in sums.iter().flatten() {
            total.frames = total.frames.saturating_add(second.frames);
            total.top_score += second.top_score;
            total.agreeing = total.agreeing.saturating_add(second.agreeing);
            total.consistency += second.consistency;
            total.reliability += second.reliability;
        }
        let agreeing = f64::from(total.agreeing);
        Self {
            window,
            frames,
            quality,
            top_score: total.top_score / f64::from(total.frames),
            agreement: [total.consistency / agreeing, total.reliability / agreeing],
        }
    }
}

impl WindowView for View<'_> {
    fn frames(&self) -> f64 {
        self.frames as f64
    }

    fn histogram(&self, class_id: u32) -> Option<[f64; SCORE_BINS]> {
        self.window.score_histogram(class_id).map(|bins| bins.map(f64::from))
    }

    fn top_score(&self) -> f64 {
        self.top_score
    }

    fn quality(&self) -> QualityMeans {
        self.quality
    }

    fn agreement(&self) -> [f64; 2] {
        self.agreement
    }
}
