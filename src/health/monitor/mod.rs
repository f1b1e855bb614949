//! A camera's monitor: everything that is known of its health, put together.

use std::sync::Arc;

use super::config::{HealthError, WindowConfig};
use super::observation::Observation;
use super::profile::Profile;
use super::report::CameraReport;
use super::window::{Arrival, CameraWindow};

/// Watches one camera. All memory is taken at construction; [`record_frame`](Self::record_frame) is O(1) for each
/// detection, [`report`](Self::report), once a second, O(classes × bins).
#[derive(Debug)]
pub struct CameraMonitor {
    window: CameraWindow,
    #[expect(dead_code, reason = "compared with from the monitor on")]
    profile: Option<Arc<Profile>>,
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
        Ok(Self { window: CameraWindow::new(class_count, window)?, profile })
    }

    /// Adds a processed frame.
    pub fn record_frame(&mut self, frame: &Observation<'_>) -> Arrival {
        let thresholds = frame.thresholds;
        let detections = frame.detections.iter();
        let detections = detections.map(|d| (d.class_id, d.score, thresholds.publishes(d)));
        self.window.record_frame(frame.stamp_ns, detections)
    }

    /// Says that it is `now_ns`.
    pub fn advance(&mut self, now_ns: i64) {
        self.window.advance(now_ns);
    }

    /// Starts anew, for a caller who knows that time jumped.
    pub fn reset(&mut self) {
        self.window.reset();
    }

    /// The window of detections.
    #[must_use]
    pub fn window(&self) -> &CameraWindow {
        &self.window
    }

    /// The camera's health now (advance first). Call it once a second: hysteresis counts calls.
    pub fn report(&mut self) -> &CameraReport {
        todo!("filled by the monitor")
    }
}
