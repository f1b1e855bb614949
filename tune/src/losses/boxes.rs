//! Boxes towards other boxes, and the distributions of their sides towards other distributions.

use super::giou::{distance, overlap};
use super::positives::Positive;
use crate::heads::{BoxCoder, BoxValues, Corners, Grid, Location, Sinks, View, peak_and_total};
use crate::truth::ClassWeights;

/// What a location's box is to become like.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) location: Location,
    pub(super) bbox: Corners,
    /// Probabilities of the bins of the four sides; empty where they are not to be learnt.
    pub(super) distributions: BoxValues,
    /// What it counts for.
    pub(super) weight: f64,
}

/// Weights of the parts of a box's loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pull {
    /// Of `1 - GIoU`.
    pub(super) giou: f64,
    /// Of the distance of centres and sizes.
    pub(super) l1: f64,
    /// Of the mean divergence of the sides.
    pub(super) distributions: f64,
    /// Temperature of the student's distributions.
    pub(super) temperature: f64,
}

impl Pull {
    /// Whether there is nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.giou == 0.0 && self.l1 == 0.0 && self.distributions == 0.0
    }

    /// The losses of the box and of its distributions. Adds their gradients.
    pub(super) fn apply(&self, student: View<'_>, target: &Target, sinks: &mut Sinks<'_>) -> (f64, f64) {
        let Some(block) = student.block(target.location) else { return (0.0, 0.0) };
        let values = student.box_values(target.location);
        let mut gradients = BoxValues::from_elem(0.0, values.len());
        let mut losses = (0.0, 0.0);
        if target.weight > 0.0 && (self.giou > 0.0 || self.l1 > 0.0) {
            let bbox = block.coder.decode(target.location.row, &values);
            let (giou, l1) = (self.giou * target.weight, self.l1 * target.weight);
            let found = overlap(&bbox, &target.bbox);
            let (apart, by_edges) = distance(&bbox, &target.bbox, student.head.size());
            losses.0 = giou * (1.0 - found.giou) + l1 * apart;
            let mut edges = found.gradient.map(|edge| -giou * edge);
            for (edge, by_edge) in edges.iter_mut().zip(by_edges) {
                *edge += l1 * by_edge;
            }
            block.coder.backward(&values, &edges, &mut gradients);
        }
        let factor = self.distributions * target.weight / 4.0;
        if let (BoxCoder::Distributions { bins, .. }, true) = (&block.coder, factor > 0.0) {
            let sides = values.chunks_exact(*bins).zip(gradients.chunks_exact_mut(*bins));
            for ((logits, sink), probabilities) in sides.zip(target.distributions.chunks_exact(*bins)) {
                losses.1 += divergence(logits, probabilities, self.temperature, factor, sink);
            }
        }
        sinks.add_box_values(target.location, &gradients);
        losses
    }
}

/// `factor T^2 KL(p || softmax(logits / T))`; adds its gradient by the logits (Hinton et al., "Distilling the Knowledge in a
/// Neural Network", arXiv 1503.02531, section 2; Zheng et al., "Localization Distillation", CVPR 2022, equation 4).
fn divergence(logits: &[f64], probabilities: &[f64], temperature: f64, factor: f64, sink: &mut [f64]) -> f64 {
    let (peak, total) = peak_and_total(logits, temperature);
    let mut loss = 0.0;
    for ((logit, p), sink) in logits.iter().zip(probabilities).zip(sink) {
        let log_q = (logit - peak) / temperature - total.ln();
        if *p > 0.0 {
            loss += p * (p.ln() - log_q);
        }
        *sink += factor * temperature * (log_q.exp() - p);
    }
    factor * temperature * temperature * loss
}

/// The distributions that a location's logits stand for, softened.
fn softened(logits: &[f64], bins: usize, temperature: f64) -> BoxValues {
    let mut all = BoxValues::new();
    for logits in logits.chunks_exact(bins) {
        let (peak, total) = peak_and_total(logits, temperature);
        all.extend(logits.iter().map(|logit| ((logit - peak) / temperature).exp() / total));
    }
    all
}

/// Distributions whose expectations are the distances, in cells, from a cell's point to a box's edges: all on the two
/// nearest bins (Li et al., "Generalized Focal Loss", NeurIPS 2020, equation 6). Distances that no bin reaches are cut.
pub(super) fn two_hot(grid: &Grid, row: usize, bins: usize, bbox: &Corners) -> BoxValues {
    let [x, y] = grid.point(row);
    let [left, top, right, bottom] = *bbox;
    let mut all = BoxValues::from_elem(0.0, 4 * bins);
    let distances = [x - left, y - top, right - x, bottom - y];
    for (side, distance) in all.chunks_exact_mut(bins).zip(distances) {
        let distance = (distance / grid.stride).clamp(0.0, (bins - 1) as f64);
        let lower = (distance.floor() as usize).min(bins - 2);
        if let Some([low, high]) = side.get_mut(lower..lower + 2) {
            *high = distance - lower as f64;
            *low = 1.0 - *high;
        }
    }
    all
}

/// Boxes like the parent's at its positives, each by its score and its class's weight, over `normaliser`.
pub(super) fn distil(
    pull: &Pull,
    normaliser: f64,
    weights: &ClassWeights,
    (student, parent): (View<'_>, View<'_>),
    positives: &[Positive],
    sinks: &mut Sinks<'_>,
) -> (f64, f64) {
    let mut sum = (0.0, 0.0);
    for positive in positives {
        let location = positive.location;
        let distributions = match student.block(location).map(|block| block.coder) {
            Some(BoxCoder::Distributions { bins, .. }) => {
                softened(&parent.box_values(location), bins, pull.temperature)
            }
            _ => BoxValues::new(),
        };
        let weight = f64::from(positive.score * weights.of(positive.class)) / normaliser;
        let target = Target { location, bbox: positive.bbox, distributions, weight };
        let losses = pull.apply(student, &target, sinks);
        sum = (sum.0 + losses.0, sum.1 + losses.1);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_nearest_bins_give_the_distances_back() {
        let grid = Grid { stride: 8.0, columns: 4, offset: 0.5 };
        // the point of row 5 is (12, 12); the right edge is out of reach
        let bbox = [2.0, 12.0, 100.0, 18.0];
        let all = two_hot(&grid, 5, 5, &bbox);
        let expectations: Vec<f64> = all
            .chunks_exact(5)
            .map(|side| side.iter().enumerate().map(|(bin, p)| bin as f64 * p).sum())
            .collect();
        assert_eq!(expectations, [1.25, 0.0, 4.0, 0.75]);
    }

    proptest! {
        #[test]
        fn divergence_has_the_gradient_of_finite_differences(
            logits in prop::collection::vec(-4f64..4.0, 5),
            other in prop::collection::vec(-4f64..4.0, 5),
            temperature in 1f64..10.0,
        ) {
            let p = softened(&other, 5, temperature);
            let of = |logits: &[f64]| divergence(logits, &p, temperature, 0.7, &mut [0.0; 5]);
            let mut gradient = [0.0; 5];
            prop_assert!(divergence(&logits, &p, temperature, 0.7, &mut gradient) >= -1e-12);
            for place in 0..5 {
                let moved = |by: f64| {
                    let mut logits = logits.clone();
                    logits[place] += by;
                    of(&logits)
                };
                let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                prop_assert!((gradient[place] - numeric).abs() < 1e-5);
            }
            prop_assert!(of(&other).abs() < 1e-9);
        }
    }
}
