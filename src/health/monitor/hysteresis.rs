//! Levels that rise after some reports in a row, and fall after more of them.

use std::cmp::Ordering;

use crate::health::{HealthStatus, Reason};

/// Reports in a row at a level before it is raised.
pub(super) const RAISE_AFTER: u32 = 3;

/// Reports in a row below a level before it is cleared.
pub(super) const CLEAR_AFTER: u32 = 5;

/// What the figures of one report say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judgement {
    pub(super) status: HealthStatus,
    pub(super) reason: Reason,
    /// Whether a worse status is raised with this very report: the figure has taken its time already.
    pub(super) at_once: bool,
}

impl Judgement {
    pub(super) fn at_once(status: HealthStatus, reason: Reason) -> Self {
        Self { status, reason, at_once: true }
    }

    pub(super) fn in_time(status: HealthStatus, reason: Reason) -> Self {
        Self { status, reason, at_once: false }
    }
}

/// WARN and ERROR as 1 and 2, everything else 0.
fn level(status: HealthStatus) -> usize {
    match status {
        HealthStatus::Warn => 1,
        HealthStatus::Error => 2,
        _ => 0,
    }
}

/// Remembers what is shown of a class.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hysteresis {
    shown: Option<(HealthStatus, Reason)>,
    /// Reports in a row at level 1 or above, and at level 2.
    at_least: [u32; 2],
    below: u32,
}

impl Hysteresis {
    /// What to show after a report's judgement. `calm` is shown while a new level waits for its reports.
    pub(super) fn update(
        &mut self,
        judgement: Judgement,
        calm: (HealthStatus, Reason),
    ) -> (HealthStatus, Reason) {
        let Judgement { status, reason, at_once } = judgement;
        // Nothing is held against a camera that is silent: what comes after is judged anew.
        if matches!(status, HealthStatus::Stale { .. }) {
            *self = Self { shown: Some((status, reason)), ..Self::default() };
            return (status, reason);
        }
        let found = level(status);
        for (threshold, count) in (1..).zip(&mut self.at_least) {
            *count = if found >= threshold { count.saturating_add(1) } else { 0 };
        }
        let shown = self.shown.map_or(0, |(status, _)| level(status));
        let risen = if at_once {
            found
        } else {
            (1..).zip(self.at_least).filter(|&(_, n)| n >= RAISE_AFTER).map(|(l, _)| l).max().unwrap_or(0)
        };
        self.below = if found < shown { self.below + 1 } else { 0 };
        let next = match found.cmp(&shown) {
            Ordering::Greater if risen == found => (status, reason),
            Ordering::Greater if risen > shown => (HealthStatus::Warn, reason),
            // Waits; a level shown already stays, with its reason.
            Ordering::Greater => self.shown.filter(|_| shown > 0).unwrap_or(calm),
            Ordering::Equal => (status, reason),
            Ordering::Less if self.below >= CLEAR_AFTER => {
                self.below = 0;
                (status, reason)
            }
            Ordering::Less => self.shown.unwrap_or((status, reason)),
        };
        self.shown = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: (HealthStatus, Reason) = (HealthStatus::Ok, Reason::Supported { have: 40, need: 30 });
    const DRIFT: Reason = Reason::ScorePsi { value: 0.5, limit: 0.2 };

    fn shown(judgements: &[(HealthStatus, bool)]) -> Vec<&'static str> {
        let mut hysteresis = Hysteresis::default();
        let update = |&(status, at_once): &(HealthStatus, bool)| {
            hysteresis.update(Judgement { status, reason: DRIFT, at_once }, CALM).0.name()
        };
        judgements.iter().map(update).collect()
    }

    #[test]
    fn a_warning_waits_for_its_reports_and_outlasts_them() {
        let warn = [(HealthStatus::Warn, false); RAISE_AFTER as usize];
        let ok = [(HealthStatus::Ok, false); CLEAR_AFTER as usize];
        let shown = shown(&[&warn[..], &ok].concat());
        assert_eq!(shown, ["ok", "ok", "warn", "warn", "warn", "warn", "warn", "ok"]);
    }

    #[test]
    fn alarms_are_raised_at_once_also_above_a_warning() {
        let (warn, error) = ((HealthStatus::Warn, true), (HealthStatus::Error, true));
        assert_eq!(shown(&[warn, error, (HealthStatus::Error, false)]), ["warn", "error", "error"]);
    }

    #[test]
    fn an_error_passes_by_a_warning() {
        let (warn, error) = ((HealthStatus::Warn, false), (HealthStatus::Error, false));
        let shown = shown(&[warn, error, warn, error, error, error]);
        assert_eq!(shown, ["ok", "ok", "warn", "warn", "warn", "error"]);
    }

    #[test]
    fn flicker_raises_nothing() {
        let flicker = [(HealthStatus::Warn, false), (HealthStatus::Ok, false)].repeat(20);
        assert!(shown(&flicker).iter().all(|&name| name == "ok"));
    }

    #[test]
    fn silence_is_shown_at_once_and_forgets() {
        let stale = (HealthStatus::Stale { silent_for_ns: 1 }, false);
        let ok = (HealthStatus::Ok, false);
        assert_eq!(shown(&[(HealthStatus::Error, true), stale, ok]), ["error", "stale", "ok"]);
    }
}
