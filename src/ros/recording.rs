//! What the node records of its own: the cameras' images as received, their ground truth, detections and health.

use std::path::Path;

use crate::data::bag::cdr::{CAMERA_HEALTH_TYPE, DETECTIONS_TYPE};
use crate::data::bag::{BagError, RecordedTopic, Recorder, RecorderState};

use super::camera::CameraInput;
use super::native::NativeImage;
use super::truth::TruthInput;

/// The type of the figures by ground truth.
const TRUTH_HEALTH_TYPE: &str = "roadproof/msg/GroundTruthHealth";

/// What the fixed size of a message that is not an image is taken for before it is made, bytes.
const SMALL: usize = 4096;

/// Topics of one camera, by their index in the recorder; none for what another camera records already.
#[derive(Debug, Clone, Copy, Default)]
struct CameraTopics {
    image: Option<usize>,
    truth: Option<usize>,
    detections: Option<usize>,
    health: Option<usize>,
    truth_health: Option<usize>,
}

/// A running recording.
pub(crate) struct Recording {
    recorder: Recorder,
    cameras: Vec<CameraTopics>,
}

impl Recording {
    /// Begins a bag for `inputs`, with the ground truth of those that have one; `resolve` gives the full name of a topic
    /// of the node.
    ///
    /// # Errors
    /// The bag cannot be begun.
    pub(crate) fn start(
        path: &Path,
        buffer_bytes: usize,
        inputs: &[CameraInput],
        truths: &[Option<TruthInput>],
        resolve: impl Fn(&str) -> String,
    ) -> Result<Self, BagError> {
        let mut topics: Vec<RecordedTopic> = Vec::new();
        let mut add = |name: String, type_name: &'static str| {
            let is_new = topics.iter().all(|topic| topic.name != name);
            is_new.then(|| {
                topics.push(RecordedTopic { name, type_name });
                topics.len() - 1
            })
        };
        let truths = truths.iter().map(Option::as_ref).chain(std::iter::repeat(None));
        let cameras: Vec<_> = inputs
            .iter()
            .zip(truths)
            .map(|(input, truth)| {
                let own = |what: &str| resolve(&format!("~/{}/{what}", input.config.name));
                CameraTopics {
                    image: add(input.topic.clone(), input.config.transport.type_name()),
                    truth: truth.and_then(|truth| add(truth.topic.clone(), DETECTIONS_TYPE)),
                    detections: add(own("detections"), DETECTIONS_TYPE),
                    health: add(own("health"), CAMERA_HEALTH_TYPE),
                    truth_health: truth.and_then(|_| add(own("ground_truth/health"), TRUTH_HEALTH_TYPE)),
                }
            })
            .collect();
        let recorder = Recorder::start(path, &topics, buffer_bytes)?;
        Ok(Self { recorder, cameras })
    }

    pub(crate) fn image(&self, camera: usize, now_ns: i64, image: &NativeImage) {
        self.offer(self.of(camera).image, now_ns, image.size(), || image.encode().ok());
    }

    pub(crate) fn truth(&self, camera: usize, now_ns: i64, message: &[u8]) {
        self.offer(self.of(camera).truth, now_ns, message.len(), || Some(message.to_vec()));
    }

    pub(crate) fn detections(&self, camera: usize, now_ns: i64, message: impl FnOnce() -> Option<Vec<u8>>) {
        self.offer(self.of(camera).detections, now_ns, SMALL, message);
    }

    pub(crate) fn health(&self, camera: usize, now_ns: i64, message: impl FnOnce() -> Option<Vec<u8>>) {
        self.offer(self.of(camera).health, now_ns, SMALL, message);
    }

    pub(crate) fn truth_health(&self, camera: usize, now_ns: i64, message: impl FnOnce() -> Option<Vec<u8>>) {
        self.offer(self.of(camera).truth_health, now_ns, SMALL, message);
    }

    pub(crate) fn state(&self) -> RecorderState {
        self.recorder.state()
    }

    /// Writes what still waits, completes the bag, and says in the log what is in it.
    pub(crate) fn finish(self) {
        let state = self.recorder.finish();
        let dropped = state.dropped_full + state.dropped_unwritable;
        if state.failure.is_none() && dropped == 0 {
            tracing::info!("recorded {} messages: {}", state.written, state.path.display());
        } else {
            tracing::warn!(
                "recorded {} of {} messages, {} came too fast and {} could not be written: {}",
                state.written,
                state.offered,
                state.dropped_full,
                state.dropped_unwritable,
                state.path.display()
            );
        }
    }

    fn of(&self, camera: usize) -> CameraTopics {
        self.cameras.get(camera).copied().unwrap_or_default()
    }

    fn offer(
        &self,
        topic: Option<usize>,
        now_ns: i64,
        size: usize,
        message: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        if let Some(topic) = topic {
            self.recorder.offer(topic, now_ns, size, message);
        }
    }
}
