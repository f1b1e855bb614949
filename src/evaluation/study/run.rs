//! The detection passes of a study.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::corruption::{Corruptor, CorruptorOptions, FrameKey, Group, Picture};
use crate::detector::{Detector, ModelInfo, Thresholds};
use crate::image::{CompressedDecoder, DecodeLimits};
use crate::pipeline::{Frame, FramePixels, Pipeline, Processed, Treatment};

use super::cache::{self, Cache, CellResult};
use super::{Condition, Plan, StudyError, summary};
use crate::corruption::Step;
use crate::evaluation::{Found, Study};

/// Decoded images are kept up to so many bytes; what is beyond is decoded in every pass.
const KEPT_BYTES: usize = 768 << 20;

/// Images that latency is measured on, and runs before.
const LATENCY_IMAGES: usize = 60;
const LATENCY_WARM_UP: usize = 5;

/// How far a study is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// So many detector runs are to be done, so many are in the cache.
    Begin {
        /// Images × models × conditions to be run.
        runs: usize,
        /// Those that need not be.
        cached: usize,
    },
    /// A pass begins.
    Condition {
        /// `clean`, or corruption and severity.
        name: String,
    },
    /// So many more detector runs are done.
    Runs {
        /// How many.
        count: usize,
    },
    /// All is detected; figures and intervals are computed.
    Summarising,
}

/// What the models found under one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// What was done to the images; `None` where they were clean.
    pub step: Option<Step>,
    /// For each model and image its detections.
    pub models: Vec<Vec<Vec<Found>>>,
}

/// Does a study: detects what the cache does not hold, and sums up.
///
/// # Errors
/// A model, image or label cannot be used, or the cache cannot be written.
pub fn run(plan: &Plan, progress: &(dyn Fn(Progress) + Sync)) -> Result<Study, StudyError> {
    let (infos, cells) = detect(plan, progress)?;
    progress(Progress::Summarising);
    Ok(summary::summarise(plan, &infos, &plan.conditions(), &cells))
}

/// Detects as [`run`] does, and gives the detections themselves, for figures of another kind; the clean images come first.
///
/// # Errors
/// As [`run`].
pub fn detections(plan: &Plan, progress: &(dyn Fn(Progress) + Sync)) -> Result<Vec<Pass>, StudyError> {
    let (_, cells) = detect(plan, progress)?;
    let pass = |(condition, cells): (Condition, Vec<CellResult>)| Pass {
        step: match condition {
            Condition::Clean => None,
            Condition::Corrupted(step) => Some(step),
        },
        models: cells.iter().map(CellResult::found).collect(),
    };
    Ok(plan.conditions().into_iter().zip(cells).map(pass).collect())
}

/// The models, and by condition and model what was found.
type Detected = (Vec<ModelInfo>, Vec<Vec<CellResult>>);

fn detect(plan: &Plan, progress: &(dyn Fn(Progress) + Sync)) -> Result<Detected, StudyError> {
    check(plan)?;
    let mut workers = Vec::new();
    for _ in 0..plan.workers.max(1) {
        workers.push(Worker::new(plan)?);
    }
    let infos: Vec<ModelInfo> = workers
        .first()
        .map(|worker| worker.pipelines.iter().map(|p| p.detector().info().clone()).collect())
        .unwrap_or_default();
    let cache = Cache::new(plan)?;
    let conditions = plan.conditions();
    let images = plan.images.paths.len();

    let mut results: Vec<Vec<Option<CellResult>>> = Vec::new();
    let path = |model: usize, condition: Condition| {
        plan.models
            .get(model)
            .zip(infos.get(model))
            .and_then(|(manifest, info)| cache.path(plan, manifest, info, condition))
    };
    for condition in &conditions {
        let load = |model: usize| {
            let whole = |cell: &CellResult| cell.images.len() == images;
            path(model, *condition).and_then(|path| cache::load(&path, whole))
        };
        results.push((0..plan.models.len()).map(load).collect());
    }
    let missing = results.iter().flatten().filter(|cell| cell.is_none()).count();
    let cached = results.iter().flatten().count() - missing;
    progress(Progress::Begin { runs: missing * images, cached: cached * images });

    let decoded = Decoded::new(&plan.images.paths);
    for (condition, cells) in conditions.iter().zip(&mut results) {
        let models: Vec<usize> =
            (0..cells.len()).filter(|model| cells.get(*model).is_some_and(Option::is_none)).collect();
        if models.is_empty() {
            continue;
        }
        progress(Progress::Condition { name: condition.name() });
        let pass = Work { plan, condition: *condition, models: &models, decoded: &decoded, progress };
        let mut found = pass.run(&mut workers)?;
        if *condition == Condition::Clean
            && let Some(worker) = workers.first_mut()
        {
            for (model, cell) in models.iter().zip(&mut found) {
                cell.latency_ms = worker.latency(plan, *model, &decoded)?;
            }
        }
        for (model, cell) in models.iter().zip(found) {
            if let Some(path) = path(*model, *condition) {
                cache::store(&path, &cell)?;
            }
            if let Some(place) = cells.get_mut(*model) {
                *place = Some(cell);
            }
        }
    }
    Ok((infos, results.into_iter().map(|cells| cells.into_iter().flatten().collect()).collect()))
}

fn check(plan: &Plan) -> Result<(), StudyError> {
    if let Some(stream) = plan.corruptions.iter().find(|corruption| corruption.group() == Group::Stream) {
        return Err(StudyError::StreamCorruption { name: stream.name() });
    }
    for (i, model) in plan.models.iter().enumerate() {
        if plan.models.iter().take(i).any(|other| other.name == model.name) {
            return Err(StudyError::SameName { name: model.name.clone() });
        }
        let classes = &plan.images.classes;
        if model.class_names() != classes.as_slice() {
            let same = model.class_names().iter().zip(classes).take_while(|(a, b)| a == b).count();
            let first = plan.models.first().map(|model| model.name.clone()).unwrap_or_default();
            return Err(StudyError::DifferentClasses { first, other: model.name.clone(), index: same });
        }
    }
    Ok(())
}

/// Images, decoded once where memory allows.
struct Decoded<'a> {
    paths: &'a [std::path::PathBuf],
    kept: Vec<OnceLock<Arc<Picture>>>,
    bytes: AtomicUsize,
}

impl<'a> Decoded<'a> {
    fn new(paths: &'a [std::path::PathBuf]) -> Self {
        Self { paths, kept: paths.iter().map(|_| OnceLock::new()).collect(), bytes: AtomicUsize::new(0) }
    }

    fn get(&self, index: usize, decoder: &mut CompressedDecoder) -> Result<Arc<Picture>, StudyError> {
        if let Some(picture) = self.kept.get(index).and_then(OnceLock::get) {
            return Ok(Arc::clone(picture));
        }
        let picture = Arc::new(decode(self.path(index), decoder)?);
        let size = picture.data().len();
        if self.bytes.fetch_add(size, Ordering::Relaxed) + size <= KEPT_BYTES {
            if let Some(place) = self.kept.get(index) {
                let _ = place.set(Arc::clone(&picture));
            }
        } else {
            self.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        Ok(picture)
    }

    fn path(&self, index: usize) -> &Path {
        self.paths.get(index).map_or(Path::new(""), std::path::PathBuf::as_path)
    }
}

fn decode(path: &Path, decoder: &mut CompressedDecoder) -> Result<Picture, StudyError> {
    let wrong = |problem: String| StudyError::Image { path: path.to_owned(), problem };
    let data = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let pixels = decoder.decode("", &data).map_err(|error| wrong(error.to_string()))?;
    let mut picture = Picture::default();
    picture.assign(&pixels).map_err(|error| wrong(error.to_string()))?;
    Ok(picture)
}

/// Everything that one thread needs.
struct Worker {
    pipelines: Vec<Pipeline>,
    thresholds: Vec<Thresholds>,
    decoder: CompressedDecoder,
    corruptor: Corruptor,
    /// One thread: there are as many workers as cores.
    pool: rayon::ThreadPool,
    picture: Picture,
    processed: Processed,
}

impl Worker {
    fn new(plan: &Plan) -> Result<Self, StudyError> {
        let (mut pipelines, mut thresholds) = (Vec::new(), Vec::new());
        for manifest in &plan.models {
            let detector = Detector::load(manifest, &plan.session, &mut |_| ())?;
            let mut own = manifest.thresholds();
            own.keep_all_from(plan.score);
            own.validate(detector.class_names().len())?;
            thresholds.push(own);
            pipelines.push(Pipeline::new(detector, 1, DecodeLimits::default()));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|_| StudyError::Worker)?;
        Ok(Self {
            pipelines,
            pool,
            thresholds,
            decoder: CompressedDecoder::new(DecodeLimits::default()),
            corruptor: Corruptor::new(CorruptorOptions { seed: plan.seed, ..CorruptorOptions::default() }),
            picture: Picture::default(),
            processed: Processed::default(),
        })
    }

    fn detect(&mut self, model: usize, clean: Option<&Picture>, path: &Path) -> Result<(), StudyError> {
        let picture = clean.unwrap_or(&self.picture);
        let wrong = |problem: String| StudyError::Image { path: path.to_owned(), problem };
        let view = picture.view().map_err(|error| wrong(error.to_string()))?;
        let frame = Frame { camera: 0, stamp_ns: 0, frame_id: "", pixels: FramePixels::Pixels(view) };
        let both = self.pipelines.get_mut(model).zip(self.thresholds.get(model));
        let (pipeline, thresholds) = both.ok_or(StudyError::Worker)?;
        pipeline
            .process(&frame, Treatment::Clean, thresholds, &mut self.processed)
            .map_err(|source| StudyError::Pipeline { path: path.to_owned(), source: Box::new(source) })
    }

    /// Time of single images, ms, nothing else running.
    fn latency(&mut self, plan: &Plan, model: usize, decoded: &Decoded<'_>) -> Result<Vec<f64>, StudyError> {
        let count = plan.images.paths.len();
        let mut samples = Vec::new();
        for run in 0..LATENCY_WARM_UP + LATENCY_IMAGES.min(count) {
            let index = run % count;
            let picture = decoded.get(index, &mut self.decoder)?;
            self.detect(model, Some(&picture), decoded.path(index))?;
            let times = &self.processed.times;
            if run >= LATENCY_WARM_UP {
                samples.push(
                    (times.upload + times.preprocess + times.inference + times.postprocess).as_secs_f64()
                        * 1e3,
                );
            }
        }
        Ok(samples)
    }
}

/// One condition, for the models that lack it.
struct Work<'a> {
    plan: &'a Plan,
    condition: Condition,
    models: &'a [usize],
    decoded: &'a Decoded<'a>,
    progress: &'a (dyn Fn(Progress) + Sync),
}

impl Work<'_> {
    fn run(&self, workers: &mut [Worker]) -> Result<Vec<CellResult>, StudyError> {
        let images = self.plan.images.paths.len();
        let next = AtomicUsize::new(0);
        let stop = AtomicBool::new(false);
        let cells =
            vec![CellResult { images: vec![Vec::new(); images], latency_ms: Vec::new() }; self.models.len()];
        let cells = Mutex::new(cells);
        let failure: Mutex<Option<StudyError>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for worker in workers.iter_mut() {
                let (next, stop, cells, failure) = (&next, &stop, &cells, &failure);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= images {
                            break;
                        }
                        if let Err(error) = self.image(index, worker, cells) {
                            stop.store(true, Ordering::Relaxed);
                            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        }
                    }
                });
            }
        });
        match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(cells.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn image(
        &self,
        index: usize,
        worker: &mut Worker,
        cells: &Mutex<Vec<CellResult>>,
    ) -> Result<(), StudyError> {
        let path = self.decoded.path(index);
        let clean = self.decoded.get(index, &mut worker.decoder)?;
        let seen = match self.condition {
            Condition::Clean => Some(clean.as_ref()),
            Condition::Corrupted(step) => {
                worker.picture.clone_from(&clean);
                let key = FrameKey { camera: 0, index: index as u64, stamp_ns: 0 };
                // Only corruptions of the stream drop frames, and they are refused.
                let (corruptor, picture) = (&mut worker.corruptor, &mut worker.picture);
                let delivery = worker.pool.install(|| corruptor.corrupt(picture, &[step], key));
                let _ = delivery.map_err(|source| StudyError::Corruption {
                    path: path.to_owned(),
                    source: Box::new(source),
                })?;
                None
            }
        };
        for (place, model) in self.models.iter().enumerate() {
            worker.detect(*model, seen, path)?;
            let detections = worker.processed.detections.iter();
            let rows = detections
                .map(|d| (d.class_id, d.score, d.bbox.x_min, d.bbox.y_min, d.bbox.x_max, d.bbox.y_max))
                .collect();
            let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(image) = cells.get_mut(place).and_then(|cell| cell.images.get_mut(index)) {
                *image = rows;
            }
        }
        (self.progress)(Progress::Runs { count: self.models.len() });
        Ok(())
    }
}
