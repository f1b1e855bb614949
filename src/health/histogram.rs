//! Histograms of scores on [0, 1].

/// Bins of the fine histogram: each 0.01 wide, `[i/100, (i+1)/100)`, the last one including 1.0.
pub const SCORE_BINS: usize = 100;

/// Bins of the histogram in a summary: each 0.05 wide, made of five fine bins.
pub const SUMMARY_BINS: usize = 20;

/// Fine bins in one summary bin.
const MERGED: usize = SCORE_BINS / SUMMARY_BINS;

/// Counts of scores within the window, one per fine bin.
pub type ScoreHistogram = [u32; SCORE_BINS];

/// The fine bin of a score in [0, 1]; `None` for NaN and scores out of range.
///
/// An `f32` times 100 is exact in `f64` (24 + 7 bits), so the bin is that of the score as given, with no
/// rounding at the edges.
pub(crate) fn bin_of(score: f32) -> Option<usize> {
    (0.0..=1.0)
        .contains(&score)
        .then(|| ((f64::from(score) * SCORE_BINS as f64) as usize).min(SCORE_BINS - 1))
}

/// The `percent`-th percentile, interpolated linearly within its bin; NaN for an empty histogram.
///
/// The sample quantile of rank ⌈n·percent/100⌉ (the inverse of the empirical distribution function, type 1 of
/// Hyndman & Fan, "Sample Quantiles in Statistical Packages", 1996) lies in the same bin, so the result is at
/// most one bin width, 0.01, away from it.
pub(super) fn percentile(bins: &ScoreHistogram, percent: u32) -> f64 {
    let samples: u64 = bins.iter().map(|&n| u64::from(n)).sum();
    // In hundredths of a sample, so that ranks are compared in integers.
    let rank = samples * u64::from(percent.clamp(1, 100));
    let mut below = 0;
    for (bin, &n) in bins.iter().enumerate() {
        let within = u64::from(n) * 100;
        if n > 0 && below + within >= rank {
            let fraction = (rank - below) as f64 / within as f64;
            return (bin as f64 + fraction) / SCORE_BINS as f64;
        }
        below += within;
    }
    f64::NAN
}

/// The fine histogram in 20 bins.
pub(super) fn merged(bins: &ScoreHistogram) -> [u32; SUMMARY_BINS] {
    let mut out = [0; SUMMARY_BINS];
    for (sum, fine) in out.iter_mut().zip(bins.chunks_exact(MERGED)) {
        *sum = fine.iter().sum();
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histogram(scores: &[f32]) -> ScoreHistogram {
        let mut bins = [0; SCORE_BINS];
        for &score in scores {
            bins[bin_of(score).unwrap()] += 1;
        }
        bins
    }

    #[test]
    fn the_edges_belong_to_the_first_and_the_last_bin() {
        assert_eq!(bin_of(0.0), Some(0));
        assert_eq!(bin_of(-0.0), Some(0));
        assert_eq!(bin_of(f32::MIN_POSITIVE), Some(0));
        assert_eq!(bin_of(0.5), Some(50));
        assert_eq!(bin_of(1.0_f32.next_down()), Some(99));
        assert_eq!(bin_of(1.0), Some(99));
    }

    #[test]
    fn scores_out_of_range_have_no_bin() {
        for score in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0_f32.next_up(), -f32::MIN_POSITIVE] {
            assert_eq!(bin_of(score), None, "{score}");
        }
    }

    #[test]
    fn an_empty_histogram_has_no_percentile() {
        assert!(percentile(&[0; SCORE_BINS], 50).is_nan());
    }

    #[test]
    fn percentiles_are_interpolated_within_the_bin() {
        // Four scores in one bin: the median is its middle.
        assert!((percentile(&histogram(&[0.505; 4]), 50) - 0.505).abs() < 1e-12);
        // Half the scores in bin 10, half in bin 90: the median is the upper edge of the lower one.
        assert!((percentile(&histogram(&[0.105, 0.105, 0.905, 0.905]), 50) - 0.11).abs() < 1e-12);
        assert!((percentile(&histogram(&[1.0]), 100) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn ranks_do_not_overflow_in_the_fullest_histogram() {
        assert!((percentile(&[u32::MAX; SCORE_BINS], 50) - 0.5).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_a_bin_of_the_sample_quantile(
            mut scores in prop::collection::vec(0.0_f32..=1.0, 1..200),
            percent in 1_u32..=100,
        ) {
            let estimate = percentile(&histogram(&scores), percent);
            scores.sort_by(f32::total_cmp);
            let rank = (scores.len() * percent as usize).div_ceil(100);
            let exact = f64::from(scores[rank - 1]);
            prop_assert!((estimate - exact).abs() <= 0.01 + 1e-12, "{} against {}", estimate, exact);
        }

        #[test]
        fn merging_keeps_every_sample(scores in prop::collection::vec(0.0_f32..=1.0, 0..200)) {
            let merged = merged(&histogram(&scores));
            for (bin, &n) in merged.iter().enumerate() {
                let expected = scores.iter().filter(|&&s| bin_of(s).unwrap() / 5 == bin).count();
                prop_assert_eq!(n as usize, expected);
            }
        }
    }
}
