//! The workers, and what runs between reader, workers and the one who orders.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::emitter::Emitter;
use super::reader::{Job, Reader};
use super::record::FrameRecord;
use super::{Drawn, Options, Outcome, TruthRecord};
use crate::corruption::Step;
use crate::data::source::{FrameSource, SourceFrame};
use crate::health::{HealthError, HealthRecord};
use crate::pipeline::{Annotator, Corrupt, Pipeline, PipelineError, Processed, Treatment};

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

    /// Takes the health of a camera.
    ///
    /// # Errors
    /// It cannot be written; the replay ends.
    fn health(&mut self, record: &HealthRecord<'_>) -> std::io::Result<()>;

    /// Takes how good the detector really is on a camera, after its health; only called where there is ground truth.
    ///
    /// # Errors
    /// It cannot be written; the replay ends.
    fn truth(&mut self, _record: &TruthRecord<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

/// A frame on its way back.
pub(super) struct Done {
    pub(super) frame: Option<SourceFrame>,
    pub(super) steps: Vec<Step>,
    pub(super) outcome: Outcome,
    pub(super) drawn: Option<Drawn>,
    pub(super) failure: Option<Box<PipelineError>>,
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
            pipeline.measure_quality(true);
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
