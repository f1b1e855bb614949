//! How sure a difference is.

use statrs::distribution::{ContinuousCDF as _, Normal, StudentsT};

/// The level of intervals and verdicts.
pub(super) const LEVEL: f64 = 0.05;

/// What deviations of a mean over `seeds` seeds have to be multiplied by, so that 95 % intervals of their bootstrap are as
/// wide as those of Student's t: √(n / (n − 1)) for the variance, t / z for the quantile (Hesterberg 2015, section 4.2). 0
/// for one seed, whose deviations nothing is known of.
#[must_use]
pub fn seed_expansion(seeds: usize) -> f64 {
    let freedom = seeds.saturating_sub(1) as f64;
    let quantile = 1.0 - LEVEL / 2.0;
    StudentsT::new(0.0, 1.0, freedom).map_or(0.0, |t| {
        (seeds as f64 / freedom).sqrt() * t.inverse_cdf(quantile) / Normal::standard().inverse_cdf(quantile)
    })
}

/// The two-sided p-value of no effect, by inverting the bias-corrected percentile interval
/// ([`interval`](roadproof::evaluation::interval)): it falls below 0.05 where that interval leaves out 0. `None` without
/// resamples. Half of what ties counts as below, and one resample more on either side.
#[must_use]
pub fn p_value(effect: f64, resampled: &[f64]) -> Option<f64> {
    if resampled.is_empty() {
        return None;
    }
    let count = resampled.len() as f64;
    let share = |bound: f64| {
        let below = resampled.iter().filter(|value| **value < bound).count() as f64;
        let above = resampled.iter().filter(|value| **value > bound).count() as f64;
        f64::midpoint(below, count - above)
    };
    let normal = Normal::standard();
    let inside = |share: f64| share.clamp(0.5 / count, 1.0 - 0.5 / count);
    let bias = normal.inverse_cdf(inside(share(effect) / count));
    let zero = normal.inverse_cdf((share(0.0) + 1.0) / (count + 2.0));
    let below = normal.cdf(zero - 2.0 * bias);
    Some((2.0 * below.min(1.0 - below)).min(1.0))
}

/// P-values adjusted over all of them, in their order (Holm 1979): the smallest times their number, the next times one
/// less, and so on; none below one that was smaller.
#[must_use]
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    let at = |place: usize| values.get(place).copied().unwrap_or(1.0);
    order.sort_by(|a, b| at(*a).total_cmp(&at(*b)));
    let mut adjusted = vec![1.0; values.len()];
    let mut least: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        least = least.max(at(place) * (values.len() - rank) as f64).min(1.0);
        if let Some(value) = adjusted.get_mut(place) {
            *value = least;
        }
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roadproof::evaluation::interval;

    use super::*;

    #[test]
    fn holm_adjusts_as_in_the_books() {
        // worked by hand: 0.01 × 3, 0.02 × 2, and 0.03 × 1, which may not be below 0.04
        let adjusted = holm(&[0.03, 0.01, 0.02]);
        for (found, expected) in adjusted.iter().zip([0.04, 0.03, 0.04]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn few_seeds_widen_more() {
        assert_eq!((seed_expansion(0), seed_expansion(1)), (0.0, 0.0));
        // t(0.975; 2) = 4.3027, z = 1.9600
        assert!((seed_expansion(3) - 1.5_f64.sqrt() * 4.302_653 / 1.959_964).abs() < 1e-4);
        let widths: Vec<f64> = (2..40).map(seed_expansion).collect();
        assert!(widths.windows(2).all(|pair| pair[0] > pair[1]));
        assert!((seed_expansion(10_000) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn no_resamples_no_p_and_nothing_but_zero_is_no_effect() {
        assert_eq!(p_value(0.1, &[]), None);
        assert!((p_value(0.0, &[0.0; 200]).unwrap() - 1.0).abs() < 1e-9);
        assert!(p_value(0.1, &[0.1; 1000]).unwrap() < 0.01);
    }

    proptest! {
        #[test]
        fn p_and_interval_agree_but_for_the_last_resample(
            values in proptest::collection::vec(-1.0..1.0_f64, 400..600),
            shift in -1.2..1.2_f64,
        ) {
            let values: Vec<f64> = values.into_iter().map(|value| value + shift).collect();
            let effect = values.iter().sum::<f64>() / values.len() as f64;
            let p = p_value(effect, &values).unwrap();
            let [low, high] = interval(effect, values.iter().copied()).unwrap();
            let leaves_out_zero = low > 0.0 || high < 0.0;
            // the p-value is the more careful one
            prop_assert!(p > 0.03 || leaves_out_zero, "p {p}, {low} to {high}");
            prop_assert!(p < 0.09 || !leaves_out_zero, "p {p}, {low} to {high}");
        }

        #[test]
        fn holm_never_lowers_and_keeps_the_order(values in proptest::collection::vec(0.0..1.0_f64, 1..9)) {
            let adjusted = holm(&values);
            for (a, pa) in values.iter().zip(&adjusted) {
                prop_assert!(pa >= a && *pa <= 1.0);
                for (b, pb) in values.iter().zip(&adjusted) {
                    prop_assert!(a > b || pa <= pb);
                }
            }
        }
    }
}
