//! Class weights by the effective number of samples.

use serde::{Deserialize, Serialize};

use super::{Census, ImbalanceError};
use crate::data::{check, check_range};
use crate::truth::ClassWeights;

/// Weights by the effective number of samples (Cui et al., CVPR 2019, arXiv 1901.05555, equation 3): a class of *n* objects has
/// the weight *(1 − β) / (1 − β^n)* times a constant.
///
/// The constant is such that the mean over all objects is 1 within the limits of `range`, so that the loss keeps its size. A class
/// without objects weighs as much as one with a single object.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EffectiveNumber {
    /// β, 0 (all the same) to below 1 (towards 1 / n).
    pub beta: f64,
    /// Least and largest weight, above 0, around 1.
    pub range: [f64; 2],
}

impl Default for EffectiveNumber {
    /// β = 0.999, weights of 0.2 to 5.
    fn default() -> Self {
        Self { beta: 0.999, range: [0.2, 5.0] }
    }
}

impl EffectiveNumber {
    pub(super) fn validate(&self, key: &str) -> Result<(), ImbalanceError> {
        check(
            (0.0..1.0).contains(&self.beta),
            &format!("{key}.beta"),
            "a number from 0 to below 1",
            &self.beta,
        )?;
        let expected = "[low, high], 0 < low <= 1 <= high <= 1000";
        let key = format!("{key}.range");
        check_range(&key, self.range, [f64::MIN_POSITIVE, 1000.0], expected)?;
        check(self.range[0] <= 1.0 && self.range[1] >= 1.0, &key, expected, &self.range)?;
        Ok(())
    }

    /// The weights of all classes; all 1 where there are no objects.
    #[must_use]
    pub fn weights(&self, census: &Census) -> ClassWeights {
        let counts = census.instances();
        let total: f64 = counts.iter().map(|count| *count as f64).sum();
        if total <= 0.0 {
            return ClassWeights::even(counts.len());
        }
        let raw: Vec<f64> = counts.iter().map(|count| self.raw((*count).max(1))).collect();
        let [low, high] = self.range;
        let mean = |factor: f64| {
            let weighed = counts.iter().zip(&raw);
            weighed.map(|(count, raw)| *count as f64 * (raw * factor).clamp(low, high)).sum::<f64>() / total
        };
        // the mean rises with the factor, from at most 1 where all are at the lower limit to at least 1 at the upper
        let (mut below, mut above) = (0.0, high / raw.iter().copied().fold(f64::INFINITY, f64::min));
        for _ in 0..200 {
            let middle = f64::midpoint(below, above);
            if mean(middle) < 1.0 { below = middle } else { above = middle }
        }
        ClassWeights(raw.iter().map(|raw| (raw * above).clamp(low, high) as f32).collect())
    }

    /// *(1 − β) / (1 − β^n)*, n at least 1.
    fn raw(&self, count: u64) -> f64 {
        (1.0 - self.beta) / (1.0 - self.beta.powf(count as f64))
    }
}
