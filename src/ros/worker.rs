//! The thread that takes frames out of the mailbox, runs the pipeline on them and publishes the result.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use r2r::Clock;

use crate::corruption::Step;
use crate::dashboard::Dashboard;
use crate::detector::Thresholds;
use crate::health::{CameraMonitor, HealthError, ProbeWindow};
use crate::pipeline::{BatchSizes, FrameCounters, FrameTimes, Mailbox, Pipeline, Stage, StageLatencies};

use super::injection::Injection;
use super::native::NativeImage;
use super::parameters::LiveConfig;
use super::recording::Recording;
use super::results::Outputs;
use super::run::Run;
use super::truth::TruthLink;

/// Settings that the worker looks up for every frame.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) config: LiveConfig,
    pub(crate) thresholds: Thresholds,
    /// What is injected, if that is armed.
    pub(crate) injection: Option<Injection>,
}

/// What the worker has learnt about one camera.
pub(crate) struct CameraState {
    pub(crate) health: CameraMonitor,
    /// The newest reason why a frame was not used.
    pub(crate) last_rejection: Option<String>,
    pub(crate) last_stamp_ns: Option<i64>,
    /// Coordinate frame of the last processed frame.
    pub(crate) frame_id: String,
    /// Times that the stamps went back.
    pub(crate) stamp_jumps: u64,
    /// Age of the last frame by its stamp when its turn came; negative if it is from the future.
    pub(crate) last_age_ns: i64,
    /// What was done to the last published frame before the detector saw it; empty if nothing.
    pub(crate) injected: Vec<Step>,
    /// What the detector finds again in shadow copies.
    pub(crate) probes: ProbeWindow,
}

/// What shadow copies cost so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ShadowReport {
    /// Copies that were processed.
    pub(crate) runs: u64,
    /// Frames after which there was no time for one.
    pub(crate) skipped: u64,
    /// Share of the time that they took.
    pub(crate) share: f64,
}

/// What the node's thread and the worker share while the node is active.
pub(crate) struct Shared {
    pub(crate) mailbox: Arc<Mailbox<NativeImage>>,
    pub(crate) cameras: Vec<Mutex<CameraState>>,
    pub(crate) latencies: Mutex<StageLatencies>,
    pub(crate) batches: Mutex<BatchSizes>,
    pub(crate) shadow: Mutex<ShadowReport>,
    /// Where ground truth is compared, if a camera has one.
    pub(crate) truth: Option<TruthLink>,
    /// Where everything is recorded, if that is asked for.
    pub(crate) recording: Option<Arc<Recording>>,
    live: Mutex<Arc<Live>>,
    clock: Arc<Mutex<Clock>>,
}

impl Shared {
    pub(crate) fn new(
        cameras: usize,
        classes: usize,
        monitor: &dyn Fn() -> Result<CameraMonitor, HealthError>,
        live: Arc<Live>,
        clock: Arc<Mutex<Clock>>,
    ) -> Result<Self, HealthError> {
        let state = |_| {
            Ok(Mutex::new(CameraState {
                health: monitor()?,
                last_rejection: None,
                last_stamp_ns: None,
                frame_id: String::new(),
                stamp_jumps: 0,
                last_age_ns: 0,
                injected: Vec::new(),
                probes: ProbeWindow::new(live.config.corruption.shadow.len(), classes),
            }))
        };
        let shared = Self {
            mailbox: Mailbox::new(cameras),
            cameras: (0..cameras).map(state).collect::<Result<_, _>>()?,
            latencies: Mutex::new(StageLatencies::default()),
            batches: Mutex::new(BatchSizes::default()),
            shadow: Mutex::new(ShadowReport::default()),
            truth: None,
            recording: None,
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
        self.mailbox.set_window(live.config.batch_window);
        *lock(&self.live) = live;
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&lock(&self.live))
    }

    /// A frame has arrived: into its camera's slot, or rejected if it is malformed.
    pub(crate) fn accept(&self, camera: usize, image: NativeImage, arrived: Instant) {
        if let Some(recording) = &self.recording {
            recording.image(camera, self.now_ns(), &image);
        }
        match image.pixels() {
            Ok(_) => drop(self.mailbox.put(camera, image, arrived)),
            Err(error) => {
                self.mailbox.reject(camera);
                self.note_rejection(camera, &error.to_string());
            }
        }
    }

    /// Ground truth of a camera has arrived.
    pub(crate) fn accept_truth(&self, camera: usize, message: Vec<u8>) {
        if let Some(recording) = &self.recording {
            recording.truth(camera, self.now_ns(), &message);
        }
        if let Some(truth) = &self.truth {
            truth.message(camera, message);
        }
    }

    /// Ends what runs beside the worker, in the order in which one feeds the other.
    fn finish(self) {
        if let Some(truth) = self.truth {
            truth.finish();
        }
        if let Some(recording) = self.recording.and_then(Arc::into_inner) {
            recording.finish();
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

    pub(crate) fn record(
        &self,
        times: FrameTimes,
        waited: Duration,
        publish: Duration,
        total: Duration,
        age_ns: i64,
    ) {
        let mut latencies = lock(&self.latencies);
        latencies.stage(Stage::Wait).record(waited);
        latencies.stage(Stage::Convert).record(times.convert);
        latencies.stage(Stage::Corrupt).record(times.corrupt);
        latencies.stage(Stage::Upload).record(times.upload);
        latencies.stage(Stage::Preprocess).record(times.preprocess);
        latencies.stage(Stage::Inference).record(times.inference);
        latencies.stage(Stage::Postprocess).record(times.postprocess);
        latencies.stage(Stage::Quality).record(times.quality);
        latencies.stage(Stage::Publish).record(publish);
        latencies.stage(Stage::Total).record(total);
        latencies.stage(Stage::Age).record(Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0)));
    }

    /// A run of the model was over, with so many frames; 0 was none.
    pub(crate) fn record_batch(&self, frames: usize) {
        if frames > 0 {
            lock(&self.batches).record(frames);
        }
    }

    /// Remembers why a frame was not used, and logs it unless it is what happened before.
    pub(crate) fn note_rejection(&self, camera: usize, reason: &str) {
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
        dashboard: Option<Dashboard>,
    ) -> std::io::Result<Self> {
        let run = Run::new(pipeline, Arc::clone(&shared), outputs, dashboard);
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
        let pipeline = self.thread.join().ok();
        if let Some(shared) = Arc::into_inner(self.shared) {
            shared.finish();
        }
        pipeline
    }
}
