//! Ground truth of a recording, compared with what is found in it.

use std::collections::VecDeque;

use serde::Serialize;

use crate::data::bag::cdr::{CdrError, Detection2DArray};
use crate::detector::Thresholds;
use crate::health::CameraReport;
use crate::pipeline::Processed;
use crate::truth::{ClassEstimate, FrameResult, TruthConfig, TruthMonitor, TruthReport};

/// The ground truth of a recording's only camera.
#[derive(Debug, Clone)]
pub struct RecordedTruth {
    /// How it is compared; everything waits for its partner as long as the recording lasts.
    pub config: TruthConfig,
    /// All messages, in the order of the recording.
    pub messages: Vec<Result<Detection2DArray, CdrError>>,
}

/// How good the detector really is at a moment: a line of `ground_truth.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TruthRecord<'a> {
    /// Camera or topic.
    pub camera: &'a str,
    /// The moment, ns, on the clock of the stamps.
    pub stamp_ns: i64,
    /// Whether corruptions were injected since the line before.
    pub is_injected: bool,
    /// What was done to the last frame.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub corruptions: &'a [String],
    /// The figures, named as in `msg/GroundTruthHealth.msg`; `null` where they are not known.
    #[serde(flatten)]
    pub report: &'a TruthReport,
}

/// Compares while the recording is played.
pub(super) struct Comparison {
    monitor: TruthMonitor,
    waiting: VecDeque<Result<Detection2DArray, CdrError>>,
}

impl Comparison {
    pub(super) fn new(camera: &str, names: &[String], truth: &RecordedTruth) -> Self {
        // Time is told by the stamps alone, so that every run gives the same.
        let config = TruthConfig { wait_ns: i64::MAX, ..truth.config };
        let waiting = truth.messages.iter().cloned().collect();
        Self { monitor: TruthMonitor::new(camera, names, config), waiting }
    }

    /// A frame was processed. Messages come as they would live: up to the frame's stamp.
    pub(super) fn frame(
        &mut self,
        stamp_ns: i64,
        frame_id: &str,
        found: &Processed,
        thresholds: &Thresholds,
    ) {
        let is_due = |message: &Result<Detection2DArray, CdrError>| {
            message.as_ref().map_or(true, |message| message.stamp_ns <= stamp_ns)
        };
        while self.waiting.front().is_some_and(is_due)
            && let Some(message) = self.waiting.pop_front()
        {
            self.monitor.truth(0, message);
        }
        let frame = FrameResult {
            stamp_ns,
            frame_id: frame_id.to_owned(),
            image_size: [found.width, found.height],
            detections: found.detections.clone(),
            thresholds: thresholds.clone(),
        };
        self.monitor.frame(0, frame);
    }

    /// All frames have come.
    pub(super) fn end(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            self.monitor.truth(0, message);
        }
    }

    pub(super) fn report(&mut self, health: &CameraReport, thresholds: &Thresholds) -> TruthReport {
        let estimate = |class_id: u32| {
            health.classes.get(class_id as usize).map_or(ClassEstimate::UNKNOWN, ClassEstimate::from)
        };
        self.monitor.report(0, estimate, |class_id| thresholds.is_enabled(class_id))
    }
}
