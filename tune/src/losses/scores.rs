//! Cross entropy of scores towards soft targets.

use roadproof::detector::decode::Part;

use crate::heads::{Location, Sinks, View, each};
use crate::tensor::Tensor;
use crate::truth::ClassWeights;

/// Probabilities are kept this far from 0 and 1, so that logarithms and `1 / (p (1 - p))` stay finite.
const MARGIN: f32 = 1e-6;

/// The quality focal loss of a probability towards a soft target, and its gradient:
/// `|t - p|^beta (-(1 - t) log(1 - p) - t log(p))` (Li et al., "Generalized Focal Loss", NeurIPS 2020, equation 5).
#[derive(Debug, Clone, Copy)]
pub(super) struct QualityFocal {
    /// Its power; 0 makes it the plain cross entropy.
    pub(super) beta: f32,
    /// Whether the network gives logits; else it gives probabilities.
    pub(super) logits: bool,
}

impl QualityFocal {
    /// The loss, and its gradient by what the network gave. `p` and `t` lie in `[0, 1]`.
    #[expect(clippy::float_cmp, reason = "the usual power, which takes no logarithm, is meant exactly")]
    pub(super) fn of(self, p: f32, t: f32) -> (f32, f32) {
        let p = p.clamp(MARGIN, 1.0 - MARGIN);
        let slope = p * (1.0 - p);
        let distance = p - t;
        let positive = if t > 0.0 { t * p.ln() } else { 0.0 };
        let entropy = -(1.0 - t) * log_of_rest(p) - positive;
        // by the logit, the entropy's gradient is p - t and that of p is p (1 - p)
        let (loss, by_logit) = if self.beta == 2.0 {
            let square = distance * distance;
            (square * entropy, 2.0 * distance * slope * entropy + square * distance)
        } else if self.beta == 0.0 {
            (entropy, distance)
        } else {
            let size = distance.abs();
            let factor = size.powf(self.beta);
            let growth = if size > 0.0 { self.beta * factor / distance } else { 0.0 };
            (factor * entropy, growth * slope * entropy + factor * distance)
        };
        // a Sigmoid in the graph multiplies by the slope again
        (loss, if self.logits { by_logit } else { by_logit / slope })
    }

    /// Adds up the loss of the elements of a part. `target` gives for a row, a column and a place in the output the target
    /// and the factor of an element.
    pub(super) fn sum(
        self,
        student: View<'_>,
        part: &Part,
        rows: usize,
        sinks: &mut Sinks<'_>,
        target: impl Fn(usize, usize, usize) -> (f32, f32),
    ) -> f64 {
        let mut sum = 0.0;
        let data = student.data(part.output);
        let sink = sinks.data_mut(part.output);
        each(part, rows, |row, column, place| {
            let (t, factor) = target(row, column, place);
            if factor == 0.0 {
                return;
            }
            if let (Some(raw), Some(sink)) = (data.get(place), sink.get_mut(place)) {
                let (loss, gradient) = self.of(student.probability(*raw), t);
                sum += f64::from(factor * loss);
                *sink += factor * gradient;
            }
        });
        sum
    }
}

/// `log(1 - p)`. Most probabilities are small: for them a few terms of the series are as exact as float32, and faster.
fn log_of_rest(p: f32) -> f32 {
    if p < 1.0 / 32.0 {
        -p * (1.0 + p * (1.0 / 2.0 + p * (1.0 / 3.0 + p * (1.0 / 4.0 + p * (1.0 / 5.0)))))
    } else {
        (1.0 - p).ln()
    }
}

/// Scores like the parent's, at all locations; `weight` times the class's weight counts. Where the head has objectness,
/// that is learnt at all locations, and classes as far as the parent sees an object: what it says of the class elsewhere is
/// noise (Mehta and Ozturk, "Object detection at 200 Frames Per Second", ECCV 2018 workshops, section 3.3).
pub(super) fn distil(
    focal: QualityFocal,
    weight: f32,
    weights: &ClassWeights,
    (student, parent): (View<'_>, View<'_>),
    sinks: &mut Sinks<'_>,
) -> f64 {
    let mut sum = 0.0;
    for (index, block) in student.head.blocks().iter().enumerate() {
        let score = |output: usize, place: usize| {
            parent.probability(parent.data(output).get(place).copied().unwrap_or(0.0))
        };
        let classes = block.scores.output;
        if let Some(objectness) = &block.objectness {
            sum += focal.sum(student, objectness, block.rows, sinks, |_, _, place| {
                (score(objectness.output, place), weight)
            });
            let seen = Tensor::from_fn(&[block.rows], |row| {
                weight * parent.objectness(Location { block: index, row })
            });
            sum += focal.sum(student, &block.scores, block.rows, sinks, |row, column, place| {
                let seen = seen.data().get(row).copied().unwrap_or(0.0);
                (score(classes, place), seen * weights.of(column as u32))
            });
        } else {
            sum += focal.sum(student, &block.scores, block.rows, sinks, |_, column, place| {
                (score(classes, place), weight * weights.of(column as u32))
            });
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sigmoid(z: f64) -> f64 {
        1.0 / (1.0 + (-z).exp())
    }

    /// Written down once more, in double precision and by the logit.
    fn plain(z: f64, t: f64, beta: f64) -> f64 {
        let p = sigmoid(z);
        (t - p).abs().powf(beta) * -((1.0 - t) * (1.0 - p).ln() + t * p.ln())
    }

    proptest! {
        #[test]
        fn gradients_are_those_of_the_formula(
            z in -6f64..6.0,
            t in 0f64..=1.0,
            beta in prop_oneof![Just(0f32), Just(1.5), Just(2.0), Just(3.0)],
        ) {
            let (step, p) = (1e-5, sigmoid(z));
            let beta64 = f64::from(beta);
            let numeric = (plain(z + step, t, beta64) - plain(z - step, t, beta64)) / (2.0 * step);
            let (loss, by_logit) = QualityFocal { beta, logits: true }.of(p as f32, t as f32);
            let (_, by_probability) = QualityFocal { beta, logits: false }.of(p as f32, t as f32);
            prop_assert!((f64::from(loss) - plain(z, t, beta64)).abs() < 1e-5 * (1.0 + z.abs()));
            prop_assert!((f64::from(by_logit) - numeric).abs() < 1e-4, "{by_logit} {numeric}");
            prop_assert!((f64::from(by_probability) * p * (1.0 - p) - numeric).abs() < 1e-4);
        }

        #[test]
        fn logarithms_of_the_rest_are_exact(p in prop_oneof![0f32..0.05, 0f32..0.99]) {
            let exact = (-f64::from(p)).ln_1p();
            let room = if p < 1.0 / 32.0 { 2e-7 * exact.abs() } else { 1e-7 + 1e-6 * exact.abs() };
            prop_assert!((f64::from(log_of_rest(p)) - exact).abs() <= room);
        }

        #[test]
        fn it_is_least_at_the_target(p in 0f32..=1.0, beta in prop_oneof![Just(1f32), Just(2.0), Just(4.0)]) {
            for logits in [false, true] {
                let (loss, gradient) = QualityFocal { beta, logits }.of(p, p);
                prop_assert!(loss.abs() < 1e-5 && gradient.abs() < 1e-3, "{loss} {gradient}");
            }
        }

        #[test]
        fn saturated_scores_stay_finite(p in prop_oneof![Just(0f32), Just(1.0)], t in 0f32..=1.0) {
            for (beta, logits) in [(0.0, false), (1.0, true), (2.0, false), (2.5, false)] {
                let (loss, gradient) = QualityFocal { beta, logits }.of(p, t);
                // what a Sigmoid makes of it is no more than a gradient by a logit
                prop_assert!(loss.is_finite() && (gradient * MARGIN).abs() <= 20.0);
            }
        }
    }
}
