//! Where the parent sees something.

use crate::heads::{Corners, Location, View};

/// A location at which the parent is sure enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Positive {
    pub(super) location: Location,
    /// Score of its best class, objectness included.
    pub(super) score: f32,
    /// That class.
    pub(super) class: u32,
    /// The parent's box; finite.
    pub(super) bbox: Corners,
}

/// The parent's positives of an image, in the order of the locations.
pub(super) fn find(parent: View<'_>, threshold: f32) -> Vec<Positive> {
    let best = parent.best_scores();
    let mut positives = Vec::new();
    for (index, block) in parent.head.blocks().iter().enumerate() {
        let scores = best.data().get(block.first..block.first + block.rows).unwrap_or_default();
        for (row, score) in scores.iter().enumerate().filter(|(_, score)| **score > threshold) {
            let location = Location { block: index, row };
            let bbox = parent.bbox(location);
            if bbox.iter().all(|edge| edge.is_finite()) {
                let class = parent.best_class(location) as u32;
                positives.push(Positive { location, score: *score, class, bbox });
            }
        }
    }
    positives
}

/// What losses of the parent's positives are divided by: the sum of their scores, at least 1.
pub(super) fn normaliser(positives: &[Positive]) -> f64 {
    positives.iter().map(|positive| f64::from(positive.score)).sum::<f64>().max(1.0)
}
