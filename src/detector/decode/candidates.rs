//! The candidates of one frame, with a bound on their number.

use crate::detector::nms::Candidate;
use crate::detector::{BoundingBox, Thresholds};

use super::scores::PROBABILITIES;

/// What one frame's outputs held, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeStats {
    /// Candidates that go into NMS.
    pub candidates: usize,
    /// Candidates that were left out because there were more than the limit; those of the lowest scores. Once the limit
    /// is reached, decoders do not look at what could not come under it, so this is a lower bound.
    pub over_limit: usize,
    /// Scores and boxes that were NaN or infinite, and ignored.
    pub non_finite: usize,
    /// Scores above 1, and ignored: the model or its manifest is wrong.
    pub out_of_range: usize,
    /// Boxes without area, and ignored.
    pub degenerate: usize,
    /// Class ids that the manifest does not have, and ignored (`end_to_end` only).
    pub unknown_class: usize,
}

/// The candidates of one frame. Buffers are reused; at most twice the limit is ever held.
#[derive(Debug, Default)]
pub struct Candidates {
    items: Vec<Candidate>,
    limit: usize,
    low_score: f32,
    /// The lowest score among the best so far, once there are more than the limit; 0 before.
    floor: f32,
    enabled: Vec<bool>,
    stats: DecodeStats,
}

impl Candidates {
    /// An empty list that lets at most `limit` candidates into NMS.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self { items: Vec::with_capacity(limit * 2), limit, ..Self::default() }
    }

    /// Starts a frame.
    pub fn begin(&mut self, thresholds: &Thresholds) {
        self.items.clear();
        self.low_score = thresholds.low_score;
        self.floor = 0.0;
        self.enabled.clear();
        self.enabled.extend_from_slice(&thresholds.enabled);
        self.stats = DecodeStats::default();
    }

    /// The candidates, in no particular order until NMS sorts them.
    #[must_use]
    pub fn items(&self) -> &[Candidate] {
        &self.items
    }

    /// The candidates, for NMS.
    pub fn items_mut(&mut self) -> &mut Vec<Candidate> {
        &mut self.items
    }

    /// The frame's numbers.
    #[must_use]
    pub fn stats(&self) -> DecodeStats {
        self.stats
    }

    /// The lowest score that can still be kept. It rises as soon as there are more candidates than the limit.
    pub(super) fn low_score(&self) -> f32 {
        self.low_score.max(self.floor)
    }

    pub(super) fn stats_mut(&mut self) -> &mut DecodeStats {
        &mut self.stats
    }

    /// Takes a candidate unless it is too low, of a class that is not looked for, or no box at all.
    pub(super) fn push(&mut self, bbox: BoundingBox, score: f32, class_id: u32, index: u32) {
        if !bbox.is_finite() || !score.is_finite() {
            self.stats.non_finite += 1;
            return;
        }
        if score < self.low_score || !self.enabled.get(class_id as usize).copied().unwrap_or(true) {
            return;
        }
        if score > *PROBABILITIES.end() {
            self.stats.out_of_range += 1;
            return;
        }
        if bbox.x_max <= bbox.x_min || bbox.y_max <= bbox.y_min {
            self.stats.degenerate += 1;
            return;
        }
        if score < self.floor {
            self.stats.over_limit += 1;
            return;
        }
        if self.items.len() >= self.limit * 2 {
            self.keep_best();
        }
        self.items.push(Candidate { bbox, score: score.min(1.0), class_id, index });
    }

    /// Ends a frame: cuts to the limit.
    pub(super) fn finish(&mut self) {
        if self.items.len() > self.limit {
            self.keep_best();
        }
        self.stats.candidates = self.items.len();
    }

    /// Keeps the `limit` candidates of the highest precedence. That order is total, so it does not matter when and
    /// how often this happens.
    fn keep_best(&mut self) {
        if self.items.len() > self.limit {
            let (_, last, _) = self.items.select_nth_unstable_by(self.limit - 1, Candidate::precedence);
            self.floor = last.score;
            self.stats.over_limit += self.items.len() - self.limit;
            self.items.truncate(self.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn thresholds(low_score: f32) -> Thresholds {
        Thresholds {
            score: 0.5,
            nms_iou: 0.6,
            max_detections: 100,
            class_scores: vec![],
            enabled: vec![true, false],
            low_score,
        }
    }

    #[test]
    fn what_is_no_candidate_is_counted() {
        let mut candidates = Candidates::new(10);
        candidates.begin(&thresholds(0.1));
        let good = BoundingBox::new(0.0, 0.0, 2.0, 2.0);
        candidates.push(good, 0.5, 0, 0);
        candidates.push(good, 0.5, 1, 1); // disabled
        candidates.push(good, 0.05, 0, 2); // low
        candidates.push(good, f32::NAN, 0, 3);
        candidates.push(BoundingBox::new(0.0, f32::INFINITY, 2.0, 2.0), 0.5, 0, 4);
        candidates.push(good, 1.2, 0, 5);
        candidates.push(BoundingBox::new(2.0, 0.0, 2.0, 2.0), 0.5, 0, 6);
        candidates.push(good, 1.000_1, 7, 7); // rounding of a quantised model
        candidates.finish();
        let stats = candidates.stats();
        assert_eq!((stats.candidates, stats.non_finite, stats.out_of_range, stats.degenerate), (2, 2, 1, 1));
        assert!(candidates.items().iter().all(|c| c.score <= 1.0));
    }

    proptest! {
        #[test]
        fn the_limit_keeps_the_best(scores in prop::collection::vec(0u32..50, 0..200), limit in 1usize..40) {
            let mut candidates = Candidates::new(limit);
            candidates.begin(&thresholds(0.01));
            let mut expected = Vec::new();
            for (index, score) in scores.iter().enumerate() {
                let score = (*score + 1) as f32 / 60.0;
                candidates.push(BoundingBox::new(0.0, 0.0, 1.0, 1.0), score, 0, index as u32);
                expected.push((score, index as u32));
            }
            candidates.finish();
            expected.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let over = expected.len().saturating_sub(limit);
            expected.truncate(limit);
            let mut found: Vec<_> = candidates.items().iter().map(|c| (c.score, c.index)).collect();
            found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            prop_assert_eq!(found, expected);
            prop_assert_eq!(candidates.stats().over_limit, over);
        }
    }
}
