//! The thread that takes frames out of the mailbox, runs the pipeline on them and publishes the result.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use r2r::sensor_msgs::msg::Image;
use r2r::std_msgs::msg::Header;
use r2r::vision_msgs::msg::Detection2DArray;
use r2r::{Clock, Publisher};

use crate::detector::Thresholds;
use crate::health::{CameraWindow, HealthError, WindowConfig};
use crate::image::PixelView;
use crate::pipeline::{
    Annotator, Frame, FrameCounters, FrameTimes, Mailbox, Outcome, Pipeline, Processed, Stage,
    StageLatencies, Taken,
};

use super::messages::{self, DetectionMessage};
use super::native::NativeImage;
use super::parameters::LiveConfig;

/// A stamp this much older than the one before it is a jump (a bag that starts over), not jitter.
const JUMP_BACK_NS: i64 = 500_000_000;

/// Settings that the worker looks up for every frame.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) config: LiveConfig,
    pub(crate) thresholds: Thresholds,
}

/// What the worker has learnt about one camera.
pub(crate) struct CameraState {
    pub(crate) health: CameraWindow,
    /// The newest reason why a frame was not used.
    pub(crate) last_rejection: Option<String>,
    pub(crate) last_stamp_ns: Option<i64>,
    /// Coordinate frame of the last processed frame.
    pub(crate) frame_id: String,
    /// Times that the stamps went back.
    pub(crate) stamp_jumps: u64,
    /// Age of the last frame by its stamp when its turn came; negative if it is from the future.
    pub(crate) last_age_ns: i64,
}

/// What the node's thread and the worker share while the node is active.
pub(crate) struct Shared {
    pub(crate) mailbox: Arc<Mailbox<NativeImage>>,
    pub(crate) cameras: Vec<Mutex<CameraState>>,
    pub(crate) latencies: Mutex<StageLatencies>,
    live: Mutex<Arc<Live>>,
    clock: Arc<Mutex<Clock>>,
}

/// Where one camera's results go.
pub(crate) struct Outputs {
    pub(crate) detections: Publisher<Detection2DArray>,
    pub(crate) debug_image: Publisher<Image>,
}

impl Shared {
    pub(crate) fn new(
        cameras: usize,
        classes: usize,
        window: WindowConfig,
        live: Arc<Live>,
        clock: Arc<Mutex<Clock>>,
    ) -> Result<Self, HealthError> {
        let state = |_| {
            let health = CameraWindow::new(classes, window)?;
            Ok(Mutex::new(CameraState {
                health,
                last_rejection: None,
                last_stamp_ns: None,
                frame_id: String::new(),
                stamp_jumps: 0,
                last_age_ns: 0,
            }))
        };
        let shared = Self {
            mailbox: Mailbox::new(cameras),
            cameras: (0..cameras).map(state).collect::<Result<_, _>>()?,
            latencies: Mutex::new(StageLatencies::default()),
            live: Mutex::new(Arc::clone(&live)),
            clock,
        };
        shared.set_live(live);
        Ok(shared)
    }

    /// Changes the settings from the next frame on.
    pub(crate) fn set_live(&self, live: Arc<Live>) {
        for (camera, period) in live.config.min_periods.iter().enumerate() {
            self.mailbox.set_min_period(camera, *period);
        }
        *lock(&self.live) = live;
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&lock(&self.live))
    }

    /// A frame has arrived: into its camera's slot, or rejected if it is malformed.
    pub(crate) fn accept(&self, camera: usize, image: NativeImage, arrived: Instant) {
        match image.pixels() {
            Ok(_) => drop(self.mailbox.put(camera, image, arrived)),
            Err(error) => {
                self.mailbox.reject(camera);
                self.note_rejection(camera, &error.to_string());
            }
        }
    }

    pub(crate) fn counters(&self, camera: usize) -> FrameCounters {
        self.mailbox.counters(camera)
    }

    /// The node's clock in nanoseconds; 0 while simulated time has not begun.
    pub(crate) fn now_ns(&self) -> i64 {
        now_ns(&self.clock)
    }

    pub(crate) fn camera(&self, camera: usize) -> Option<MutexGuard<'_, CameraState>> {
        self.cameras.get(camera).map(lock)
    }

    fn record(&self, times: FrameTimes, waited: Duration, publish: Duration, total: Duration, age_ns: i64) {
        let mut latencies = lock(&self.latencies);
        latencies.stage(Stage::Wait).record(waited);
        latencies.stage(Stage::Convert).record(times.convert);
        latencies.stage(Stage::Preprocess).record(times.preprocess);
        latencies.stage(Stage::Inference).record(times.inference);
        latencies.stage(Stage::Postprocess).record(times.postprocess);
        latencies.stage(Stage::Publish).record(publish);
        latencies.stage(Stage::Total).record(total);
        latencies.stage(Stage::Age).record(Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0)));
    }

    /// Remembers why a frame was not used, and logs it unless it is what happened before.
    fn note_rejection(&self, camera: usize, reason: &str) {
        if let Some(mut state) = self.camera(camera)
            && state.last_rejection.as_deref() != Some(reason)
        {
            tracing::warn!("frame rejected: {reason}");
            state.last_rejection = Some(reason.to_owned());
        }
    }
}

/// Locks; what is behind our locks is consistent between any two statements that could panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn now_ns(clock: &Mutex<Clock>) -> i64 {
    let now = lock(clock).get_now().unwrap_or_default();
    i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
}

/// The running worker.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    thread: JoinHandle<Box<Pipeline>>,
}

impl Worker {
    pub(crate) fn start(
        pipeline: Box<Pipeline>,
        shared: Arc<Shared>,
        outputs: Vec<Outputs>,
    ) -> std::io::Result<Self> {
        let run = Run {
            pipeline,
            shared: Arc::clone(&shared),
            cameras: outputs
                .into_iter()
                .map(|outputs| CameraRun { outputs, message: DetectionMessage::default(), next_debug: None })
                .collect(),
            processed: Processed::default(),
            annotator: Annotator::default(),
        };
        let thread = std::thread::Builder::new().name("roadproof-worker".into()).spawn(move || run.run())?;
        Ok(Self { shared, thread })
    }

    /// Whether the thread has ended although nobody asked it to.
    pub(crate) fn has_died(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops inference and gives the pipeline back; `None` if the thread had panicked.
    pub(crate) fn stop(self) -> Option<Box<Pipeline>> {
        self.shared.mailbox.close();
        self.thread.join().ok()
    }
}

struct CameraRun {
    outputs: Outputs,
    message: DetectionMessage,
    next_debug: Option<Instant>,
}

struct Run {
    pipeline: Box<Pipeline>,
    shared: Arc<Shared>,
    cameras: Vec<CameraRun>,
    processed: Processed,
    annotator: Annotator,
}

impl Run {
    fn run(mut self) -> Box<Pipeline> {
        let shared = Arc::clone(&self.shared);
        while let Some(Taken { camera, frame, arrived, in_flight }) = shared.mailbox.take() {
            let live = shared.live();
            match self.frame(camera, &frame, arrived, &live) {
                Ok(outcome) => in_flight.finish(outcome),
                Err(reason) => {
                    in_flight.finish(Outcome::Rejected);
                    shared.note_rejection(camera, &reason);
                }
            }
        }
        self.pipeline
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
        let pixels = image.pixels().map_err(|error| error.to_string())?;
        let frame = Frame { camera, stamp_ns, frame_id, pixels };
        let debug = run.next_debug_due(live.config.debug_image_period);
        let annotator = &mut self.annotator;
        let annotated = self
            .pipeline
            .process_then(&frame, &live.thresholds, &mut self.processed, |pixels, processed, detector| {
                debug.then(|| {
                    debug_image(annotator, pixels, processed, &live.thresholds, detector.class_names())
                })
            })
            .map_err(|error| error.to_string())?;

        let publishing = Instant::now();
        let published = self.processed.detections.iter().filter(|d| live.thresholds.publishes(d));
        let stamp = messages::time(stamp_ns);
        let names = self.pipeline.detector().class_names();
        let message = run.message.fill(&stamp, frame_id, published, names);
        run.outputs.detections.publish(message).map_err(|error| format!("publishing detections: {error}"))?;
        let done = Instant::now();
        let age_done = age_ns
            .saturating_add(i64::try_from((done - arrived).saturating_sub(waited).as_nanos()).unwrap_or(0));
        self.shared.record(self.processed.times, waited, done - publishing, done - arrived, age_done);

        if let Some(mut state) = self.shared.camera(camera) {
            let detections = self.processed.detections.iter();
            state.health.record_frame(
                now_ns,
                detections.map(|d| (d.class_id, d.score, live.thresholds.publishes(d))),
            );
            if state.frame_id != frame_id {
                frame_id.clone_into(&mut state.frame_id);
            }
        }
        if let Some(image) = annotated {
            let header = Header { stamp, frame_id: frame_id.to_owned() };
            let sent = image.and_then(|image| {
                let image = Image { header, ..image };
                run.outputs.debug_image.publish(&image).map_err(|error| error.to_string())
            });
            // The detections are out; a debug image that fails is no reason to call the frame lost.
            sent.unwrap_or_else(|error| tracing::warn!("no debug image: {error}"));
        }
        Ok(Outcome::Processed)
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

impl CameraRun {
    /// Whether a debug image is to be drawn of this frame: somebody subscribes, and the last one is long
    /// enough ago.
    fn next_debug_due(&mut self, period: Option<Duration>) -> bool {
        let Some(period) = period else { return false };
        let now = Instant::now();
        if self.next_debug.is_some_and(|due| now < due) {
            return false;
        }
        let wanted = self.outputs.debug_image.get_inter_process_subscription_count().unwrap_or(0) > 0;
        if wanted {
            self.next_debug = now.checked_add(period);
        }
        wanted
    }
}

fn debug_image(
    annotator: &mut Annotator,
    pixels: &PixelView<'_>,
    processed: &Processed,
    thresholds: &Thresholds,
    class_names: &[String],
) -> Result<Image, String> {
    let published = processed.detections.iter().filter(|d| thresholds.publishes(d));
    let annotated = annotator.annotate(pixels, published, class_names).map_err(|error| error.to_string())?;
    Ok(Image {
        height: annotated.height,
        width: annotated.width,
        encoding: "bgr8".into(),
        is_bigendian: 0,
        step: annotated.width * 3,
        data: annotated.bgr.to_vec(),
        ..Image::default()
    })
}
