//! Streams put together from a dataset's frames, through the monitor as it runs live.

use std::sync::Arc;

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{ObservedCell, ObservedFrame};
use crate::detector::{Detection, Thresholds};
use crate::health::{
    CameraMonitor, HealthError, HealthStatus, ImageQuality, Observation, Profile, WindowConfig,
};

/// Boxes say nothing of the image's size: large enough for all of them.
const IMAGE_SIZE: [u32; 2] = [u32::MAX, u32::MAX];

/// A simulated camera. Frames are drawn from a condition, each independent of the one before.
pub(super) struct Stream<'a> {
    monitor: CameraMonitor,
    rng: Xoshiro256PlusPlus,
    thresholds: &'a Thresholds,
    interval_ns: i64,
    now_ns: i64,
    frame: u64,
    classes: usize,
    /// By class, and the camera last: whether it is at `warn` or `error`.
    alarmed: Vec<bool>,
    /// By class: whether it is at `error`.
    failing: Vec<bool>,
    kept: Vec<Detection>,
}

/// What a second brought.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Second {
    /// Classes (and the camera) that went to `warn` or `error`.
    pub(super) raised: usize,
    /// Whether the camera is at `warn` or `error`.
    pub(super) is_alarmed: bool,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        profile: &Arc<Profile>,
        thresholds: &'a Thresholds,
        frame_rate_hz: f64,
        rng: Xoshiro256PlusPlus,
    ) -> Result<Self, HealthError> {
        let classes = profile.classes.len();
        let config = WindowConfig { window_s: profile.alarms.window_s, ..WindowConfig::default() };
        Ok(Self {
            monitor: CameraMonitor::new(classes, config, Some(Arc::clone(profile)))?,
            rng,
            thresholds,
            interval_ns: (1e9 / frame_rate_hz.max(1e-3)) as i64,
            now_ns: 0,
            frame: 0,
            classes,
            alarmed: vec![false; classes + 1],
            failing: vec![false; classes],
            kept: Vec::new(),
        })
    }

    /// A number in 0 … 1.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn draw<'c>(&mut self, cell: &'c ObservedCell) -> Option<&'c ObservedFrame> {
        let place = self.rng.next_u64() % cell.frames.len().max(1) as u64;
        cell.frames.get(place as usize)
    }

    /// Shows frames for a second, each from the cell that `choose` says (given its uniform number), without the class `masked`,
    /// then asks for the report.
    pub(super) fn second<'c>(
        &mut self,
        mut choose: impl FnMut(f64) -> &'c ObservedCell,
        masked: Option<u32>,
    ) -> Second {
        let end_ns = (self.now_ns / 1_000_000_000 + 1) * 1_000_000_000;
        loop {
            let stamp_ns = (self.frame as i64).saturating_mul(self.interval_ns);
            if stamp_ns >= end_ns {
                break;
            }
            self.frame += 1;
            let chance = self.uniform();
            let Some(frame) = self.draw(choose(chance)) else { break };
            self.kept.clear();
            let seen = frame.detections.iter().filter(|found| Some(found.class_id) != masked);
            self.kept.extend(seen.copied());
            // Drawn frames come back, real ones never do to the last bit.
            let quality = ImageQuality { digest: frame.quality.digest ^ self.frame, ..frame.quality };
            self.monitor.record_frame(&Observation {
                stamp_ns,
                detections: &self.kept,
                thresholds: self.thresholds,
                image_size: IMAGE_SIZE,
                agreement: frame.agreement,
                quality: Some(&quality),
            });
        }
        self.now_ns = end_ns;
        self.monitor.advance(end_ns);
        let report = self.monitor.report();
        let mut second = Second { raised: 0, is_alarmed: report.status.is_alarm() };
        let states = report.classes.iter().map(|class| class.status).chain([report.status]);
        // The camera follows its classes: it counts by itself only where none of them is the reason.
        let any_class = report.classes.iter().any(|class| class.status.is_alarm());
        for (index, (before, status)) in self.alarmed.iter_mut().zip(states).enumerate() {
            let now = status.is_alarm() && (index < self.classes || !any_class);
            second.raised += usize::from(now && !*before);
            *before = now;
        }
        for (failing, class) in self.failing.iter_mut().zip(&report.classes) {
            *failing = class.status == HealthStatus::Error;
        }
        second
    }

    /// Whether a class was at `error` when the last second ended.
    pub(super) fn is_failing(&self, class_id: u32) -> bool {
        self.failing.get(class_id as usize) == Some(&true)
    }
}
