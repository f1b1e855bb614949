//! What runs beside the worker where it is asked for: the comparison with ground truth, and the recording.

use std::sync::Arc;

use crate::data::bag::RecorderState;
use crate::health::CameraReport;
use crate::ros::camera::CameraInput;
use crate::ros::diagnostics::{self, Level, Status};
use crate::ros::names;
use crate::ros::recording::Recording;
use crate::ros::truth::{TruthCamera, TruthInput, TruthLink, TruthRequest};
use crate::ros::worker::Shared;
use crate::truth::ClassEstimate;

use super::{CameraOutputs, Configured};

impl Configured {
    /// Starts what runs beside the worker: the recording, and the comparison with ground truth.
    pub(super) fn beside(&mut self, mut shared: Shared) -> std::io::Result<Shared> {
        self.recorded = RecorderState::default();
        self.record_failure = None;
        if let Some(record) = &self.config.record {
            let (namespace, name, remappings) = &self.naming;
            let resolve = |topic: &str| names::resolve(topic, namespace, name, remappings);
            match Recording::start(&record.path, record.buffer_bytes, &self.inputs, &self.truths, resolve) {
                Ok(recording) => {
                    tracing::info!("recording into {}", recording.state().path.display());
                    shared.recording = Some(Arc::new(recording));
                }
                // Driving goes on without.
                Err(error) => {
                    tracing::error!("nothing is recorded: {error}");
                    self.record_failure = Some(error.to_string());
                }
            }
        }
        let truth = |((truth, outputs), input): ((&Option<TruthInput>, &CameraOutputs), &CameraInput)| {
            truth.as_ref().zip(outputs.truth_health.as_ref()).map(|(truth, publisher)| TruthCamera {
                name: input.config.name.clone(),
                topic: truth.topic.clone(),
                publisher: publisher.clone(),
            })
        };
        let cameras: Vec<_> = self.truths.iter().zip(&self.outputs).zip(&self.inputs).map(truth).collect();
        if cameras.iter().any(Option::is_some) {
            let (names, recording) = (&self.info.class_names, shared.recording.clone());
            shared.truth = Some(TruthLink::start(cameras, names, self.config.truth, recording)?);
        }
        Ok(shared)
    }

    /// What the figures of a camera by ground truth are told with; `injected` is what was done to its last frame.
    pub(super) fn truth_request(
        &self,
        now_ns: i64,
        frame_id: &str,
        injected: String,
        report: &CameraReport,
    ) -> TruthRequest {
        TruthRequest {
            now_ns,
            frame_id: frame_id.to_owned(),
            corruption: injected,
            thresholds: self.live.thresholds.clone(),
            estimates: report.classes.iter().map(ClassEstimate::from).collect(),
        }
    }

    /// How good the detector really is; `None` where the camera has no ground truth.
    pub(super) fn truth_status(&self, camera: usize, shared: &Shared) -> Option<Status> {
        let (input, truth) = (self.inputs.get(camera)?, self.truths.get(camera)?.as_ref()?);
        let (report, lost) = shared.truth.as_ref()?.last(camera);
        if let Some((dashboard, report)) = self.dashboard.as_ref().zip(report.as_ref()) {
            dashboard.truth(&input.config.name, report);
        }
        let mut status = diagnostics::ground_truth(&input.config.name, &truth.topic, report.as_ref(), lost);
        for complaint in truth.complaints() {
            status.report(Level::Error, complaint.as_str());
        }
        if truth.publisher_count() == 0 && truth.complaints().is_empty() {
            status.report(Level::Warn, format!("nobody publishes {}", truth.topic));
        }
        status.value("publishers", truth.publisher_count());
        Some(status)
    }

    /// How the recording goes; `None` where nothing is to be recorded.
    pub(super) fn recording_status(&mut self, shared: &Shared) -> Option<Status> {
        if let Some(failure) = &self.record_failure {
            let mut status = Status::new("recording");
            status.report(Level::Error, format!("nothing is recorded: {failure}"));
            return Some(status);
        }
        let state = shared.recording.as_ref()?.state();
        let status = diagnostics::recording(&state, &self.recorded);
        self.recorded = state;
        Some(status)
    }
}
