//! How sure a figure is: images resampled with replacement (Efron, Ann. Statist. 7(1), 1979).
//!
//! A resample is a weight for every image; the same resample weighs all variants and corruptions, so that differences are paired.

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::Difference;
use super::average_precision::{Matches, mean, sample_curve};
use super::matching::{ClassMatches, THRESHOLDS};

/// Weights of the images in each resample.
#[derive(Debug, Clone)]
pub struct Resamples {
    weights: Vec<Vec<u16>>,
}

impl Resamples {
    /// Draws `count` resamples of `images` images.
    #[must_use]
    pub fn new(images: usize, count: usize, seed: u64) -> Self {
        let draw = |index: usize| {
            let mut rng =
                Xoshiro256PlusPlus::seed_from_u64(seed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut weights = vec![0_u16; images];
            for _ in 0..images {
                // The remainder's bias is below images / 2⁶⁴.
                let image = (rng.next_u64() % images.max(1) as u64) as usize;
                if let Some(weight) = weights.get_mut(image) {
                    *weight = weight.saturating_add(1);
                }
            }
            weights
        };
        Self { weights: (0..count).into_par_iter().map(draw).collect() }
    }

    /// AP in each resample: over all classes, and of each class (`None` where the resample has no instance).
    #[must_use]
    pub fn average_precisions(&self, matches: &Matches) -> Vec<ResampledAp> {
        self.weights.par_iter().map(|weights| ResampledAp::new(matches, weights)).collect()
    }
}

/// AP in one resample.
#[derive(Debug, Clone, PartialEq)]
pub struct ResampledAp {
    /// Mean over classes.
    pub ap: Option<f64>,
    /// Of each class.
    pub classes: Vec<Option<f64>>,
}

impl ResampledAp {
    /// AP over images that each count so many times.
    #[must_use]
    pub fn new(matches: &Matches, weights: &[u16]) -> Self {
        let mut points = Vec::new();
        let classes: Vec<_> =
            matches.classes.iter().map(|class| weighted_ap(class, weights, &mut points)).collect();
        let defined: Vec<f64> = classes.iter().flatten().copied().collect();
        Self { ap: mean(&defined), classes }
    }
}

fn weighted_ap(class: &ClassMatches, weights: &[u16], points: &mut Vec<(f64, f64)>) -> Option<f64> {
    let weight = |image: u32| weights.get(image as usize).copied().map_or(0.0, f64::from);
    let instances: f64 =
        class.instances.iter().map(|(image, count)| f64::from(*count) * weight(*image)).sum();
    let mut curve = [0.0; 101];
    let mut sum = 0.0;
    for index in 0..THRESHOLDS {
        if !sample_curve(class, index, weight, instances, points, &mut curve) {
            return None;
        }
        sum += curve.iter().sum::<f64>() / 101.0;
    }
    Some(sum / THRESHOLDS as f64)
}

/// The 95 % interval around `estimate`: percentiles of the resamples, corrected for their bias; `None` without resamples.
///
/// AP of resamples lies above that of the sample (an image drawn twice is found twice), which plain percentiles would hand on. The
/// correction is Efron's BC (J. Amer. Statist. Assoc. 82(397), 1987, section 2, with an acceleration of 0).
#[must_use]
pub fn interval(estimate: f64, values: impl IntoIterator<Item = f64>) -> Option<[f64; 2]> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let count = sorted.len() as f64;
    // Half of what equals the estimate counts as below; never all or none, whose quantiles are infinite.
    let below = sorted.iter().filter(|value| **value < estimate).count() as f64;
    let above = sorted.iter().filter(|value| **value > estimate).count() as f64;
    let equal = count - below - above;
    let share = ((below + equal / 2.0) / count).clamp(0.5 / count, 1.0 - 0.5 / count);
    let normal = Normal::standard();
    let bias = normal.inverse_cdf(share);
    let at = |quantile: f64| {
        let corrected = normal.cdf(2.0 * bias + normal.inverse_cdf(quantile));
        sorted.get((corrected * last as f64).round() as usize).copied()
    };
    Some([at(0.025)?, at(0.975)?])
}

/// A difference with its interval and p-value, from the difference on all images and those of the resamples.
///
/// The p-value is twice the share of resamples on the other side of zero, counting one more of each (Davison & Hinkley, Bootstrap
/// Methods and their Application, 1997, section 4.2), so it is never below 2 / (resamples + 1).
#[must_use]
pub fn difference(drop: f64, resampled: &[f64]) -> Option<Difference> {
    let interval = interval(drop, resampled.iter().copied())?;
    let count = resampled.len() as f64 + 1.0;
    let not_above = (resampled.iter().filter(|value| **value <= 0.0).count() as f64 + 1.0) / count;
    let not_below = (resampled.iter().filter(|value| **value >= 0.0).count() as f64 + 1.0) / count;
    Some(Difference { drop, interval, p_value: (2.0 * not_above.min(not_below)).min(1.0) })
}
