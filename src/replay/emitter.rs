//! The one who puts everything in order, and tells health.

use std::sync::mpsc::{Receiver, SyncSender};

use super::order::InOrder;
use super::record::{DetectionRecord, FrameRecord};
use super::truth::{Comparison, TruthRecord};
use super::workers::{Counts, Done, ReplayError, Sink};
use super::{Options, Outcome};
use crate::corruption::Step;
use crate::health::{CameraMonitor, HealthError, HealthRecord, Observation};

/// Health is told once in so much recorded time, ns.
const HEALTH_PERIOD_NS: i64 = 1_000_000_000;

/// Hands results to the sink in order, with health in between.
pub(super) struct Emitter<'a> {
    cameras: &'a [String],
    names: &'a [String],
    options: &'a Options,
    states: Vec<CameraState>,
    pub(super) counts: Counts,
}

struct CameraState {
    monitor: CameraMonitor,
    /// With ground truth, where there is one.
    comparison: Option<Comparison>,
    /// When health is told next.
    due_ns: Option<i64>,
    last_ns: i64,
    is_injected: bool,
    /// What was done to the last frame.
    corruptions: Vec<String>,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(
        cameras: &'a [String],
        names: &'a [String],
        options: &'a Options,
    ) -> Result<Self, HealthError> {
        let state = |camera: &String| {
            let monitor = CameraMonitor::new(names.len(), options.health, options.profile.clone())?;
            let corruptions = Vec::new();
            let comparison = options.truth.as_ref().map(|truth| Comparison::new(camera, names, truth));
            Ok(CameraState { monitor, comparison, due_ns: None, last_ns: 0, is_injected: false, corruptions })
        };
        let states = cameras.iter().map(state).collect::<Result<_, HealthError>>()?;
        Ok(Self { cameras, names, options, states, counts: Counts::default() })
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
        for camera in 0..self.states.len() {
            if let Some(comparison) = self.states.get_mut(camera).and_then(|state| state.comparison.as_mut())
            {
                comparison.end();
            }
            if let Some(last_ns) =
                self.states.get(camera).filter(|state| state.due_ns.is_some()).map(|state| state.last_ns)
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
            if let Some(state) = self.states.get_mut(camera) {
                state.monitor.record_frame(&Observation {
                    stamp_ns,
                    detections: &processed.detections,
                    thresholds: &self.options.thresholds,
                    image_size: [processed.width, processed.height],
                    agreement: processed.agreement,
                    quality: processed.quality.as_ref(),
                });
                if let Some(comparison) = &mut state.comparison {
                    let frame_id = done.frame.as_ref().map_or("", |frame| frame.frame_id.as_str());
                    comparison.frame(stamp_ns, frame_id, processed, &self.options.thresholds);
                }
                state.is_injected |= !steps.is_empty();
                state.corruptions.clone_from(&steps);
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
        let Some(state) = self.states.get_mut(camera) else { return Ok(()) };
        let longest_ns = state.monitor.window().config().window_ns() as i64 + 5 * HEALTH_PERIOD_NS;
        let back = stamp_ns < state.last_ns.saturating_sub(longest_ns);
        let mut due_ns = match state.due_ns {
            Some(due_ns) if !back => due_ns,
            _ => stamp_ns.saturating_add(HEALTH_PERIOD_NS),
        };
        state.last_ns = if back { stamp_ns } else { state.last_ns.max(stamp_ns) };
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
        state.due_ns = Some(due_ns);
        for moment in moments {
            self.tell_health(camera, moment, sink)?;
        }
        Ok(())
    }

    fn tell_health(&mut self, camera: usize, stamp_ns: i64, sink: &mut dyn Sink) -> Result<(), ReplayError> {
        let Some(state) = self.states.get_mut(camera) else { return Ok(()) };
        state.monitor.advance(stamp_ns);
        let name = self.cameras.get(camera).map_or("", String::as_str);
        let is_injected = std::mem::take(&mut state.is_injected);
        let report = state.monitor.report();
        sink.health(&HealthRecord::new(report, name, stamp_ns, is_injected, &state.corruptions, self.names))?;
        if let Some(comparison) = &mut state.comparison {
            let report = &comparison.report(report, &self.options.thresholds);
            let corruptions = &state.corruptions;
            sink.truth(&TruthRecord { camera: name, stamp_ns, is_injected, corruptions, report })?;
        }
        Ok(())
    }
}
