//! Simpler estimates from the literature, fitted on the same windows: what the estimator has to beat.

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::WindowFeatures;

/// A published way to tell accuracy without labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Mean score, a straight line.
    MeanConfidence,
    /// Difference of mean scores from the clean one, in proportion (`DoC`: Guillory et al., ICCV 2021, arXiv 2107.03315).
    DifferenceOfConfidences,
    /// Share of scores above the threshold at which it is the precision on clean frames (ATC: Garg et al., ICLR 2022,
    /// arXiv 2201.04234), a straight line.
    ThresholdedConfidence,
    /// Prediction consistency and reliability (PCR: Yoo et al., ICCV 2025, arXiv 2508.12082), a plane.
    ConsistencyReliability,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::MeanConfidence,
        Self::DifferenceOfConfidences,
        Self::ThresholdedConfidence,
        Self::ConsistencyReliability,
    ];

    fn terms(self, features: &WindowFeatures) -> [f64; 2] {
        match self {
            Self::MeanConfidence | Self::DifferenceOfConfidences => [features.mean_score(), 0.0],
            Self::ThresholdedConfidence => [features.above_threshold, 0.0],
            Self::ConsistencyReliability => features.agreement(),
        }
    }
}

/// A method with its weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// Which.
    pub method: Method,
    /// Of its figures (the second one 0 where there is one only), then the constant.
    pub weights: [f64; 3],
}

impl Comparison {
    /// The method's estimate of mean average precision, 0 … 1; NaN where it knows nothing.
    #[must_use]
    pub fn predict(&self, features: &WindowFeatures) -> f64 {
        let [first, second] = self.method.terms(features);
        let [a, b, constant] = self.weights;
        (a * first + b * second + constant).clamp(0.0, 1.0)
    }

    /// Least squares; `clean` is the mean score and mean average precision on clean frames. `None` where the method's figures are
    /// not known.
    pub(super) fn fit(method: Method, windows: &[(WindowFeatures, f64)], clean: (f64, f64)) -> Option<Self> {
        let samples: Vec<([f64; 2], f64)> =
            windows.iter().map(|(features, map)| (method.terms(features), *map)).collect();
        let samples: Vec<_> = samples.into_iter().filter(|(x, _)| x.iter().all(|x| x.is_finite())).collect();
        if samples.is_empty() {
            return None;
        }
        let weights = if method == Method::DifferenceOfConfidences {
            let (mut both, mut own) = (0.0, 0.0);
            for ([score, _], map) in &samples {
                both += (score - clean.0) * (map - clean.1);
                own += (score - clean.0).powi(2);
            }
            let slope = if own > 0.0 { both / own } else { 0.0 };
            [slope, 0.0, clean.1 - slope * clean.0]
        } else {
            let design = DMatrix::from_fn(samples.len(), 3, |row, column| {
                let figures = samples.get(row).map_or([0.0; 2], |(figures, _)| *figures);
                figures.get(column).copied().unwrap_or(1.0)
            });
            let targets = DVector::from_iterator(samples.len(), samples.iter().map(|(_, map)| *map));
            // By singular values: a figure that is always zero gets no weight.
            let solved = design.svd(true, true).solve(&targets, 1e-9).ok()?;
            let mut weights = [0.0; 3];
            weights.iter_mut().zip(solved.iter()).for_each(|(to, from)| *to = *from);
            weights
        };
        Some(Self { method, weights })
    }
}
