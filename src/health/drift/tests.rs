//! Each figure against a naive one made of single scores.

use proptest::prelude::*;

use super::*;

fn scores() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![0..SCORE_BINS, 0..10_usize], 1..300)
}

fn histogram(bins: &[usize]) -> ScoreHistogram {
    let mut histogram = [0; SCORE_BINS];
    for &bin in bins {
        histogram[bin] += 1;
    }
    histogram
}

/// Area between two empirical quantile functions, on a grid that both sample sizes divide.
fn naive_wasserstein(a: &[usize], b: &[usize]) -> f64 {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    a.sort_unstable();
    b.sort_unstable();
    let steps = a.len() * b.len();
    let gap = |i: usize| a[i / b.len()].abs_diff(b[i / a.len()]) as f64 / SCORE_BINS as f64;
    (0..steps).map(gap).sum::<f64>() / steps as f64
}

proptest! {
    #[test]
    fn wasserstein_is_the_distance_of_sorted_scores(a in scores(), b in scores()) {
        let reference = ReferenceScores::new(&histogram(&a)).unwrap();
        let found = reference.wasserstein(&histogram(&b));
        prop_assert!((found - naive_wasserstein(&a, &b)).abs() < 1e-9);
        prop_assert!((0.0..=1.0).contains(&found));
    }

    #[test]
    fn bands_are_contiguous_and_hold_their_share(a in scores()) {
        let reference = ReferenceScores::new(&histogram(&a)).unwrap();
        prop_assert!(reference.bands.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1));
        prop_assert_eq!(usize::from(reference.bands[SCORE_BINS - 1]) + 1, reference.band_total);
        for band in 0..reference.band_total {
            let inside = a.iter().filter(|&&bin| usize::from(reference.bands[bin]) == band).count() as f64;
            prop_assert_eq!(inside, reference.band_counts[band]);
            prop_assert!(inside >= BAND_SHARE * a.len() as f64 - 1e-9);
        }
    }

    #[test]
    fn psi_is_the_sum_over_bands_of_single_scores(a in scores(), b in scores()) {
        let reference = ReferenceScores::new(&histogram(&a)).unwrap();
        let bands = reference.band_total as f64;
        let share = |sample: &[usize], band: usize| {
            let inside = sample.iter().filter(|&&bin| usize::from(reference.bands[bin]) == band).count() as f64;
            (inside + 0.5) / (sample.len() as f64 + 0.5 * bands)
        };
        let naive: f64 = (0..reference.band_total)
            .map(|band| (share(&b, band), share(&a, band)))
            .map(|(p, q)| p * (p / q).ln() + q * (q / p).ln())
            .sum();
        let found = reference.psi(&histogram(&b));
        prop_assert!((found - naive).abs() < 1e-9 && found >= 0.0, "{} against {}", found, naive);
    }

    #[test]
    fn a_sample_is_nowhere_away_from_itself(a in scores()) {
        let histogram = histogram(&a);
        let reference = ReferenceScores::new(&histogram).unwrap();
        prop_assert!(reference.psi(&histogram).abs() < 1e-9);
        prop_assert!(reference.wasserstein(&histogram).abs() < 1e-9);
    }

    #[test]
    fn the_share_above_is_that_of_scores_spread_over_their_bins(a in scores(), threshold in 0.0_f64..=1.0) {
        // Each score stands for a thousand, evenly spread.
        let spread = a.iter().flat_map(|&bin| (0..1000).map(move |i| (bin as f64 + (f64::from(i) + 0.5) / 1000.0) / 100.0));
        let naive = spread.filter(|&score| score >= threshold).count() as f64 / (a.len() * 1000) as f64;
        prop_assert!((share_above(&histogram(&a), threshold) - naive).abs() < 1e-3);
    }

    #[test]
    fn expected_precision_is_the_mean_over_the_highest_scores(
        a in scores(),
        share in 0.0_f64..=1.0,
        precision in prop::collection::vec(0.0_f64..=1.0, SCORE_BINS),
    ) {
        let published = ((a.len() as f64 * share) as usize).max(1);
        let mut sorted = a.clone();
        sorted.sort_unstable_by(|x, y| y.cmp(x));
        let naive = sorted.iter().take(published).map(|&bin| precision[bin]).sum::<f64>() / published as f64;
        let found = expected_precision(&histogram(&a), published as u32, &precision);
        prop_assert!((found - naive).abs() < 1e-9);
    }
}

#[test]
fn nothing_is_said_of_nothing() {
    assert!(ReferenceScores::new(&[0; SCORE_BINS]).is_none());
    assert!(ReferenceScores::new(&[]).is_none());
    let reference = ReferenceScores::new(&[3; SCORE_BINS]).unwrap();
    assert!(reference.psi(&[0; SCORE_BINS]).is_nan());
    assert!(reference.wasserstein(&[0; SCORE_BINS]).is_nan());
    assert!(share_above(&[0; SCORE_BINS], 0.5).is_nan());
    assert!(expected_precision(&[1; SCORE_BINS], 0, &[0.5; SCORE_BINS]).is_nan());
    assert!(expected_precision(&[1; SCORE_BINS], 5, &[0.5; 3]).is_nan());
}

#[test]
fn lower_scores_move_both_measures() {
    let high = histogram(&[70; 200]);
    let low = histogram(&[40; 200]);
    let mut spread = [2; SCORE_BINS];
    spread[70] += 200;
    let reference = ReferenceScores::new(&spread).unwrap();
    assert!((ReferenceScores::new(&high).unwrap().wasserstein(&low) - 0.3).abs() < 1e-12);
    assert!(reference.psi(&low) > 1.0);
    assert!(reference.psi(&spread) < 1e-12);
}

#[test]
fn few_scores_widen_the_limits() {
    let reference = ReferenceScores::new(&[100; SCORE_BINS]).unwrap();
    assert_eq!(reference.widening(2000.0, 1000.0), 1.0);
    let quarter = reference.widening(250.0, 1000.0);
    assert!((3.0..4.0).contains(&quarter), "{quarter}");
}
