//! The one who puts everything in order, and tells health.

use std::sync::mpsc::{Receiver, SyncSender};

use super::order::InOrder;
use super::record::{DetectionRecord, FrameRecord, HealthRecord};
use super::workers::{Counts, Done, ReplayError, Sink};
use super::{Options, Outcome};
use crate::corruption::Step;
use crate::health::{CameraWindow, HealthError};

/// Health is told once in so much recorded time, ns.
const HEALTH_PERIOD_NS: i64 = 1_000_000_000;

/// Hands results to the sink in order, with health in between.
pub(super) struct Emitter<'a> {
    cameras: &'a [String],
    names: &'a [String],
    options: &'a Options,
    windows: Vec<CameraState>,
    pub(super) counts: Counts,
}

struct CameraState {
    window: CameraWindow,
    /// When health is told next.
    due_ns: Option<i64>,
    last_ns: i64,
    is_injected: bool,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        cameras: &'a [String],
        names: &'a [String],
        options: &'a Options,
    ) -> Result<Self, HealthError> {
        let window = |_: &String| {
            let window = CameraWindow::new(names.len(), options.health)?;
            Ok(CameraState { window, due_ns: None, last_ns: 0, is_injected: false })
        };
        let windows = cameras.iter().map(window).collect::<Result<_, HealthError>>()?;
        Ok(Self { cameras, names, options, windows, counts: Counts::default() })
    }

    pub(super) fn collect(
        &mut self,
        done: &Receiver<(u64, Done)>,
        permits: &SyncSender<()>,
        sink: &mut dyn Sink,
    ) -> Result<(), ReplayError> {
        let mut order = InOrder::new();
        while let Ok((number, item)) = done.recv() {
            order.put(number, item);
            while let Some(item) = order.take() {
                self.emit(item, sink)?;
                let _ = permits.try_send(());
            }
        }
        for camera in 0..self.windows.len() {
            if let Some(last_ns) = self.windows.get(camera).filter(|w| w.due_ns.is_some()).map(|w| w.last_ns)
            {
                self.tell_health(camera, last_ns, sink)?;
            }
        }
        Ok(())
    }

    fn emit(&mut self, done: Done, sink: &mut dyn Sink) -> Result<(), ReplayError> {
        self.counts.read += 1;
        let steps: Vec<String> = done.steps.iter().map(Step::to_string).collect();
        let (camera, stamp_ns) = done.frame.as_ref().map_or((0, 0), |frame| (frame.camera, frame.stamp_ns));
        if let Outcome::Processed(processed) = &done.outcome {
            self.health_until(camera, stamp_ns, sink)?;
            if let Some(window) = self.windows.get_mut(camera) {
                let thresholds = &self.options.thresholds;
                let detections =
                    processed.detections.iter().map(|d| (d.class_id, d.score, thresholds.publishes(d)));
                window.window.record_frame(stamp_ns, detections);
                window.is_injected |= !steps.is_empty();
            }
        }
        let (outcome, reason) = match &done.outcome {
            Outcome::Processed(_) => ("processed", None),
            Outcome::Dropped => ("dropped", None),
            Outcome::Rejected(reason) => ("rejected", Some(reason.as_str())),
        };
        let counter = match &done.outcome {
            Outcome::Processed(_) => &mut self.counts.processed,
            Outcome::Dropped => &mut self.counts.dropped,
            Outcome::Rejected(_) => &mut self.counts.rejected,
        };
        *counter += 1;
        let (size, detections) = match &done.outcome {
            Outcome::Processed(processed) => {
                let published = processed.detections.iter().filter(|d| self.options.thresholds.publishes(d));
                let records = published.map(|d| DetectionRecord::new(d, self.names)).collect();
                (Some([processed.width, processed.height]), records)
            }
            _ => (None, Vec::new()),
        };
        let frame = done.frame.as_ref();
        let record = FrameRecord {
            camera: self.cameras.get(camera).map_or("", String::as_str),
            index: frame.map_or(0, |frame| frame.index),
            stamp_ns,
            log_time_ns: frame.map_or(0, |frame| frame.log_time_ns),
            frame_id: frame.map_or("", |frame| frame.frame_id.as_str()),
            name: frame.map_or("", |frame| frame.name.as_str()),
            outcome,
            reason,
            corruptions: &steps,
            size,
            detections,
        };
        sink.frame(&record, done.drawn.as_ref())?;
        match done.failure {
            Some(source) => Err(ReplayError::Detector { name: record.name.to_owned(), source }),
            None => Ok(()),
        }
    }

    /// Tells health at every full second up to a frame's stamp.
    fn health_until(&mut self, camera: usize, stamp_ns: i64, sink: &mut dyn Sink) -> Result<(), ReplayError> {
        let Some(window) = self.windows.get_mut(camera) else { return Ok(()) };
        let longest_ns = window.window.config().window_ns() as i64 + 5 * HEALTH_PERIOD_NS;
        let back = stamp_ns < window.last_ns.saturating_sub(longest_ns);
        let mut due_ns = match window.due_ns {
            Some(due_ns) if !back => due_ns,
            _ => stamp_ns.saturating_add(HEALTH_PERIOD_NS),
        };
        window.last_ns = if back { stamp_ns } else { window.last_ns.max(stamp_ns) };
        // A silence is told till the window is empty; what comes after a longer one begins anew.
        let until_ns = stamp_ns.min(due_ns.saturating_add(longest_ns));
        let mut moments = Vec::new();
        while due_ns <= until_ns {
            moments.push(due_ns);
            due_ns = due_ns.saturating_add(HEALTH_PERIOD_NS);
        }
        if due_ns <= stamp_ns {
            due_ns = stamp_ns.saturating_add(HEALTH_PERIOD_NS);
        }
        window.due_ns = Some(due_ns);
        for moment in moments {
            self.tell_health(camera, moment, sink)?;
        }
        Ok(())
    }

    fn tell_health(&mut self, camera: usize, stamp_ns: i64, sink: &mut dyn Sink) -> Result<(), ReplayError> {
        let Some(window) = self.windows.get_mut(camera) else { return Ok(()) };
        window.window.advance(stamp_ns);
        let name = self.cameras.get(camera).map_or("", String::as_str);
        let record = HealthRecord::new(&window.window, name, stamp_ns, window.is_injected, self.names);
        window.is_injected = false;
        sink.health(&record, &window.window)?;
        Ok(())
    }
}
