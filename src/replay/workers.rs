//! The reader, the workers, and the one who puts everything in order.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::order::InOrder;
use super::record::{DetectionRecord, FrameRecord, HealthRecord};
use super::{Drawn, Injection, Options, Outcome};
use crate::corruption::{Corruptor, Delivery, FrameKey, Group, Picture, Step};
use crate::data::source::{FrameSource, SourceError, SourceFrame, SourcePixels};
use crate::health::{CameraWindow, HealthError};
use crate::image::{ChannelOrder, CompressedDecoder, Converter, DecodeLimits};
use crate::pipeline::{Annotator, Corrupt, FramePixels, Pipeline, PipelineError, Processed, Treatment};

/// Health is told once in so much recorded time, ns.
const HEALTH_PERIOD_NS: i64 = 1_000_000_000;

/// What became of the frames: `read` = `processed` + `dropped` + `rejected`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Frames that the source gave, those that it could not read among them.
    pub read: u64,
    /// Run through the detector.
    pub processed: u64,
    /// Lost by a corruption of the stream.
    pub dropped: u64,
    /// Not usable.
    pub rejected: u64,
}

/// Why a replay ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A result cannot be written.
    #[error("a result cannot be written: {0}")]
    Sink(#[from] std::io::Error),
    /// The detector itself fails, whatever the frame.
    #[error("{name}: {source}")]
    Detector {
        /// The frame.
        name: String,
        /// Why.
        #[source]
        source: Box<PipelineError>,
    },
    /// Health cannot be told with this configuration.
    #[error(transparent)]
    Health(#[from] HealthError),
    /// There is no worker.
    #[error("a replay needs at least one worker")]
    NoWorkers,
}

/// Who takes the results, in order.
pub trait Sink {
    /// Takes a frame; `drawn` where drawing was asked for and the frame was processed.
    ///
    /// # Errors
    /// It cannot be written; the replay ends.
    fn frame(&mut self, record: &FrameRecord<'_>, drawn: Option<&Drawn>) -> std::io::Result<()>;

    /// Takes the health of a camera, and the window that it is told from.
    ///
    /// # Errors
    /// It cannot be written; the replay ends.
    fn health(&mut self, record: &HealthRecord<'_>, window: &CameraWindow) -> std::io::Result<()>;
}

/// A frame on its way to a worker.
struct Job {
    number: u64,
    /// Index among the frames of its camera.
    frame: Result<SourceFrame, String>,
    steps: Vec<Step>,
    /// Already corrupted, or lost by that.
    is_corrupted: bool,
    is_dropped: bool,
}

/// A frame on its way back.
struct Done {
    frame: Option<SourceFrame>,
    steps: Vec<Step>,
    outcome: Outcome,
    drawn: Option<Drawn>,
    failure: Option<Box<PipelineError>>,
}

/// Plays `source` through `pipelines`, one for each worker, into `sink`.
///
/// # Errors
/// A result cannot be written, or the detector fails. What is wrong with single frames is recorded and counted instead.
pub fn replay(
    source: &mut dyn FrameSource,
    pipelines: Vec<Pipeline>,
    options: &Options,
    sink: &mut dyn Sink,
) -> Result<Counts, ReplayError> {
    let cameras = source.cameras().to_vec();
    let first = pipelines.first().ok_or(ReplayError::NoWorkers)?;
    let names = first.detector().class_names().to_vec();
    let mut emitter = Emitter::new(&cameras, &names, options)?;
    let (permits, may_read) = sync_channel::<()>(options.read_ahead.max(1));
    for _ in 0..options.read_ahead.max(1) {
        let _ = permits.try_send(());
    }
    let (to_workers, jobs) = sync_channel::<Job>(options.read_ahead.max(1));
    let jobs = Mutex::new(jobs);
    let (to_order, done) = channel::<(u64, Done)>();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (jobs, stop) = (&jobs, &stop);
        let reader = Reader::new(&cameras, options);
        scope.spawn(move || reader.run(source, &may_read, &to_workers, stop));
        for mut pipeline in pipelines {
            let to_order = to_order.clone();
            pipeline.set_corruptor_options(options.corruptor);
            scope.spawn(move || work(pipeline, options, jobs, &to_order));
        }
        drop(to_order);
        let result = emitter.collect(&done, &permits, sink);
        stop.store(true, Ordering::Relaxed);
        // Whoever waits for a permit, a job or a place in a queue must see that it is over.
        drop(permits);
        for _ in done {}
        result
    })?;
    Ok(emitter.counts)
}

/// Reads frames, and corrupts those streams whose corruptions remember what was before.
struct Reader<'a> {
    cameras: &'a [String],
    options: &'a Options,
    is_ordered: bool,
    converters: HashMap<usize, Ordered>,
    first_ns: Option<i64>,
    start: Instant,
}

/// What corrupting in order takes, for one camera.
struct Ordered {
    raw: Converter,
    compressed: CompressedDecoder,
    corruptor: Corruptor,
    picture: Picture,
}

impl<'a> Reader<'a> {
    fn new(cameras: &'a [String], options: &'a Options) -> Self {
        let is_ordered = match &options.injection {
            Injection::Nothing => false,
            Injection::Steps(steps) => steps.iter().any(|step| step.corruption.group() == Group::Stream),
            Injection::Campaign(_) => true,
        };
        let converters = HashMap::new();
        Self { cameras, options, is_ordered, converters, first_ns: None, start: Instant::now() }
    }

    fn run(
        mut self,
        source: &mut dyn FrameSource,
        may_read: &Receiver<()>,
        out: &SyncSender<Job>,
        stop: &AtomicBool,
    ) {
        for number in 0.. {
            if may_read.recv().is_err() || stop.load(Ordering::Relaxed) {
                return;
            }
            let Some(item) = source.next() else { return };
            if out.send(self.job(number, item)).is_err() {
                return;
            }
        }
    }

    fn job(&mut self, number: u64, item: Result<SourceFrame, SourceError>) -> Job {
        let mut job = Job {
            number,
            frame: Err(String::new()),
            steps: Vec::new(),
            is_corrupted: false,
            is_dropped: false,
        };
        let mut frame = match item {
            Ok(frame) => frame,
            Err(error) => {
                job.frame = Err(error.to_string());
                return job;
            }
        };
        let first_ns = *self.first_ns.get_or_insert(frame.stamp_ns);
        let elapsed_ns = frame.stamp_ns.saturating_sub(first_ns);
        if self.options.is_realtime {
            let due = self.start + Duration::from_nanos(u64::try_from(elapsed_ns).unwrap_or(0));
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        match &self.options.injection {
            Injection::Nothing => {}
            Injection::Steps(steps) => job.steps.clone_from(steps),
            Injection::Campaign(campaign) => {
                let camera = self.cameras.get(frame.camera).map_or("", String::as_str);
                let seed = self.options.corruptor.seed;
                campaign.steps_at(elapsed_ns as f64 / 1e9, camera, seed, &mut job.steps);
            }
        }
        if self.is_ordered {
            match self.corrupt(&mut frame, &job.steps) {
                Ok(Delivery::Deliver) => job.is_corrupted = true,
                Ok(Delivery::Drop) => job.is_dropped = true,
                // The worker meets the same trouble, and says so.
                Err(_) => job.steps.clear(),
            }
        }
        job.frame = Ok(frame);
        job
    }

    fn corrupt(&mut self, frame: &mut SourceFrame, steps: &[Step]) -> Result<Delivery, PipelineError> {
        let options = self.options.corruptor;
        let ordered = self.converters.entry(frame.camera).or_insert_with(|| Ordered {
            raw: Converter::new(),
            compressed: CompressedDecoder::new(DecodeLimits::default()),
            corruptor: Corruptor::new(options),
            picture: Picture::default(),
        });
        let pixels = match frame.as_frame()?.pixels {
            FramePixels::Raw(view) => ordered.raw.convert(&view)?,
            FramePixels::Compressed { format, data } => ordered.compressed.decode(format, data)?,
            FramePixels::Pixels(pixels) => pixels,
        };
        ordered.picture.assign(&pixels)?;
        let camera = u32::try_from(frame.camera).unwrap_or(u32::MAX);
        let key = FrameKey { camera, index: frame.index, stamp_ns: frame.stamp_ns };
        let delivery = ordered.corruptor.corrupt(&mut ordered.picture, steps, key)?;
        let picture = &ordered.picture;
        let (width, height) = (picture.width(), picture.height());
        frame.pixels =
            SourcePixels::Pixels { order: ChannelOrder::Rgb, width, height, data: picture.data().to_vec() };
        Ok(delivery)
    }
}

fn work(mut pipeline: Pipeline, options: &Options, jobs: &Mutex<Receiver<Job>>, out: &Sender<(u64, Done)>) {
    // Corruptions run on one thread: there are as many workers as cores.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let mut annotator = Annotator::default();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let number = job.number;
        let run = || process(&mut pipeline, &mut annotator, options, job);
        let done = match &pool {
            Ok(pool) => pool.install(run),
            Err(_) => run(),
        };
        if out.send((number, done)).is_err() {
            return;
        }
    }
}

fn process(pipeline: &mut Pipeline, annotator: &mut Annotator, options: &Options, job: Job) -> Done {
    let mut done =
        Done { frame: None, steps: job.steps, outcome: Outcome::Dropped, drawn: None, failure: None };
    let frame = match job.frame {
        Ok(frame) => frame,
        Err(reason) => {
            done.outcome = Outcome::Rejected(reason);
            return done;
        }
    };
    if !job.is_dropped {
        let mut processed = Processed::default();
        match run(pipeline, annotator, options, &frame, &done.steps, job.is_corrupted, &mut processed) {
            Ok(drawn) => (done.outcome, done.drawn) = (Outcome::Processed(processed), drawn),
            Err(PipelineError::DroppedByCorruption) => {}
            Err(error) => {
                done.outcome = Outcome::Rejected(error.to_string());
                if matches!(error, PipelineError::Detector(_)) {
                    done.failure = Some(Box::new(error));
                }
            }
        }
    }
    done.frame = Some(frame);
    done
}

fn run(
    pipeline: &mut Pipeline,
    annotator: &mut Annotator,
    options: &Options,
    frame: &SourceFrame,
    steps: &[Step],
    is_corrupted: bool,
    processed: &mut Processed,
) -> Result<Option<Drawn>, PipelineError> {
    let treatment = if is_corrupted || steps.is_empty() {
        Treatment::Clean
    } else {
        Treatment::Inject(Corrupt { steps, index: frame.index })
    };
    let thresholds = &options.thresholds;
    let view = frame.as_frame()?;
    pipeline.process_then(&view, treatment, thresholds, processed, |pixels, processed, detector| {
        if !options.annotate {
            return None;
        }
        let published = processed.detections.iter().filter(|d| thresholds.publishes(d));
        let drawn = annotator.annotate(pixels, published, detector.class_names()).ok()?;
        Some(Drawn { width: drawn.width, height: drawn.height, bgr: drawn.bgr.to_vec() })
    })
}

/// Hands results to the sink in order, with health in between.
struct Emitter<'a> {
    cameras: &'a [String],
    names: &'a [String],
    options: &'a Options,
    windows: Vec<CameraState>,
    counts: Counts,
}

struct CameraState {
    window: CameraWindow,
    /// When health is told next.
    due_ns: Option<i64>,
    last_ns: i64,
    is_injected: bool,
}

impl<'a> Emitter<'a> {
    fn new(cameras: &'a [String], names: &'a [String], options: &'a Options) -> Result<Self, HealthError> {
        let window = |_: &String| {
            let window = CameraWindow::new(names.len(), options.health)?;
            Ok(CameraState { window, due_ns: None, last_ns: 0, is_injected: false })
        };
        let windows = cameras.iter().map(window).collect::<Result<_, HealthError>>()?;
        Ok(Self { cameras, names, options, windows, counts: Counts::default() })
    }

    fn collect(
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
