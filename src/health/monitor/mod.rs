//! A camera's monitor: everything that is known of its health, put together.

mod comparison;
mod hysteresis;
mod judge;
mod reporting;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use self::comparison::Comparison;
use self::hysteresis::Hysteresis;
use self::view::FrameSums;
use super::aggregates::second_of;
use super::config::{HealthError, WindowConfig};
use super::observation::Observation;
use super::profile::Profile;
use super::quality::QualityWindow;
use super::report::CameraReport;
use super::seconds::Seconds;
use super::tracker::Tracker;
use super::window::{Arrival, CameraWindow};

/// Whole seconds over which a class's rate is recent.
const RECENT_S: u32 = 5;

/// Watches one camera. All memory is taken at construction; [`record_frame`](Self::record_frame) is O(1) for each
/// detection (and each of a bounded number of tracks), [`report`](Self::report), once a second, O(classes × bins).
///
/// # Time
/// As in [`CameraWindow`]: stamps and `now_ns` are of one clock. Where that jumps back by more than the window everything
/// starts anew. The tracker and the change detector leave out frames that are older than one before; the window counts them
/// where it can.
#[derive(Debug)]
pub struct CameraMonitor {
    window: CameraWindow,
    quality: QualityWindow,
    sums: Seconds<FrameSums>,
    /// Published detections by class, of the last seconds.
    recent: Seconds<u32>,
    tracker: Tracker,
    comparison: Option<Comparison>,
    hysteresis: Vec<Hysteresis>,
    report: CameraReport,
}

impl CameraMonitor {
    /// A monitor for a model of `class_count` classes; without a profile it says whether frames arrive and how much was
    /// seen, but compares with nothing.
    ///
    /// # Errors
    /// As [`CameraWindow::new`].
    pub fn new(
        class_count: usize,
        window: WindowConfig,
        profile: Option<Arc<Profile>>,
    ) -> Result<Self, HealthError> {
        let window_s = window.window_s;
        Ok(Self {
            // First: it checks what the others rely upon.
            window: CameraWindow::new(class_count, window)?,
            quality: QualityWindow::new(window_s),
            sums: Seconds::new(window_s, 1),
            recent: Seconds::new(window_s.min(RECENT_S + 1), class_count),
            tracker: Tracker::new(class_count, window_s),
            comparison: profile.map(|profile| Comparison::new(profile, class_count, window_s)),
            hysteresis: vec![Hysteresis::default(); class_count],
            report: CameraReport::empty(class_count, window_s),
        })
    }

    /// Adds a processed frame.
    pub fn record_frame(&mut self, frame: &Observation<'_>) -> Arrival {
        let thresholds = frame.thresholds;
        let detections = frame.detections.iter();
        let detections = detections.map(|d| (d.class_id, d.score, thresholds.publishes(d)));
        let arrival = self.window.record_frame(frame.stamp_ns, detections);
        match arrival {
            Arrival::TooLate => return arrival,
            Arrival::TimeJumpedBack => self.forget(),
            Arrival::InOrder | Arrival::Reordered => {}
        }
        if let Some(quality) = frame.quality {
            self.quality.record(frame.stamp_ns, quality);
        }
        self.tracker.record_frame(frame.stamp_ns, frame.detections, thresholds, frame.image_size);
        self.sum_up(frame);
        let trusted = !judge::is_bad(self.quality.state());
        if let Some(comparison) = &mut self.comparison {
            comparison.record(frame.stamp_ns, frame.detections, |d| thresholds.publishes(d), trusted);
        }
        arrival
    }

    /// Says that it is `now_ns`.
    pub fn advance(&mut self, now_ns: i64) {
        let jumps = self.window.counters().time_jumps;
        self.window.advance(now_ns);
        if self.window.counters().time_jumps != jumps {
            self.forget();
        }
        // The window's time: `now_ns` may be a little behind the stamps.
        let now_ns = self.window.now_ns().unwrap_or(now_ns);
        self.quality.advance(now_ns);
        self.tracker.advance(now_ns);
        self.sums.move_to(second_of(now_ns));
        self.recent.move_to(second_of(now_ns));
        let trusted = !judge::is_bad(self.quality.state());
        if let Some(comparison) = &mut self.comparison {
            comparison.advance(now_ns, trusted);
        }
    }

    /// Starts anew, for a caller who knows that time jumped.
    pub fn reset(&mut self) {
        self.window.reset();
        self.forget();
    }

    /// The window of detections.
    #[must_use]
    pub fn window(&self) -> &CameraWindow {
        &self.window
    }

    /// The tracker of its objects.
    #[must_use]
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// The camera's health now (advance first). Call it once a second: hysteresis counts calls.
    pub fn report(&mut self) -> &CameraReport {
        self.fill_report();
        &self.report
    }

    /// Forgets all but the window.
    fn forget(&mut self) {
        self.quality.reset();
        self.sums.clear();
        self.recent.clear();
        self.tracker.reset();
        if let Some(comparison) = &mut self.comparison {
            comparison.reset();
        }
        self.hysteresis.fill(Hysteresis::default());
    }

    fn sum_up(&mut self, frame: &Observation<'_>) {
        let second = second_of(frame.stamp_ns);
        self.sums.move_to(second);
        self.recent.move_to(second);
        let usable = || frame.detections.iter().filter(|d| (0.0..=1.0).contains(&d.score));
        if let Some([sums]) = self.sums.get_mut(second) {
            let top_score = usable().map(|d| d.score).fold(0.0, f32::max);
            sums.add(top_score, frame.agreement);
        }
        if let Some(recent) = self.recent.get_mut(second) {
            for detection in usable().filter(|d| frame.thresholds.publishes(d)) {
                if let Some(count) = recent.get_mut(detection.class_id as usize) {
                    *count = count.saturating_add(1);
                }
            }
        }
    }
}
