//! How far a window's scores are from the profile's, and what the calibrated scores say of precision.
//!
//! Everything works on histograms of 100 bins of 0.01; a figure that cannot be told is NaN.

use super::{SCORE_BINS, ScoreHistogram};

/// Bands of the population stability index hold at least this share of the profile's scores.
const BAND_SHARE: f64 = 0.05;

/// Most bands that can come of [`BAND_SHARE`].
const MAX_BANDS: usize = 20;

/// Added to each band's count, so that an empty one has a finite logarithm (Jeffreys' prior).
const PSEUDO_COUNT: f64 = 0.5;

/// The profile's score distribution of a class, as drift is measured against it.
#[derive(Debug, Clone)]
pub(super) struct ReferenceScores {
    /// Share of scores up to and including each bin.
    cumulative: [f64; SCORE_BINS],
    /// Scores in all.
    total: f64,
    /// Band of each bin: neighbouring bins are merged until they hold [`BAND_SHARE`].
    bands: [u8; SCORE_BINS],
    band_counts: [f64; MAX_BANDS],
    band_total: usize,
}

impl ReferenceScores {
    /// From the profile's histogram; missing bins count as empty. `None` without scores.
    pub(super) fn new(histogram: &[u32]) -> Option<Self> {
        let total: f64 = histogram.iter().take(SCORE_BINS).map(|&n| f64::from(n)).sum();
        if total <= 0.0 {
            return None;
        }
        let mut reference = Self {
            cumulative: [0.0; SCORE_BINS],
            total,
            bands: [0; SCORE_BINS],
            band_counts: [0.0; MAX_BANDS],
            band_total: 0,
        };
        let (mut below, mut band, mut in_band) = (0.0, 0_usize, 0.0);
        let counts = histogram.iter().map(|&n| f64::from(n)).chain(std::iter::repeat(0.0));
        let bins = reference.cumulative.iter_mut().zip(&mut reference.bands).zip(counts);
        for ((cumulative, bin_band), count) in bins {
            // What is left over at the end joins the last full band.
            let rest = total - below;
            if in_band >= BAND_SHARE * total && rest >= BAND_SHARE * total && band + 1 < MAX_BANDS {
                band += 1;
                in_band = 0.0;
            }
            below += count;
            in_band += count;
            *cumulative = below / total;
            *bin_band = band as u8;
            if let Some(sum) = reference.band_counts.get_mut(band) {
                *sum += count;
            }
        }
        reference.band_total = band + 1;
        Some(reference)
    }

    /// Population stability index Σ (p − q) ln(p / q) over the bands, p the window's and q the profile's smoothed shares
    /// (Lewis, "An Introduction to Credit Scoring", 1994; the symmetric Kullback–Leibler or Jeffreys divergence). NaN for
    /// an empty window.
    pub(super) fn psi(&self, window: &ScoreHistogram) -> f64 {
        let mut counts = [0.0; MAX_BANDS];
        for (&n, &band) in window.iter().zip(&self.bands) {
            if let Some(sum) = counts.get_mut(usize::from(band)) {
                *sum += f64::from(n);
            }
        }
        let total: f64 = counts.iter().sum();
        if total <= 0.0 {
            return f64::NAN;
        }
        let added = PSEUDO_COUNT * self.band_total as f64;
        let bands = counts.iter().zip(&self.band_counts).take(self.band_total);
        bands
            .map(|(&found, &expected)| {
                let p = (found + PSEUDO_COUNT) / (total + added);
                let q = (expected + PSEUDO_COUNT) / (self.total + added);
                (p - q) * (p / q).ln()
            })
            .sum()
    }

    /// Wasserstein-1 distance of the scores, 0 … 1: the area between the distribution functions, in which the scores of a
    /// bin lie at its upper edge. NaN for an empty window.
    pub(super) fn wasserstein(&self, window: &ScoreHistogram) -> f64 {
        let total: f64 = window.iter().map(|&n| f64::from(n)).sum();
        if total <= 0.0 {
            return f64::NAN;
        }
        let mut below = 0.0;
        let gaps = window.iter().zip(&self.cumulative).map(|(&n, &expected)| {
            below += f64::from(n);
            (below / total - expected).abs()
        });
        gaps.sum::<f64>() / SCORE_BINS as f64
    }

    /// How much larger than in a window of `usual` scores the null distribution of the population stability index is in
    /// one of `found`: it is that of a chi-squared variable times 1/found + 1/profile (Yurdakul & Naranjo, "Statistical
    /// properties of the population stability index", 2020). At least 1. The Wasserstein distance goes by its root.
    pub(super) fn widening(&self, found: f64, usual: f64) -> f64 {
        if found <= 0.0 || usual <= 0.0 {
            return 1.0;
        }
        ((1.0 / found + 1.0 / self.total) / (1.0 / usual + 1.0 / self.total)).max(1.0)
    }
}

/// Share of the scores from `threshold` up, where scores spread evenly over their bin (average thresholded confidence:
/// Garg et al., "Leveraging unlabeled data to predict out-of-distribution performance", ICLR 2022, arXiv 2201.04234). NaN
/// for an empty histogram.
pub(super) fn share_above(window: &ScoreHistogram, threshold: f64) -> f64 {
    let (mut total, mut above) = (0.0, 0.0);
    for (bin, &n) in window.iter().enumerate() {
        let upper = (bin + 1) as f64 - threshold * SCORE_BINS as f64;
        total += f64::from(n);
        above += f64::from(n) * upper.clamp(0.0, 1.0);
    }
    above / total
}

/// Mean calibrated precision of the `published` highest scores; NaN without published scores, or where `precision` lacks a
/// bin.
///
/// A class publishes from one score up, so its published detections are the highest ones of the histogram, and no bin that
/// the publishing score divides is counted wrongly.
pub(super) fn expected_precision(window: &ScoreHistogram, published: u32, precision: &[f64]) -> f64 {
    if precision.len() != SCORE_BINS || published == 0 {
        return f64::NAN;
    }
    let (mut left, mut sum) = (published, 0.0);
    for (&n, &right) in window.iter().zip(precision).rev() {
        let taken = n.min(left);
        left -= taken;
        // A bin without calibration must not spoil a sum that it takes no part in.
        if taken > 0 {
            sum += f64::from(taken) * right;
        }
    }
    sum / f64::from(published - left)
}

#[cfg(test)]
mod tests;
