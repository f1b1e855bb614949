//! Ridge regression (Hoerl & Kennard, Technometrics 12(1), 1970) on standardised features and their squares.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// Penalty for each sample.
const RIDGE: f64 = 1e-2;

/// Share of windows that an interval should cover.
pub const COVERAGE: f64 = 0.9;

/// How much wider an interval becomes for each standard deviation by which a feature leaves the range of the training.
const WIDENING: f64 = 0.5;

/// Estimates one figure from features. Lists are by feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// Means in training.
    pub means: Vec<f64>,
    /// Standard deviations in training; 0 for features that never varied, which then count for nothing.
    pub deviations: Vec<f64>,
    /// Lowest standardised values in training.
    pub lows: Vec<f64>,
    /// Highest standardised values in training.
    pub highs: Vec<f64>,
    /// Weights of the standardised features, then of their squares, then the constant.
    pub weights: Vec<f64>,
    /// Half widths of the interval, by rising size of the window.
    pub intervals: Vec<SizeInterval>,
    /// Mean absolute error on corruptions and images that were left out.
    pub left_out_error: f64,
}

/// Half width of the interval for one size of windows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeInterval {
    /// Frames.
    pub frames: f64,
    /// Half width.
    pub half_width: f64,
}

/// What a regression says, and how far outside of what it was trained on the features lie (standard deviations, the worst one).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Predicted {
    pub(super) value: f64,
    pub(super) outside: f64,
}

impl Regression {
    /// Fits weights; intervals are left open. `None` without samples, or if samples are not finite.
    pub(super) fn fit(samples: &[(&[f64], f64)]) -> Option<Self> {
        let width = samples.first()?.0.len();
        let count = samples.len() as f64;
        let column = |index: usize| samples.iter().filter_map(move |(x, _)| x.get(index).copied());
        let means: Vec<f64> = (0..width).map(|i| column(i).sum::<f64>() / count).collect();
        let deviation = |(i, mean): (usize, &f64)| {
            let deviation = (column(i).map(|x| (x - mean).powi(2)).sum::<f64>() / count).sqrt();
            // What rounding leaves of a constant is no deviation.
            if deviation > 1e-9 * (1.0 + mean.abs()) { deviation } else { 0.0 }
        };
        let deviations: Vec<f64> = means.iter().enumerate().map(deviation).collect();
        let standardised = |index: usize| {
            let (mean, deviation) =
                (means.get(index).copied().unwrap_or(0.0), deviations.get(index).copied().unwrap_or(0.0));
            column(index).map(move |x| standardise(x, mean, deviation))
        };
        let lows = (0..width).map(|i| standardised(i).fold(f64::INFINITY, f64::min)).collect();
        let highs = (0..width).map(|i| standardised(i).fold(f64::NEG_INFINITY, f64::max)).collect();
        let mut fitted = Self {
            means,
            deviations,
            lows,
            highs,
            weights: Vec::new(),
            intervals: Vec::new(),
            left_out_error: 0.0,
        };
        let mut design = DMatrix::<f64>::zeros(samples.len(), 2 * width + 1);
        for (mut row, (x, _)) in design.row_iter_mut().zip(samples) {
            let (terms, _) = fitted.terms(x);
            row.iter_mut().zip(terms).for_each(|(to, from)| *to = from);
        }
        let mut normal = design.tr_mul(&design);
        // The constant, which comes last, is free.
        for index in 0..2 * width {
            if let Some(diagonal) = normal.get_mut((index, index)) {
                *diagonal += RIDGE * count;
            }
        }
        let targets = DVector::from_iterator(samples.len(), samples.iter().map(|(_, y)| *y));
        let weights = normal.cholesky()?.solve(&design.tr_mul(&targets));
        fitted.weights = weights.iter().copied().collect();
        fitted.weights.iter().all(|weight| weight.is_finite()).then_some(fitted)
    }

    /// Standardised features within the range of the training, their squares and the constant; and how far outside they were.
    fn terms<'a>(&'a self, x: &'a [f64]) -> (impl Iterator<Item = f64> + 'a, f64) {
        let raw = x.iter().zip(&self.means).zip(&self.deviations);
        let raw = raw.map(|((x, mean), deviation)| standardise(*x, *mean, *deviation));
        let limits = self.lows.iter().zip(&self.highs);
        let within = raw.clone().zip(limits.clone()).map(|(z, (low, high))| z.max(*low).min(*high));
        let outside = raw.zip(within.clone()).map(|(z, within)| (z - within).abs()).fold(0.0, f64::max);
        (within.clone().chain(within.map(|z| z * z)).chain([1.0]), outside)
    }

    /// Predicts from as many features as it was fitted with; allocates nothing. NaN in, NaN out.
    pub(super) fn predict(&self, x: &[f64]) -> Predicted {
        if x.iter().any(|value| !value.is_finite()) {
            return Predicted { value: f64::NAN, outside: f64::NAN };
        }
        let (terms, outside) = self.terms(x);
        Predicted { value: terms.zip(&self.weights).map(|(term, weight)| term * weight).sum(), outside }
    }

    /// Half width of the interval, between sizes by the logarithm of their frames; 1 (nothing is known) without intervals.
    pub(super) fn half_width(&self, frames: f64, outside: f64) -> f64 {
        let after = self.intervals.iter().find(|interval| interval.frames >= frames);
        let before = self.intervals.iter().rev().find(|interval| interval.frames < frames);
        let half_width = match (before, after) {
            (Some(before), Some(after)) => {
                let share = (frames / before.frames).ln() / (after.frames / before.frames).ln();
                before.half_width + share * (after.half_width - before.half_width)
            }
            // Fewer frames than ever tried scatter more, by the root of their number.
            (None, Some(after)) => after.half_width * (after.frames / frames).sqrt(),
            (Some(before), None) => before.half_width,
            (None, None) => 1.0,
        };
        half_width * (1.0 + WIDENING * outside)
    }

    /// What is wrong with it, for `width` features.
    pub(super) fn problem(&self, width: usize) -> Option<&'static str> {
        let lists = [&self.means, &self.deviations, &self.lows, &self.highs];
        if lists.iter().any(|list| list.len() != width) || self.weights.len() != 2 * width + 1 {
            return Some("a list of a regression has not one entry for each feature");
        }
        let numbers = lists.into_iter().flatten().chain(&self.weights);
        if numbers.chain([&self.left_out_error]).any(|number| !number.is_finite()) {
            return Some("a number of a regression is not finite");
        }
        if self.deviations.iter().any(|deviation| *deviation < 0.0) {
            return Some("a deviation of a regression is negative");
        }
        if self.lows.iter().zip(&self.highs).any(|(low, high)| low > high) {
            return Some("a range of a regression ends before it begins");
        }
        let mut sizes = self.intervals.windows(2);
        let rises = sizes.all(|pair| matches!(pair, [a, b] if a.frames < b.frames));
        let fits =
            |interval: &SizeInterval| interval.frames >= 1.0 && (0.0..=1.0).contains(&interval.half_width);
        (!rises || !self.intervals.iter().all(fits))
            .then_some("intervals of a regression must be by rising frames from 1 on, half widths in 0 … 1")
    }
}

fn standardise(x: f64, mean: f64, deviation: f64) -> f64 {
    if deviation > 0.0 { (x - mean) / deviation } else { 0.0 }
}

/// The half width that covers a share of [`COVERAGE`] of absolute residuals: split conformal prediction (Lei et al., J. Amer. Statist.
/// Assoc. 113(523), 2018, section 2.2), rank ⌈(n + 1) · coverage⌉. At most 1; 1 where there are too few residuals to say.
pub(super) fn conformal(mut residuals: Vec<f64>) -> f64 {
    residuals.sort_by(f64::total_cmp);
    let rank = ((residuals.len() as f64 + 1.0) * COVERAGE).ceil() as usize;
    rank.checked_sub(1).and_then(|index| residuals.get(index)).map_or(1.0, |half_width| half_width.min(1.0))
}
