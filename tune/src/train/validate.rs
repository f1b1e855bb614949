//! What a student is worth on labelled images: the measure of `roadproof evaluate`.

use std::path::{Path, PathBuf};

use roadproof::compress::CompressError;
use roadproof::compress::graph::Model;
use roadproof::data::dataset::{ClassMap, Dataset};
use roadproof::detector::{ModelManifest, SessionOptions};
use roadproof::evaluation::study::{self, Plan, StudyImages};

use super::TrainError;
use super::options::ValidationOptions;
use super::output;

/// Lowest score of a detection that counts, as in `roadproof evaluate`.
const SCORE: f32 = 0.02;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// COCO's AP over IoU 0.50 to 0.95, 0 to 1.
    pub ap: f64,
    /// AP at IoU 0.50, 0 to 1.
    pub ap50: f64,
}

/// The images, and the parent's figures on them.
pub struct Validator {
    images: StudyImages,
    workers: usize,
    folder: PathBuf,
    /// The parent's.
    pub parent: Figures,
}

impl Validator {
    /// Opens the dataset and measures the parent. Trial models lie in `folder`.
    ///
    /// # Errors
    /// The dataset cannot be read, or nothing of it is a class of the model.
    pub fn open(
        options: &ValidationOptions,
        parent: &ModelManifest,
        folder: &Path,
        workers: usize,
    ) -> Result<Self, TrainError> {
        let dataset = Dataset::open(&options.dataset, None).map_err(CompressError::from)?;
        let map =
            options.class_map.as_deref().map(ClassMap::load).transpose().map_err(CompressError::from)?;
        let map_path = options.class_map.as_deref().unwrap_or(Path::new(""));
        let images = StudyImages::new(dataset, &map.unwrap_or_default(), parent.class_names(), map_path)
            .map_err(CompressError::from)?;
        let none = Figures { ap: 0.0, ap50: 0.0 };
        let mut validator = Self { images, workers, folder: folder.to_owned(), parent: none };
        validator.parent = validator.measure(parent)?;
        Ok(validator)
    }

    /// Measures a graph that is read as `manifest` says.
    ///
    /// # Errors
    /// It cannot be written, or not be run.
    pub fn of(&self, model: &Model, manifest: &ModelManifest) -> Result<Figures, TrainError> {
        let mut trial = manifest.clone();
        trial.tuning = None;
        let trial = output::write(&self.folder, "trial", model, trial)?;
        self.measure(&trial)
    }

    fn measure(&self, model: &ModelManifest) -> Result<Figures, TrainError> {
        let plan = Plan {
            images: self.images.clone(),
            models: vec![model.clone()],
            base: 0,
            corruptions: Vec::new(),
            severities: Vec::new(),
            seed: 0,
            score: SCORE,
            min_support: 1,
            bootstrap: 0, // nothing here reads an interval
            workers: self.workers,
            session: SessionOptions { intra_op_threads: 1, ..SessionOptions::default() },
            cache: None,
        };
        let study = study::run(&plan, &|_| ()).map_err(CompressError::from)?;
        let clean = study.variants.first().map(|variant| &variant.clean);
        // without a detection there is no AP but 0
        let of = |value: Option<f64>| value.unwrap_or(0.0);
        Ok(Figures { ap: of(clean.and_then(|clean| clean.ap)), ap50: of(clean.and_then(|clean| clean.ap50)) })
    }
}
