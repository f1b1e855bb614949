//! Live retention against the profile's.

use crate::health::profile::ResponseCurve;
use crate::health::report::Estimated;

use super::ProbeWindow;

/// 97.5% quantile of the standard normal distribution: an interval of 95%.
pub(super) const Z_95: f64 = 1.959_963_984_540_054;

/// How a class's live retention under a corruption compares with the profile's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeMargin {
    /// Retention in the profile, 0 … 1, at the probe's severity.
    pub profiled: f64,
    /// Live retention less the profile's, -1 … 1: below 0 the detector is less robust than it was. The interval is Wilson's
    /// of 95% for the live share (JASA 22(158), 1927). It takes probed objects for independent and the profile for exact:
    /// where the same few objects are probed again and again, it is too narrow.
    pub margin: Estimated,
    /// Clean detections that the live share is of.
    pub support: u32,
}

impl ProbeMargin {
    /// Whether the live retention is below the profile's by more than chance explains: the whole interval is below 0.
    #[must_use]
    pub fn is_below_profile(&self) -> bool {
        self.margin.high < 0.0
    }
}

impl ProbeWindow {
    /// Compares a class's retention under a corruption with the profile's `curve` of that corruption, at the `severity` that
    /// was probed. `None` where nothing was probed, or the curve does not tell (see [`profiled_retention`]).
    #[must_use]
    pub fn margin(
        &self,
        corruption: usize,
        class_id: u32,
        curve: &ResponseCurve,
        severity: f64,
    ) -> Option<ProbeMargin> {
        let live = self.retention(corruption, class_id)?;
        let profiled = profiled_retention(curve, class_id, severity)?;
        let (low, high) = wilson(live.found, live.support);
        let margin =
            Estimated { value: live.retention() - profiled, low: low - profiled, high: high - profiled };
        Some(ProbeMargin { profiled, margin, support: live.support })
    }
}

/// A class's retention in a profile's curve at `severity`, on a straight line between the points beside it. `None` outside
/// the curve, where the class is unknown, and where a point beside it has no figure for the class.
#[must_use]
pub fn profiled_retention(curve: &ResponseCurve, class_id: u32, severity: f64) -> Option<f64> {
    let upper = curve.points.iter().position(|point| point.severity >= severity)?;
    let at = |index: usize| {
        let point = curve.points.get(index)?;
        Some((point.severity, point.class_retention.get(class_id as usize).copied().flatten()?))
    };
    let (upper_severity, upper_retention) = at(upper)?;
    if upper_severity <= severity {
        return Some(upper_retention);
    }
    let (lower_severity, lower_retention) = at(upper.checked_sub(1)?)?;
    let share = (severity - lower_severity) / (upper_severity - lower_severity);
    Some(lower_retention + (upper_retention - lower_retention) * share)
}

/// Wilson's score interval for a share of `found` in `n`; NaN for none of none.
pub(super) fn wilson(found: u32, n: u32) -> (f64, f64) {
    if n == 0 {
        return (f64::NAN, f64::NAN);
    }
    let (found, n) = (f64::from(found), f64::from(n));
    let share = found / n;
    let z2 = Z_95 * Z_95;
    let centre = (found + z2 / 2.0) / (n + z2);
    let half = Z_95 / (n + z2) * (found * (1.0 - share) + z2 / 4.0).sqrt();
    // By definition the share lies within; rounding may say otherwise at 0 and 1.
    ((centre - half).clamp(0.0, share), (centre + half).clamp(share, 1.0))
}
