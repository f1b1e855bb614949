//! What the worker does with a frame: process, publish, record; and, when there is time, probe with a corrupted copy.

use std::sync::Arc;
use std::time::Instant;

use r2r::Publisher;
use r2r::sensor_msgs::msg::Image;
use r2r::vision_msgs::msg::Detection2DArray;

use crate::corruption::{CorruptorOptions, Step};
use crate::dashboard::Dashboard;
use crate::detector::Detection;
use crate::health::{Observation, ProbeWindow};
use crate::pipeline::{
    Annotator, Corrupt, Frame, FramePixels, Outcome, Pipeline, PipelineError, Processed, Stage, Taken,
    Treatment,
};

use super::debug_image::DebugImage;
use super::injection::ShadowBudget;
use super::messages::{self, DetectionMessage};
use super::native::NativeImage;
use super::worker::{Live, ShadowReport, Shared, lock};

/// A stamp this much older than the one before it is a jump (a bag that starts over), not jitter.
const JUMP_BACK_NS: i64 = 500_000_000;

/// Where one camera's results go.
pub(crate) struct Outputs {
    pub(crate) name: String,
    pub(crate) detections: Publisher<Detection2DArray>,
    pub(crate) debug_image: Publisher<Image>,
    pub(crate) debug_corrupted: Publisher<Image>,
}

struct CameraRun {
    name: String,
    detections: Publisher<Detection2DArray>,
    message: DetectionMessage,
    debug_image: DebugImage,
    debug_corrupted: DebugImage,
    /// Frames processed so far, and shadow copies: the indices that their corruptions go by.
    frames: u64,
    copies: u64,
    /// What is injected into the frame at hand.
    injected: Vec<Step>,
}

/// The state of the worker's thread.
pub(crate) struct Run {
    pipeline: Box<Pipeline>,
    shared: Arc<Shared>,
    dashboard: Option<Dashboard>,
    /// Draws for the dashboard.
    annotator: Annotator,
    cameras: Vec<CameraRun>,
    processed: Processed,
    /// Of the shadow copy.
    shadow: Processed,
    /// Published detections of the clean frame and of its copy.
    clean: Vec<Detection>,
    found: Vec<Detection>,
    budget: ShadowBudget,
    options: CorruptorOptions,
    /// The corruptions that probes are counted for.
    probed: Vec<Step>,
}

impl From<Outputs> for CameraRun {
    fn from(outputs: Outputs) -> Self {
        Self {
            name: outputs.name,
            detections: outputs.detections,
            message: DetectionMessage::default(),
            debug_image: DebugImage::new(outputs.debug_image),
            debug_corrupted: DebugImage::new(outputs.debug_corrupted),
            frames: 0,
            copies: 0,
            injected: Vec::new(),
        }
    }
}

impl Run {
    pub(crate) fn new(
        mut pipeline: Box<Pipeline>,
        shared: Arc<Shared>,
        outputs: Vec<Outputs>,
        dashboard: Option<Dashboard>,
    ) -> Self {
        let live = shared.live();
        let options = live.config.corruption.options;
        pipeline.set_corruptor_options(options);
        Self {
            pipeline,
            dashboard,
            annotator: Annotator::default(),
            budget: ShadowBudget::new(outputs.len(), Instant::now()),
            cameras: outputs.into_iter().map(CameraRun::from).collect(),
            processed: Processed::default(),
            shadow: Processed::default(),
            clean: Vec::new(),
            found: Vec::new(),
            options,
            probed: live.config.corruption.shadow.clone(),
            shared,
        }
    }

    /// Works until the mailbox is closed.
    pub(crate) fn run(mut self) -> Box<Pipeline> {
        let shared = Arc::clone(&self.shared);
        while let Some(Taken { camera, frame, arrived, in_flight }) = shared.mailbox.take() {
            let live = shared.live();
            self.follow(&live);
            self.budget.arrived(camera, arrived);
            match self.frame(camera, &frame, arrived, &live) {
                Ok(outcome) => {
                    in_flight.finish(outcome);
                    if outcome == Outcome::Processed {
                        self.probe(camera, &frame, &live);
                    }
                }
                Err(reason) => {
                    in_flight.finish(Outcome::Rejected);
                    shared.note_rejection(camera, &reason);
                }
            }
        }
        self.pipeline
    }

    /// Takes over settings that changed and that cost something to change.
    fn follow(&mut self, live: &Live) {
        let corruption = &live.config.corruption;
        if corruption.options != self.options {
            self.options = corruption.options;
            self.pipeline.set_corruptor_options(self.options);
        }
        if corruption.shadow != self.probed {
            self.probed.clone_from(&corruption.shadow);
            let classes = self.pipeline.detector().class_names().len();
            for camera in 0..self.cameras.len() {
                if let Some(mut state) = self.shared.camera(camera) {
                    state.probes = ProbeWindow::new(self.probed.len(), classes);
                }
            }
        }
    }

    fn frame(
        &mut self,
        camera: usize,
        image: &NativeImage,
        arrived: Instant,
        live: &Live,
    ) -> Result<Outcome, String> {
        let waited = arrived.elapsed();
        let stamp_ns = image.stamp_ns();
        let frame_id = image.frame_id();
        let now_ns = self.shared.now_ns();
        // A driver that leaves the stamp at zero has none; its frames are as old as their wait here.
        let age_ns = if stamp_ns == 0 {
            i64::try_from(waited.as_nanos()).unwrap_or(i64::MAX)
        } else {
            now_ns.saturating_sub(stamp_ns)
        };
        self.note_stamp(camera, stamp_ns, age_ns);
        if live.config.max_age.is_some_and(|max| i128::from(age_ns) > max.as_nanos() as i128) {
            return Ok(Outcome::Stale);
        }
        let run = self.cameras.get_mut(camera).ok_or("unknown camera")?;
        let index = run.frames;
        run.frames += 1;
        run.injected.clear();
        if let Some(injection) = &live.injection {
            injection.steps(&run.name, now_ns, &mut run.injected);
        }
        let treatment = if run.injected.is_empty() {
            Treatment::Clean
        } else {
            Treatment::Inject(Corrupt { steps: &run.injected, index })
        };
        let pixels = image.pixels().map_err(|error| error.to_string())?;
        let frame = Frame { camera, stamp_ns, frame_id, pixels };
        let period = live.config.debug_image_period;
        let (debug_image, debug_corrupted) = (&mut run.debug_image, &mut run.debug_corrupted);
        let draw = debug_image.is_due(period);
        let draw_corrupted = treatment != Treatment::Clean && debug_corrupted.is_due(period);
        let thresholds = &live.thresholds;
        let watched = self.dashboard.as_ref().filter(|dashboard| dashboard.wants_picture(&run.name));
        let annotator = &mut self.annotator;
        let drawn = self
            .pipeline
            .process_then(
                &frame,
                treatment,
                thresholds,
                &mut self.processed,
                |pixels, processed, detector| {
                    let names = detector.class_names();
                    let image = draw.then(|| debug_image.draw(pixels, processed, thresholds, names));
                    let corrupted =
                        draw_corrupted.then(|| debug_corrupted.draw(pixels, processed, thresholds, names));
                    let published = processed.detections.iter().filter(|d| thresholds.publishes(d));
                    let picture = watched.map(|_| annotator.annotate(pixels, published, names));
                    (image, corrupted, picture)
                },
            )
            .map_err(|error| error.to_string())?;

        let publishing = Instant::now();
        let published = self.processed.detections.iter().filter(|d| thresholds.publishes(d));
        let stamp = messages::time(stamp_ns);
        let names = self.pipeline.detector().class_names();
        let message = run.message.fill(&stamp, frame_id, published, names);
        run.detections.publish(message).map_err(|error| format!("publishing detections: {error}"))?;
        let done = Instant::now();
        let since_taken = (done - arrived).saturating_sub(waited);
        let age_done = age_ns.saturating_add(i64::try_from(since_taken.as_nanos()).unwrap_or(0));
        self.shared.record(self.processed.times, waited, done - publishing, done - arrived, age_done);

        if let Some(mut state) = self.shared.camera(camera) {
            let recording = Instant::now();
            state.health.record_frame(&Observation {
                stamp_ns: now_ns,
                detections: &self.processed.detections,
                thresholds,
                image_size: [self.processed.width, self.processed.height],
                agreement: self.processed.agreement,
                quality: self.processed.quality.as_ref(),
            });
            lock(&self.shared.latencies).stage(Stage::Health).record(recording.elapsed());
            if state.frame_id != frame_id {
                frame_id.clone_into(&mut state.frame_id);
            }
            if state.injected != run.injected {
                state.injected.clone_from(&run.injected);
            }
        }
        let (image, corrupted, picture) = drawn;
        if let Some(image) = image {
            run.debug_image.send(image, &stamp, frame_id);
        }
        if let Some(image) = corrupted {
            run.debug_corrupted.send(image, &stamp, frame_id);
        }
        match (watched, picture) {
            (Some(dashboard), Some(Ok(drawn))) => {
                dashboard.picture(&run.name, drawn.width, drawn.height, drawn.bgr);
            }
            (_, Some(Err(error))) => tracing::warn!("no picture for the dashboard: {error}"),
            _ => {}
        }
        Ok(Outcome::Processed)
    }

    /// Runs a corrupted copy of a frame that was just processed clean, if no other frame is kept waiting by that, and
    /// counts what is found again.
    fn probe(&mut self, camera: usize, image: &NativeImage, live: &Live) {
        let config = &live.config.corruption;
        let Some(run) = self.cameras.get_mut(camera) else { return };
        if self.probed.is_empty() || !run.injected.is_empty() {
            return;
        }
        let now = Instant::now();
        let thresholds = &live.thresholds;
        if self.shared.mailbox.is_idle() && self.budget.allows(now, config.shadow_max_share) {
            let published = |processed: &Processed, to: &mut Vec<Detection>| {
                to.clear();
                to.extend(processed.detections.iter().filter(|d| thresholds.publishes(d)).copied());
            };
            published(&self.processed, &mut self.clean);
            let index = run.copies;
            run.copies += 1;
            let at = (index % self.probed.len() as u64) as usize;
            let result = self.probed.get(at).map(|step| {
                let corrupt = Corrupt { steps: std::slice::from_ref(step), index };
                copy(run, &mut self.pipeline, image, camera, corrupt, live, &mut self.shadow)
            });
            match result {
                Some(Ok(())) => {
                    published(&self.shadow, &mut self.found);
                    if let Some(mut state) = self.shared.camera(camera) {
                        state.probes.record(at, &self.clean, &self.found);
                    }
                }
                // A copy that never arrives finds nothing again.
                Some(Err(PipelineError::DroppedByCorruption)) => {
                    if let Some(mut state) = self.shared.camera(camera) {
                        state.probes.record(at, &self.clean, &[]);
                    }
                }
                Some(Err(error)) => tracing::warn!("shadow copy failed: {error}"),
                None => {}
            }
            self.budget.ran(now.elapsed());
        }
        let share = self.budget.share(Instant::now());
        let report = ShadowReport { runs: self.budget.runs, skipped: self.budget.skipped, share };
        *lock(&self.shared.shadow) = report;
    }

    fn note_stamp(&self, camera: usize, stamp_ns: i64, age_ns: i64) {
        let Some(mut state) = self.shared.camera(camera) else { return };
        if state.last_stamp_ns.is_some_and(|last| stamp_ns.saturating_add(JUMP_BACK_NS) < last) {
            tracing::info!("stamps went back (a recording that starts over?), health figures start anew");
            state.stamp_jumps += 1;
            state.health.reset();
        }
        state.last_stamp_ns = Some(stamp_ns);
        state.last_age_ns = age_ns;
    }
}

/// Processes one shadow copy and shows it to whom it may interest.
fn copy(
    run: &mut CameraRun,
    pipeline: &mut Pipeline,
    image: &NativeImage,
    camera: usize,
    corrupt: Corrupt<'_>,
    live: &Live,
    shadow: &mut Processed,
) -> Result<(), PipelineError> {
    let pixels: FramePixels<'_> = image.pixels()?;
    let frame = Frame { camera, stamp_ns: image.stamp_ns(), frame_id: image.frame_id(), pixels };
    let debug = &mut run.debug_corrupted;
    let draw = debug.is_due(live.config.debug_image_period);
    let treatment = Treatment::Shadow(corrupt);
    let drawn =
        pipeline.process_then(&frame, treatment, &live.thresholds, shadow, |pixels, shadow, detector| {
            draw.then(|| debug.draw(pixels, shadow, &live.thresholds, detector.class_names()))
        })?;
    if let Some(image) = drawn {
        run.debug_corrupted.send(image, &messages::time(frame.stamp_ns), frame.frame_id);
    }
    Ok(())
}
