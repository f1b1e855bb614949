//! From figures to a judgement of a class.

use super::comparison::ClassComparison;
use super::hysteresis::Judgement;
use crate::health::profile::ClassProfile;
use crate::health::tracker::TrackCounts;
use crate::health::{ClassReport, ClassSummary, HealthStatus, ImageState, Reason};

/// Below this share of the expected rate an alarmed class has vanished.
const VANISHED_SHARE: f64 = 0.2;

/// Estimated AP must not be below this share of the profile's: WARN and ERROR.
const AP_WARN_SHARE: f64 = 0.8;
const AP_ERROR_SHARE: f64 = 0.5;

/// What a class is judged by.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) report: &'a ClassReport,
    pub(super) summary: &'a ClassSummary,
    pub(super) need: u64,
    pub(super) image: ImageState,
    pub(super) tracks: TrackCounts,
    /// Published detections per frame in the last seconds; NaN without frames.
    pub(super) recently: f64,
    pub(super) profile: Option<(&'a ClassProfile, &'a ClassComparison)>,
}

/// Whether such an image shows nothing to judge by.
pub(super) fn is_bad(image: ImageState) -> bool {
    matches!(image, ImageState::Frozen | ImageState::Black | ImageState::Obstructed)
}

/// The judgement of one report, before hysteresis.
pub(super) fn judge(evidence: &Evidence<'_>) -> Judgement {
    let summary = evidence.summary;
    let by_support = Judgement::in_time(summary.status, summary.reason);
    if matches!(summary.status, HealthStatus::Stale { .. }) {
        return by_support;
    }
    if is_bad(evidence.image) {
        return Judgement::at_once(HealthStatus::Error, Reason::BadImage { state: evidence.image });
    }
    let Some((profile, comparison)) = evidence.profile else { return by_support };
    if let Some(fallen) = fallen(evidence, profile, comparison) {
        return fallen;
    }
    let [published, _] = profile.published_per_frame;
    let expected = published * summary.frames as f64;
    let is_expected = expected >= evidence.need as f64;
    if is_expected && summary.count == 0 && absence_tells(summary, profile, comparison) {
        let reason = Reason::Lost { frames: summary.frames, need: evidence.need, expected };
        return Judgement::at_once(HealthStatus::Error, reason);
    }
    let is_supported = u64::from(summary.count) >= evidence.need;
    if (is_supported || is_expected)
        && let Some(low) = low_precision(evidence.report, profile)
    {
        return low;
    }
    if !is_supported {
        return by_support;
    }
    drifted(evidence, profile, comparison).unwrap_or(by_support)
}

/// A change alarm, and whether it is one of a class that has vanished.
fn fallen(
    evidence: &Evidence<'_>,
    profile: &ClassProfile,
    comparison: &ClassComparison,
) -> Option<Judgement> {
    let alarm = comparison.alarm?;
    let ([expected, _], per_frame) = (profile.published_per_frame, evidence.recently);
    let limit = VANISHED_SHARE * expected;
    Some(if per_frame < limit {
        Judgement::at_once(HealthStatus::Error, Reason::Vanished { per_frame, limit, expected })
    } else {
        let reason = Reason::Fallen { statistic: alarm.statistic, per_frame, expected };
        Judgement::at_once(HealthStatus::Warn, reason)
    })
}

/// Whether a window without the class is more than the class's usual absence.
fn absence_tells(summary: &ClassSummary, profile: &ClassProfile, comparison: &ClassComparison) -> bool {
    match (&profile.alarms, &comparison.baseline) {
        (Some(alarms), Some(baseline)) => {
            baseline.absence(summary.frames as f64, summary.covered_s) >= alarms.change
        }
        _ => true,
    }
}

fn low_precision(report: &ClassReport, profile: &ClassProfile) -> Option<Judgement> {
    let expected = profile.ap.filter(|&ap| ap > 0.0)?;
    let (value, high) = (report.estimated_ap.value, report.estimated_ap.high);
    let below = |share: f64| {
        let limit = share * expected;
        (high < limit).then_some(Reason::LowPrecision { value, high, limit, expected })
    };
    let error = below(AP_ERROR_SHARE).map(|reason| Judgement::in_time(HealthStatus::Error, reason));
    error.or_else(|| below(AP_WARN_SHARE).map(|reason| Judgement::in_time(HealthStatus::Warn, reason)))
}

fn drifted(
    evidence: &Evidence<'_>,
    profile: &ClassProfile,
    comparison: &ClassComparison,
) -> Option<Judgement> {
    let (alarms, report) = (profile.alarms.as_ref()?, evidence.report);
    let warn = |reason| Some(Judgement::in_time(HealthStatus::Warn, reason));
    if let Some(reference) = &comparison.reference {
        let widening = reference.widening(f64::from(report.detections), comparison.usual);
        let (value, limit) = (report.score_psi, alarms.psi * widening);
        if value > limit {
            return warn(Reason::ScorePsi { value, limit });
        }
        let (value, limit) = (report.score_wasserstein, alarms.wasserstein * widening.sqrt());
        if value > limit {
            return warn(Reason::ScoreDistance { value, limit });
        }
    }
    let (limit, value) = (alarms.track_match_rate?, report.track_match_rate);
    if u64::from(evidence.tracks.expected) >= evidence.need && value < limit {
        let expected = profile.track_match_rate.unwrap_or(f64::NAN);
        return warn(Reason::TracksBreak { value, limit, expected });
    }
    None
}
