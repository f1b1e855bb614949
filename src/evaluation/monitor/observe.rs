//! The passes of a detector over a dataset or recording: what health would be told, kept for every condition.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::corruption::{Corruption, CorruptorOptions, Group, Severity, Step, WeatherMode};
use crate::data::source::SourceFrame;
use crate::detector::{Detector, ModelInfo, ModelManifest, SessionOptions, Thresholds};
use crate::evaluation::study::cache::{self, CODE, condition_key};
use crate::evaluation::study::{Condition, Progress, StudyError};
use crate::image::DecodeLimits;
use crate::pipeline::{Corrupt, Pipeline, Processed, Treatment};

use super::feed::{Feed, Subject};
use super::{Observed, ObservedCell, ObservedFrame};

/// What to observe.
#[derive(Debug, Clone)]
pub struct ObservePlan {
    /// Of which images.
    pub subject: Subject,
    /// With which model; its thresholds say what is published.
    pub model: ModelManifest,
    /// Lowest score of a detection that is kept, at most the publishing threshold.
    pub low_score: f32,
    /// Under which corruptions; not those of a stream.
    pub corruptions: Vec<Corruption>,
    /// At which severities of each, beside 0.
    pub severities: Vec<Severity>,
    /// How pictures are corrupted, with the seed of all randomness. Weather is drawn anew for each frame.
    pub corruptor: CorruptorOptions,
    /// Frames at a time, each with a session of its own.
    pub workers: usize,
    /// What executes the model.
    pub session: SessionOptions,
    /// Where cells are kept, so that interrupted work goes on; `None` keeps nothing.
    pub cache: Option<PathBuf>,
}

/// What was observed, and with what.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The frames under every condition.
    pub observed: Observed,
    /// The model.
    pub model: ModelInfo,
    /// In force.
    pub thresholds: Thresholds,
    /// Frames of a recording that could not be used under some condition, and are in no cell.
    pub rejected: usize,
}

/// Frames of a cell in their order, `None` for those that cannot be used.
type Frames = Vec<Option<ObservedFrame>>;

impl ObservePlan {
    fn conditions(&self) -> Vec<Condition> {
        let mut severities: Vec<Severity> =
            self.severities.iter().copied().filter(|severity| !severity.is_none()).collect();
        severities.sort_by(|a, b| a.value().total_cmp(&b.value()));
        severities.dedup();
        let steps = self.corruptions.iter().flat_map(|corruption| {
            severities.iter().map(|severity| Step { corruption: *corruption, severity: *severity })
        });
        std::iter::once(Condition::Clean).chain(steps.map(Condition::Corrupted)).collect()
    }

    fn options(&self) -> CorruptorOptions {
        CorruptorOptions { weather_mode: WeatherMode::Independent, ..self.corruptor }
    }

    fn thresholds(&self) -> Thresholds {
        Thresholds { low_score: self.low_score, ..self.model.thresholds() }
    }

    /// The file for a cell.
    fn file(&self, frames_hash: &str, info: &ModelInfo, condition: Condition) -> Option<PathBuf> {
        let folder = self.cache.as_deref()?;
        let (name, corruption) = condition_key(condition, self.corruptor.seed);
        let manifest = serde_json::to_string(&self.model).unwrap_or_default();
        let options = match condition {
            Condition::Clean => String::new(),
            Condition::Corrupted(_) => format!("{:?}", self.options()),
        };
        let thresholds = format!("{:?}", self.thresholds());
        let provider = info.provider.name();
        let parts = [
            "observed",
            CODE,
            &info.sha256,
            &manifest,
            frames_hash,
            &corruption,
            &options,
            &thresholds,
            provider,
        ];
        Some(folder.join(cache::file_name(&self.model.name, &format!("observed-{name}"), &parts)))
    }
}

/// Observes all that the cache does not hold. The result is the same for any number of workers.
///
/// # Errors
/// The model, the images or the thresholds cannot be used, or the cache cannot be written.
pub fn observe(plan: &ObservePlan, progress: &(dyn Fn(Progress) + Sync)) -> Result<Observation, StudyError> {
    if let Some(stream) = plan.corruptions.iter().find(|corruption| corruption.group() == Group::Stream) {
        return Err(StudyError::StreamCorruption { name: stream.name() });
    }
    let thresholds = plan.thresholds();
    thresholds.validate(plan.model.class_names().len())?;
    let mut workers = Vec::new();
    for _ in 0..plan.workers.max(1) {
        workers.push(Worker::new(plan)?);
    }
    let first = workers.first().ok_or(StudyError::Worker)?;
    let info = first.pipeline.detector().info().clone();
    let hash = if plan.cache.is_some() { plan.subject.hash()? } else { String::new() };
    let conditions = plan.conditions();
    let mut cells: Vec<(Condition, Option<Frames>)> = Vec::new();
    for condition in conditions {
        let path = plan.file(&hash, &info, condition);
        cells.push((condition, path.and_then(|path| cache::load(&path, |cell: &Frames| !cell.is_empty()))));
    }
    let missing = cells.iter().filter(|(_, cell)| cell.is_none()).count();
    if missing > 0 {
        let frames = plan.subject.count()?;
        progress(Progress::Begin { runs: missing * frames, cached: (cells.len() - missing) * frames });
    }
    for (condition, cell) in cells.iter_mut().filter(|(_, cell)| cell.is_none()) {
        progress(Progress::Condition { name: condition.name() });
        let frames = pass(plan, *condition, &thresholds, &mut workers, progress)?;
        if let Some(path) = plan.file(&hash, &info, *condition) {
            cache::store(&path, &frames)?;
        }
        *cell = Some(frames);
    }
    let cells: Vec<(Condition, Frames)> =
        cells.into_iter().filter_map(|(condition, frames)| Some((condition, frames?))).collect();
    let (cells, rejected) = aligned(plan, cells)?;
    let truths = match &plan.subject {
        Subject::Dataset(images) => Some(images.truths.clone()),
        Subject::Recording { .. } => None,
    };
    let observed = Observed { truths, classes: plan.model.class_names().to_vec(), cells };
    Ok(Observation { observed, model: info, thresholds, rejected })
}

/// Leaves out of all cells the frames that one of them lacks.
fn aligned(
    plan: &ObservePlan,
    cells: Vec<(Condition, Frames)>,
) -> Result<(Vec<ObservedCell>, usize), StudyError> {
    let path = || plan.subject.path();
    let expected = cells.first().map_or(0, |(_, frames)| frames.len());
    if let Some((condition, frames)) = cells.iter().find(|(_, frames)| frames.len() != expected) {
        let (found, condition) = (frames.len(), condition.name());
        return Err(StudyError::Changed { path: path(), expected, found, condition });
    }
    let mut usable = vec![true; expected];
    for (_, frames) in &cells {
        usable.iter_mut().zip(frames).for_each(|(usable, frame)| *usable &= frame.is_some());
    }
    let count = usable.iter().filter(|usable| **usable).count();
    if count == 0 {
        return Err(StudyError::NoFrames { path: path(), read: expected, first: String::new() });
    }
    let kept = cells.into_iter().map(|(condition, frames)| ObservedCell {
        step: match condition {
            Condition::Clean => None,
            Condition::Corrupted(step) => Some(step),
        },
        frames: frames
            .into_iter()
            .zip(&usable)
            .filter_map(|(frame, usable)| frame.filter(|_| *usable))
            .collect(),
    });
    Ok((kept.collect(), expected - count))
}

/// Everything that one thread needs.
struct Worker {
    pipeline: Pipeline,
    /// One thread: there are as many workers as cores.
    pool: rayon::ThreadPool,
    processed: Processed,
}

impl Worker {
    fn new(plan: &ObservePlan) -> Result<Self, StudyError> {
        let detector = Detector::load(&plan.model, &plan.session, &mut |_| ())?;
        let mut pipeline = Pipeline::new(detector, 1, DecodeLimits::default());
        pipeline.set_corruptor_options(plan.options());
        pipeline.measure_quality(true);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|_| StudyError::Worker)?;
        Ok(Self { pipeline, pool, processed: Processed::default() })
    }

    fn observe(
        &mut self,
        frame: &SourceFrame,
        index: usize,
        condition: Condition,
        thresholds: &Thresholds,
    ) -> Result<ObservedFrame, StudyError> {
        let path = || PathBuf::from(&frame.name);
        let taken = frame
            .as_frame()
            .map_err(|error| StudyError::Image { path: path(), problem: error.to_string() })?;
        let steps = match condition {
            Condition::Clean => None,
            Condition::Corrupted(step) => Some([step]),
        };
        let treatment = steps
            .as_ref()
            .map_or(Treatment::Clean, |steps| Treatment::Inject(Corrupt { steps, index: index as u64 }));
        let Self { pipeline, pool, processed } = self;
        pool.install(|| pipeline.process(&taken, treatment, thresholds, processed))
            .map_err(|source| StudyError::Pipeline { path: path(), source: Box::new(source) })?;
        Ok(ObservedFrame {
            detections: processed.detections.clone(),
            agreement: processed.agreement,
            quality: processed.quality.unwrap_or_default(),
        })
    }
}

/// What workers share during a pass.
struct Shared<'a> {
    feed: Mutex<Feed<'a>>,
    frames: Mutex<Frames>,
    /// The failure of the first frame that failed, so that every run tells the same.
    failure: Mutex<Option<(usize, StudyError)>>,
    stop: AtomicBool,
}

fn pass(
    plan: &ObservePlan,
    condition: Condition,
    thresholds: &Thresholds,
    workers: &mut [Worker],
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Frames, StudyError> {
    let feed = plan.subject.open()?;
    let tolerates = feed.tolerates();
    let shared = Shared {
        feed: Mutex::new(feed),
        frames: Mutex::default(),
        failure: Mutex::default(),
        stop: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        for worker in workers {
            let shared = &shared;
            scope.spawn(move || {
                while !shared.stop.load(Ordering::Relaxed) {
                    let next = shared.feed.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, frame)) = next else { break };
                    let observed = frame
                        .map_err(StudyError::from)
                        .and_then(|frame| worker.observe(&frame, index, condition, thresholds));
                    let kept = match observed {
                        Ok(frame) => Some(frame),
                        Err(error) => {
                            if tolerates {
                                tracing::warn!(frame = index, %error, "a frame is left out");
                            } else {
                                shared.stop.store(true, Ordering::Relaxed);
                            }
                            let mut failure = shared.failure.lock().unwrap_or_else(PoisonError::into_inner);
                            if failure.as_ref().is_none_or(|(earlier, _)| index < *earlier) {
                                *failure = Some((index, error));
                            }
                            None
                        }
                    };
                    let mut frames = shared.frames.lock().unwrap_or_else(PoisonError::into_inner);
                    if frames.len() <= index {
                        frames.resize(index + 1, None);
                    }
                    if let Some(place) = frames.get_mut(index) {
                        *place = kept;
                    }
                    drop(frames);
                    progress(Progress::Runs { count: 1 });
                }
            });
        }
    });
    let failure = shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    let frames = shared.frames.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure {
        Some((_, error)) if !tolerates => Err(error),
        failure if frames.iter().all(Option::is_none) => {
            let first = failure.map_or_else(String::new, |(_, error)| format!(": {error}"));
            Err(StudyError::NoFrames { path: plan.subject.path(), read: frames.len(), first })
        }
        _ => Ok(frames),
    }
}
