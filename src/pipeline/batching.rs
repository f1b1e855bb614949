//! Whether a waiting frame goes at once or is kept for others that are about to come: pure logic, told the time.
//!
//! A run of the model may take the frames of several cameras. A frame is kept only while that can make the run larger: a
//! frame that no other can join goes at once, and none is kept for longer than the window.

use std::time::{Duration, Instant};

/// Intervals between frames that a camera's period is learnt from.
const INTERVALS: usize = 7;

/// A period is known from so many intervals on.
const KNOWN_FROM: usize = 3;

/// A camera that was silent for so many periods is not expected any more.
const SILENT_PERIODS: u32 = 3;

/// How often a camera delivers: the median of its last few intervals, which a pause or a burst does not move.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrivals {
    last: Option<Instant>,
    intervals: [Duration; INTERVALS],
    count: usize,
    period: Option<Duration>,
}

impl Arrivals {
    /// A frame arrived at `at`.
    pub(super) fn record(&mut self, at: Instant) {
        if let Some(last) = self.last {
            if let Some(interval) = self.intervals.get_mut(self.count % INTERVALS) {
                *interval = at.saturating_duration_since(last);
            }
            self.count += 1;
            let mut sorted = self.intervals;
            let known = self.count.min(INTERVALS);
            if let Some(sorted) = sorted.get_mut(..known).filter(|_| known >= KNOWN_FROM) {
                sorted.sort_unstable();
                self.period = sorted.get(known / 2).copied();
            }
        }
        self.last = Some(at);
    }

    /// When the next frame is due, and until when it is expected if it is late; `None` before the period is known.
    fn next(&self) -> Option<(Instant, Instant)> {
        let (last, period) = (self.last?, self.period?);
        Some((last.checked_add(period)?, last.checked_add(period.checked_mul(SILENT_PERIODS)?)?))
    }
}

/// What is to be known about one camera.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Timing {
    /// Since when a frame of the camera waits, whichever frame waits now; `None` if none does.
    pub(super) waiting_since: Option<Instant>,
    /// The camera's rate limit: its next frame may not go before this.
    pub(super) not_before: Option<Instant>,
    /// When its frames came.
    pub(super) arrivals: Arrivals,
}

impl Timing {
    /// Since when a frame that may go waits.
    pub(super) fn ready_since(&self, now: Instant) -> Option<Instant> {
        self.waiting_since.filter(|_| self.not_before.is_none_or(|due| due <= now))
    }

    /// Until when it is worth while to keep a frame for this camera, within `deadline`; `None` if no frame of it is
    /// expected by then.
    fn worth_until(&self, now: Instant, deadline: Instant) -> Option<Instant> {
        if self.waiting_since.is_some() {
            // held back by its rate limit
            return self.not_before.filter(|due| *due > now && *due <= deadline);
        }
        let (due, expected_until) = self.arrivals.next()?;
        let due = self.not_before.map_or(due, |limit| due.max(limit));
        (due <= deadline && now < expected_until).then(|| expected_until.max(due))
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// Take the frames that may go.
    Go,
    /// Nothing to take before this moment, unless another frame arrives.
    WaitUntil(Instant),
    /// Nothing to take until a frame arrives.
    Idle,
}

/// Decides for all cameras: at most `most` frames in a run, each kept for at most `window` from its arrival on.
pub(super) fn decide<'a>(
    cameras: impl Iterator<Item = &'a Timing> + Clone,
    most: usize,
    window: Duration,
    now: Instant,
) -> Decision {
    let ready = cameras.clone().filter_map(|camera| Some((camera, camera.ready_since(now)?)));
    let Some(oldest) = ready.clone().map(|(_, since)| since).min() else {
        let held = cameras.filter(|camera| camera.waiting_since.is_some());
        return held.filter_map(|camera| camera.not_before).min().map_or(Decision::Idle, Decision::WaitUntil);
    };
    if window.is_zero() || ready.clone().count() >= most.max(1) {
        return Decision::Go;
    }
    // Not until a camera's next frame would take the place of the one that is kept, either.
    let replaced = ready.filter_map(|(camera, _)| camera.arrivals.next()).map(|(due, _)| due).min();
    let end = oldest.checked_add(window).unwrap_or(now);
    let deadline = replaced.map_or(end, |replaced| end.min(replaced));
    if deadline <= now {
        return Decision::Go;
    }
    let Some(until) = cameras.clone().filter_map(|camera| camera.worth_until(now, deadline)).max() else {
        return Decision::Go;
    };
    // A frame that its camera's rate limit lets go may make the run full.
    let held = cameras.filter(|camera| camera.waiting_since.is_some()).filter_map(|camera| camera.not_before);
    let next_held = held.filter(|due| *due > now).min().unwrap_or(deadline);
    Decision::WaitUntil(until.min(deadline).min(next_held))
}

#[cfg(test)]
mod tests;
