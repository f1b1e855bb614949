//! What becomes of a processed frame: published, told to health, and shown to whom it may interest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use r2r::sensor_msgs::msg::Image;
use r2r::vision_msgs::msg::Detection2DArray;
use r2r::{Publisher, WrappedTypesupport};

use crate::corruption::Step;
use crate::dashboard::Dashboard;
use crate::health::Observation;
use crate::pipeline::{Annotator, Seen, Stage, Taken};
use crate::truth::FrameResult;

use super::debug_image::DebugImage;
use super::messages::{self, DetectionMessage};
use super::native::NativeImage;
use super::worker::{Live, Shared, lock};

/// Where one camera's results go.
pub(crate) struct Outputs {
    pub(crate) name: String,
    pub(crate) detections: Publisher<Detection2DArray>,
    pub(crate) debug_image: Publisher<Image>,
    pub(crate) debug_corrupted: Publisher<Image>,
}

/// One camera's results.
pub(crate) struct CameraResults {
    pub(crate) name: String,
    detections: Publisher<Detection2DArray>,
    message: DetectionMessage,
    debug_image: DebugImage,
    pub(crate) debug_corrupted: DebugImage,
}

/// A frame whose turn has come.
pub(crate) struct Turn {
    pub(crate) taken: Taken<NativeImage>,
    /// From its arrival until it was taken.
    pub(crate) waited: Duration,
    /// The node's clock when it was taken.
    pub(crate) now_ns: i64,
    /// By its stamp.
    pub(crate) age_ns: i64,
    /// Index of the frame among those processed of its camera.
    pub(crate) index: u64,
}

/// Where all cameras' results go.
pub(crate) struct Results {
    shared: Arc<Shared>,
    dashboard: Option<Dashboard>,
    /// Draws for the dashboard.
    annotator: Annotator,
    pub(crate) cameras: Vec<CameraResults>,
}

impl From<Outputs> for CameraResults {
    fn from(outputs: Outputs) -> Self {
        Self {
            name: outputs.name,
            detections: outputs.detections,
            message: DetectionMessage::default(),
            debug_image: DebugImage::new(outputs.debug_image),
            debug_corrupted: DebugImage::new(outputs.debug_corrupted),
        }
    }
}

impl Results {
    pub(crate) fn new(shared: Arc<Shared>, outputs: Vec<Outputs>, dashboard: Option<Dashboard>) -> Self {
        let cameras = outputs.into_iter().map(CameraResults::from).collect();
        Self { shared, dashboard, annotator: Annotator::default(), cameras }
    }

    /// Publishes what was found in a frame, and then tells everybody else. `injected` is what was done to the frame.
    pub(crate) fn publish(
        &mut self,
        turn: &Turn,
        injected: &[Step],
        live: &Live,
        seen: &Seen<'_>,
    ) -> Result<(), String> {
        let Turn { taken: Taken { camera, frame: image, arrived, .. }, waited, now_ns, age_ns, .. } = turn;
        let results = self.cameras.get_mut(*camera).ok_or("unknown camera")?;
        let Seen { pixels, processed, detector } = seen;
        let (thresholds, names) = (&live.thresholds, detector.class_names());
        let frame_id = image.frame_id();
        let publishing = Instant::now();
        let published = || processed.detections.iter().filter(|d| thresholds.publishes(d));
        let stamp = messages::time(image.stamp_ns());
        let message = results.message.fill(&stamp, frame_id, published(), names);
        results.detections.publish(message).map_err(|error| format!("publishing detections: {error}"))?;
        let done = Instant::now();
        let since_taken = (done - *arrived).saturating_sub(*waited);
        let age_done = age_ns.saturating_add(i64::try_from(since_taken.as_nanos()).unwrap_or(0));
        self.shared.record(processed.times, *waited, done - publishing, done - *arrived, age_done);
        if let Some(recording) = &self.shared.recording {
            recording.detections(*camera, *now_ns, || message.to_serialized_bytes().ok());
        }
        if let Some(truth) = self.shared.truth.as_ref().filter(|truth| truth.watches(*camera)) {
            truth.frame(
                *camera,
                FrameResult {
                    stamp_ns: image.stamp_ns(),
                    frame_id: frame_id.to_owned(),
                    image_size: [processed.width, processed.height],
                    detections: processed.detections.clone(),
                    thresholds: thresholds.clone(),
                },
            );
        }

        if let Some(mut state) = self.shared.camera(*camera) {
            let recording = Instant::now();
            state.health.record_frame(&Observation {
                stamp_ns: *now_ns,
                detections: &processed.detections,
                thresholds,
                image_size: [processed.width, processed.height],
                agreement: processed.agreement,
                quality: processed.quality.as_ref(),
            });
            lock(&self.shared.latencies).stage(Stage::Health).record(recording.elapsed());
            if state.frame_id != frame_id {
                frame_id.clone_into(&mut state.frame_id);
            }
            if state.injected != injected {
                injected.clone_into(&mut state.injected);
            }
        }
        let period = live.config.debug_image_period;
        if results.debug_image.is_due(period) {
            let image = results.debug_image.draw(pixels, processed, thresholds, names);
            results.debug_image.send(image, &stamp, frame_id);
        }
        if !injected.is_empty() && results.debug_corrupted.is_due(period) {
            let image = results.debug_corrupted.draw(pixels, processed, thresholds, names);
            results.debug_corrupted.send(image, &stamp, frame_id);
        }
        if let Some(dashboard) = self.dashboard.as_ref().filter(|board| board.wants_picture(&results.name)) {
            match self.annotator.annotate(pixels, published(), names) {
                Ok(drawn) => dashboard.picture(&results.name, drawn.width, drawn.height, drawn.bgr),
                Err(error) => tracing::warn!("no picture for the dashboard: {error}"),
            }
        }
        Ok(())
    }
}
