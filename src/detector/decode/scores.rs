//! Reading class scores: thresholds in the model's own domain, so that only candidates are decoded further.

use std::ops::RangeInclusive;

use super::Candidates;
use crate::detector::BoundingBox;
use crate::detector::manifest::Activation;

/// What a probability may be; quantised models overshoot by a rounding.
pub(super) const PROBABILITIES: RangeInclusive<f32> = -1e-3..=1.0 + 1e-3;

/// From the model's raw class values to scores.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScoreReader {
    pub(super) activation: Activation,
    pub(super) multi_label: bool,
}

impl ScoreReader {
    /// The score of a raw value.
    pub(super) fn score(self, raw: f32) -> f32 {
        match self.activation {
            Activation::None => raw,
            Activation::Sigmoid => sigmoid(raw),
        }
    }

    /// A raw value that no score from `score` up lies below. Logits are compared as they are; the margin covers the
    /// rounding of `score` and of the logistic function, which matters most close to 1. Every score is compared again.
    pub(super) fn raw_threshold(self, score: f32) -> f32 {
        match self.activation {
            Activation::None => score,
            Activation::Sigmoid if score >= 1.0 => 15.0,
            Activation::Sigmoid => {
                let logit = (score / (1.0 - score)).ln();
                logit - 1e-5 * (1.0 + logit.abs()) - 4.0 * f32::EPSILON / (1.0 - score)
            }
        }
    }

    /// Takes the classes of one box. `factor` is the box's objectness (1 without), `raw` its class values, `row` its
    /// place among the model's boxes. `bbox` is called only where a class reaches the threshold.
    pub(super) fn take(
        self,
        raw: &[f32],
        factor: f32,
        row: usize,
        candidates: &mut Candidates,
        bbox: impl FnOnce() -> BoundingBox,
    ) {
        let peak = peak(raw);
        if !peak.all_finite {
            candidates.stats_mut().non_finite += raw.iter().filter(|v| !v.is_finite()).count();
        }
        let low = candidates.low_score();
        // the margin covers the rounding of the division; every score is compared again
        let threshold = self.raw_threshold(if factor < 1.0 { low / factor * (1.0 - 1e-6) } else { low });
        if peak.highest < threshold {
            return;
        }
        let first_index = row * raw.len();
        let mut take = |bbox: BoundingBox, class: usize, raw: f32| {
            candidates.push(bbox, factor * self.score(raw), class as u32, (first_index + class) as u32);
        };
        if self.multi_label {
            let bbox = bbox();
            for (class, raw) in raw.iter().copied().enumerate() {
                if raw >= threshold && raw.is_finite() {
                    take(bbox, class, raw);
                }
            }
        } else if let Some((class, raw)) = best_finite(raw).filter(|(_, raw)| *raw >= threshold) {
            take(bbox(), class, raw);
        }
    }
}

/// The logistic function.
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// The highest finite value and its place; of equal ones the first.
fn best_finite(values: &[f32]) -> Option<(usize, f32)> {
    let finite = values.iter().copied().enumerate().filter(|(_, value)| value.is_finite());
    finite.reduce(|best, next| if next.1 > best.1 { next } else { best })
}

struct Peak {
    /// Negative infinity for none; NaN values do not count.
    highest: f32,
    all_finite: bool,
}

/// The highest value of a row, and whether all are finite. Eight independent lanes, so that it vectorises; the sum is
/// NaN or infinite as soon as one value is (or, harmlessly, when it overflows).
fn peak(values: &[f32]) -> Peak {
    let mut highest = [f32::NEG_INFINITY; 8];
    let mut sums = [0f32; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for ((value, highest), sum) in chunk.iter().zip(&mut highest).zip(&mut sums) {
            *highest = if *value > *highest { *value } else { *highest };
            *sum += *value;
        }
    }
    let mut peak = f32::NEG_INFINITY;
    for value in highest.iter().chain(rest) {
        peak = if *value > peak { *value } else { peak };
    }
    let sum = sums.iter().chain(rest).sum::<f32>();
    Peak { highest: peak, all_finite: sum.is_finite() }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a maximum is one of the values, bit for bit")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_raw_threshold_never_hides_a_score() {
        let reader = ScoreReader { activation: Activation::Sigmoid, multi_label: false };
        for step in -2000i16..2000 {
            let raw = f32::from(step) / 100.0;
            let score = reader.score(raw);
            for threshold in [score, score.next_down(), score * 0.999] {
                assert!(raw >= reader.raw_threshold(threshold), "raw {raw} score {score} at {threshold}");
            }
        }
    }

    #[test]
    fn the_raw_threshold_is_tight() {
        let reader = ScoreReader { activation: Activation::Sigmoid, multi_label: false };
        for score in [0.001f32, 0.05, 0.5, 0.9] {
            assert!((reader.score(reader.raw_threshold(score)) - score).abs() < 1e-3 * score.max(0.1));
        }
    }

    proptest! {
        #[test]
        fn the_peak_is_the_highest_number(
            values in prop::collection::vec(
                prop_oneof![20 => -5f32..5.0, 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)], 0..40)
        ) {
            let expected = values.iter().copied().filter(|v| !v.is_nan()).fold(f32::NEG_INFINITY, f32::max);
            let found = peak(&values);
            prop_assert_eq!(found.highest, expected);
            prop_assert_eq!(found.all_finite, values.iter().all(|v| v.is_finite()));
        }
    }
}
