//! What the worker does with frames: process, publish, record; and, when there is time, probe with a corrupted copy.

use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::corruption::{CorruptorOptions, Step};
use crate::dashboard::Dashboard;
use crate::detector::{Detection, MAX_BATCH};
use crate::health::ProbeWindow;
use crate::pipeline::{
    Corrupt, Frame, FramePixels, Job, Outcome, Pipeline, PipelineError, Processed, Taken, Treatment,
};

use super::injection::ShadowBudget;
use super::messages;
use super::native::NativeImage;
use super::results::{CameraResults, Outputs, Results, Turn};
use super::worker::{Live, ShadowReport, Shared, lock};

/// A stamp this much older than the one before it is a jump (a bag that starts over), not jitter.
const JUMP_BACK_NS: i64 = 500_000_000;

#[derive(Default)]
struct CameraRun {
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
    results: Results,
    cameras: Vec<CameraRun>,
    /// Frames of the batch at hand; kept for its memory.
    turns: Vec<Turn>,
    /// What was found in each of them.
    processed: Vec<Processed>,
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
        let most = pipeline.detector().max_batch();
        Self {
            pipeline,
            budget: ShadowBudget::new(outputs.len(), Instant::now()),
            cameras: outputs.iter().map(|_| CameraRun::default()).collect(),
            results: Results::new(Arc::clone(&shared), outputs, dashboard),
            turns: Vec::with_capacity(most),
            processed: (0..most).map(|_| Processed::default()).collect(),
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
        let most = self.pipeline.detector().max_batch();
        let mut batch = Vec::with_capacity(most);
        while shared.mailbox.take_batch(most, &mut batch) {
            let live = shared.live();
            self.follow(&live);
            for taken in &batch {
                self.budget.arrived(taken.camera, taken.arrived);
            }
            self.batch(&mut batch, &live);
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

    /// Processes frames of different cameras with one run of the model, and probes afterwards.
    fn batch(&mut self, batch: &mut Vec<Taken<NativeImage>>, live: &Live) {
        let mut turns = std::mem::take(&mut self.turns);
        turns.extend(batch.drain(..).filter_map(|taken| self.turn(taken, live)));
        let outcomes = self.process(&turns, live);
        let mut done = SmallVec::<[(usize, NativeImage, usize); MAX_BATCH]>::new();
        for (Turn { taken: Taken { camera, frame, in_flight, .. }, .. }, outcome) in
            turns.drain(..).zip(outcomes)
        {
            match outcome {
                Ok(place) => {
                    in_flight.finish(Outcome::Processed);
                    done.push((camera, frame, place));
                }
                Err(reason) => {
                    in_flight.finish(Outcome::Rejected);
                    self.shared.note_rejection(camera, &reason);
                }
            }
        }
        self.turns = turns;
        for (camera, frame, place) in done {
            self.probe(camera, &frame, place, live);
        }
    }

    /// What is to be known of a frame before it is processed; `None` if it is too old for that.
    fn turn(&mut self, taken: Taken<NativeImage>, live: &Live) -> Option<Turn> {
        let waited = taken.arrived.elapsed();
        let stamp_ns = taken.frame.stamp_ns();
        let now_ns = self.shared.now_ns();
        // A driver that leaves the stamp at zero has none; its frames are as old as their wait here.
        let age_ns = if stamp_ns == 0 {
            i64::try_from(waited.as_nanos()).unwrap_or(i64::MAX)
        } else {
            now_ns.saturating_sub(stamp_ns)
        };
        self.note_stamp(taken.camera, stamp_ns, age_ns);
        if live.config.max_age.is_some_and(|max| i128::from(age_ns) > max.as_nanos() as i128) {
            taken.in_flight.finish(Outcome::Stale);
            return None;
        }
        let run = self.cameras.get_mut(taken.camera)?;
        let index = run.frames;
        run.frames += 1;
        run.injected.clear();
        if let (Some(injection), Some(results)) = (&live.injection, self.results.cameras.get(taken.camera)) {
            injection.steps(&results.name, now_ns, &mut run.injected);
        }
        Some(Turn { taken, waited, now_ns, age_ns, index })
    }

    /// Processes and publishes frames; for each, its place in `self.processed`, or why it was not used.
    fn process(&mut self, turns: &[Turn], live: &Live) -> SmallVec<[Result<usize, String>; MAX_BATCH]> {
        let mut outcomes = SmallVec::new();
        let mut jobs = SmallVec::<[Job<'_>; MAX_BATCH]>::new();
        let mut turn_of = SmallVec::<[usize; MAX_BATCH]>::new();
        for (at, Turn { taken: Taken { camera, frame: image, .. }, index, .. }) in turns.iter().enumerate() {
            let pixels = match image.pixels() {
                Ok(pixels) => pixels,
                Err(error) => {
                    outcomes.push(Err(error.to_string()));
                    continue;
                }
            };
            let steps = injected(&self.cameras, *camera);
            let treatment = if steps.is_empty() {
                Treatment::Clean
            } else {
                Treatment::Inject(Corrupt { steps, index: *index })
            };
            let (stamp_ns, frame_id) = (image.stamp_ns(), image.frame_id());
            jobs.push(Job { frame: Frame { camera: *camera, stamp_ns, frame_id, pixels }, treatment });
            turn_of.push(at);
            // What becomes of it is told below.
            outcomes.push(Err(String::new()));
        }
        let Some(out) = self.processed.get_mut(..jobs.len()) else { return outcomes };
        let (results, cameras) = (&mut self.results, &self.cameras);
        let mut together = 0;
        self.pipeline.process_batch(&jobs, &live.thresholds, out, |place, seen| {
            let Some((at, turn)) = turn_of.get(place).and_then(|at| Some((*at, turns.get(*at)?))) else {
                return;
            };
            let told = seen.map_err(|error| error.to_string()).and_then(|seen| {
                together += 1;
                results.publish(turn, injected(cameras, turn.taken.camera), live, &seen)
            });
            if let Some(outcome) = outcomes.get_mut(at) {
                *outcome = told.map(|()| place);
            }
        });
        self.shared.record_batch(together);
        outcomes
    }

    /// Runs a corrupted copy of a frame that was just processed clean, if no other frame is kept waiting by that, and
    /// counts what is found again.
    fn probe(&mut self, camera: usize, image: &NativeImage, place: usize, live: &Live) {
        let config = &live.config.corruption;
        let (Some(run), Some(results)) = (self.cameras.get_mut(camera), self.results.cameras.get_mut(camera))
        else {
            return;
        };
        let Some(processed) = self.processed.get(place) else { return };
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
            published(processed, &mut self.clean);
            let index = run.copies;
            run.copies += 1;
            let at = (index % self.probed.len() as u64) as usize;
            let result = self.probed.get(at).map(|step| {
                let corrupt = Corrupt { steps: std::slice::from_ref(step), index };
                copy(results, &mut self.pipeline, image, camera, corrupt, live, &mut self.shadow)
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

/// What is injected into the frame at hand of a camera.
fn injected(cameras: &[CameraRun], camera: usize) -> &[Step] {
    cameras.get(camera).map_or(&[], |run| &run.injected)
}

/// Processes one shadow copy and shows it to whom it may interest.
fn copy(
    results: &mut CameraResults,
    pipeline: &mut Pipeline,
    image: &NativeImage,
    camera: usize,
    corrupt: Corrupt<'_>,
    live: &Live,
    shadow: &mut Processed,
) -> Result<(), PipelineError> {
    let pixels: FramePixels<'_> = image.pixels()?;
    let frame = Frame { camera, stamp_ns: image.stamp_ns(), frame_id: image.frame_id(), pixels };
    let debug = &mut results.debug_corrupted;
    let draw = debug.is_due(live.config.debug_image_period);
    let treatment = Treatment::Shadow(corrupt);
    let drawn =
        pipeline.process_then(&frame, treatment, &live.thresholds, shadow, |pixels, shadow, detector| {
            draw.then(|| debug.draw(pixels, shadow, &live.thresholds, detector.class_names()))
        })?;
    if let Some(image) = drawn {
        results.debug_corrupted.send(image, &messages::time(frame.stamp_ns), frame.frame_id);
    }
    Ok(())
}
