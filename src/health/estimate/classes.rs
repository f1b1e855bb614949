//! Average precision class by class.

use serde::{Deserialize, Serialize};

use super::features::ClassShape;
use crate::health::profile::ResponseCurve;
use crate::health::report::Estimated;

/// Instances in the profile at which a class's own response to corruptions counts half.
const RESPONSE_SUPPORT: f64 = 30.0;

/// Detections in the window at which a class's own evidence counts half.
const EVIDENCE_SUPPORT: f64 = 10.0;

/// Figures of evidence.
pub(super) const EVIDENCE: usize = 3;

/// How classes follow the whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassModel {
    /// By class id: the power of the ratio of mean average precision to the profile's that the class's own ratio follows; 1 follows
    /// the whole.
    pub response: Vec<f64>,
    /// What differences from the profile in mean score, share of confident detections and mean calibrated precision add.
    pub evidence: [f64; EVIDENCE],
    /// Half widths of the interval by instances expected in the window, rising.
    pub intervals: Vec<SupportInterval>,
    /// Mean absolute error on corruptions and images that were left out, of classes with 10 instances or more in the window.
    pub left_out_error: f64,
}

/// Half width of the interval from so many expected instances on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SupportInterval {
    /// Instances that the profile lets expect in the window.
    pub instances: f64,
    /// Half width.
    pub half_width: f64,
}

/// A class's baseline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassBaseline {
    /// Average precision.
    pub ap: f64,
    /// How its scores are distributed; `None` if it was never detected.
    pub shape: Option<ClassShape>,
}

/// How a window differs from the baseline, shrunk towards no difference by how little was seen.
pub(super) fn evidence(baseline: Option<&ClassShape>, window: Option<&ClassShape>) -> [f64; EVIDENCE] {
    let (Some(baseline), Some(window)) = (baseline, window) else { return [0.0; EVIDENCE] };
    let trust = window.count / (window.count + EVIDENCE_SUPPORT);
    [
        trust * (window.score - baseline.score),
        trust * (window.confident - baseline.confident),
        trust * (window.precision - baseline.precision),
    ]
}

impl ClassModel {
    /// Average precision without the class's own evidence: the baseline's, scaled as the whole was.
    pub(super) fn scaled(&self, class: usize, ap: f64, ratio: f64) -> f64 {
        let response = self.response.get(class).copied().unwrap_or(1.0);
        ap * ratio.max(0.0).powf(response)
    }

    /// Average precision of a class with its interval.
    pub(super) fn estimate(
        &self,
        class: usize,
        baseline: &ClassBaseline,
        window: Option<&ClassShape>,
        ratio: f64,
        instances: f64,
    ) -> Estimated {
        let own = evidence(baseline.shape.as_ref(), window);
        let own: f64 = own.iter().zip(&self.evidence).map(|(value, weight)| value * weight).sum();
        let value = (self.scaled(class, baseline.ap, ratio) + own).clamp(0.0, 1.0);
        let half_width = self.half_width(instances);
        Estimated { value, low: (value - half_width).max(0.0), high: (value + half_width).min(1.0) }
    }

    pub(super) fn half_width(&self, instances: f64) -> f64 {
        let fitting = self.intervals.iter().rev().find(|interval| interval.instances <= instances);
        fitting.map_or(1.0, |interval| interval.half_width)
    }

    /// What is wrong with it, for a model of `classes` classes.
    pub(super) fn problem(&self, classes: usize) -> Option<&'static str> {
        let powers = self.response.iter().all(|power| power.is_finite() && *power >= 0.0);
        if self.response.len() != classes || !powers {
            return Some("`response` must have one number from 0 on for each class");
        }
        if self.evidence.iter().chain([&self.left_out_error]).any(|number| !number.is_finite()) {
            return Some("a number of the class model is not finite");
        }
        let rises = self.intervals.windows(2).all(|pair| matches!(pair, [a, b] if a.instances < b.instances));
        let fits = |i: &SupportInterval| i.instances >= 0.0 && (0.0..=1.0).contains(&i.half_width);
        (!rises || !self.intervals.iter().all(fits))
            .then_some("intervals of classes must be by rising instances, half widths in 0 … 1")
    }
}

/// The power with which each class follows the whole along the curves: least squares, then drawn towards 1 where the class has few
/// instances.
pub(super) fn responses(curves: &[ResponseCurve], instances: &[u64]) -> Vec<f64> {
    let response = |(class, instances): (usize, &u64)| {
        let points: Vec<(f64, f64)> = curves.iter().flat_map(|curve| ratios(curve, class)).collect();
        if points.is_empty() {
            return 1.0;
        }
        let error =
            |power: f64| points.iter().map(|(whole, own)| (whole.powf(power) - own).powi(2)).sum::<f64>();
        // From 1/4 to 4 in even steps of the logarithm: one valley that need not be smooth.
        let powers = (-40..=40).map(|step| 2_f64.powf(f64::from(step) / 20.0));
        let own = powers.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(1.0);
        let instances = *instances as f64;
        let trust = instances / (instances + RESPONSE_SUPPORT);
        // In the logarithm, as the search was.
        (trust * own.ln()).exp()
    };
    instances.iter().enumerate().map(response).collect()
}

/// Along a curve: what is left of the mean average precision, and of the class's.
fn ratios(curve: &ResponseCurve, class: usize) -> Vec<(f64, f64)> {
    let own =
        |index: usize| curve.points.get(index).and_then(|point| point.class_ap.get(class).copied().flatten());
    let Some((whole, first)) = curve.points.first().map(|point| point.map).zip(own(0)) else {
        return Vec::new();
    };
    if whole <= 0.0 || first <= 0.0 {
        return Vec::new();
    }
    let points = curve.points.iter().enumerate().skip(1);
    let points = points.filter_map(|(index, point)| Some((point.map / whole, own(index)? / first)));
    points.filter(|(whole, own)| whole.is_finite() && own.is_finite() && *whole >= 0.0).collect()
}
