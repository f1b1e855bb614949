//! Measures models on the images of a study.

use std::path::{Path, PathBuf};

use roadproof::corruption::{Corruption, Severity};
use roadproof::data::dataset::{ClassMap, Dataset};
use roadproof::detector::{ModelManifest, SessionOptions};
use roadproof::evaluation::study::{Plan, Progress, StudyImages, detections};
use roadproof::evaluation::{ClassSupport, Resamples};

use super::StudyError;
use super::measured::{Measured, Sheet};
use super::options::{EvaluationOptions, has};
use crate::hash::{fingerprint, sha256};

/// Measures models on the images of a study. Detections are kept, so that measuring the same model again takes no run of it.
pub struct Evaluator {
    images: StudyImages,
    support: Vec<ClassSupport>,
    corruptions: Vec<Corruption>,
    severities: Vec<Severity>,
    resamples: Resamples,
    options: EvaluationOptions,
    workers: usize,
    cache: PathBuf,
}

impl Evaluator {
    /// Opens the dataset. Detections are kept in the folder `cache`; `workers` images are measured at a time, one for each
    /// core where it is 0.
    ///
    /// # Errors
    /// The dataset or class map cannot be read, nothing of it is a class of `parent`, or options are out of range.
    pub fn open(
        options: &EvaluationOptions,
        parent: &ModelManifest,
        cache: PathBuf,
        workers: usize,
    ) -> Result<Self, StudyError> {
        let wrong = |problem| StudyError::Options { path: options.dataset.clone(), problem };
        let (corruptions, severities) =
            (options.corruptions().map_err(wrong)?, options.severities().map_err(wrong)?);
        let mut dataset = Dataset::open(&options.dataset, None)?;
        dataset.images.sort_by(|a, b| a.path.cmp(&b.path));
        let mut place = 0..;
        dataset
            .images
            .retain(|_| place.next().is_some_and(|place| options.half.is_none_or(|half| has(half, place))));
        dataset.images.truncate(options.limit.unwrap_or(usize::MAX));
        let map = options.class_map.as_deref().map(ClassMap::load).transpose()?.unwrap_or_default();
        let map_path = options.class_map.as_deref().unwrap_or(Path::new(""));
        let images = StudyImages::new(dataset, &map, parent.class_names(), map_path)?;
        let support = images.support();
        let resamples = Resamples::new(images.paths.len(), options.bootstrap, options.seed);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = if workers == 0 { cores } else { workers };
        let options = options.clone();
        Ok(Self { images, support, corruptions, severities, resamples, options, workers, cache })
    }

    /// A hash of the images' files and their labels.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn sha256(&self) -> Result<String, StudyError> {
        let mut parts = Vec::new();
        for (path, truths) in self.images.paths.iter().zip(&self.images.truths) {
            let bytes = std::fs::read(path).map_err(StudyError::file(path, "cannot be read"))?;
            parts.push(sha256(&bytes));
            parts.push(format!("{truths:?}"));
        }
        Ok(fingerprint(&parts.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// Runs a model over all images, clean and under each corruption; `tell` is given the share that is done.
    ///
    /// # Errors
    /// The model cannot be run, an image cannot be read, or detections cannot be kept.
    pub fn measure(
        &self,
        model: &ModelManifest,
        tell: &(dyn Fn(Progress) + Sync),
    ) -> Result<Measured, StudyError> {
        let plan = Plan {
            images: self.images.clone(),
            models: vec![model.clone()],
            base: 0,
            corruptions: self.corruptions.clone(),
            severities: self.severities.clone(),
            seed: self.options.seed,
            score: self.options.score,
            min_support: self.options.min_support,
            bootstrap: self.options.bootstrap,
            workers: self.workers,
            session: SessionOptions { intra_op_threads: 1, ..SessionOptions::default() },
            cache: Some(self.cache.clone()),
        };
        let passes = detections(&plan, tell)?;
        let sheet = Sheet {
            truths: &self.images.truths,
            support: &self.support,
            min_support: self.options.min_support,
            resamples: &self.resamples,
        };
        // there is one model
        let found =
            passes.into_iter().map(|pass| (pass.step, pass.models.into_iter().next().unwrap_or_default()));
        Ok(sheet.measure(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::student;

    #[test]
    fn a_measured_model_has_the_figures_of_roadproof_evaluate() {
        let Some((model, data)) = student::tests::real() else { return };
        let options: EvaluationOptions = toml::from_str(&format!(
            "dataset = {data:?}\nhalf = \"second\"\nlimit = 6\ncorruptions = [\"gaussian_noise\"]\n\
             severities = [2]\nmin_support = 2\nbootstrap = 100"
        ))
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let evaluator = Evaluator::open(&options, &model, folder.path().to_owned(), 2).unwrap();
        assert_eq!(evaluator.images.paths.len(), 6);
        let measured = evaluator.measure(&model, &|_| ()).unwrap();
        let plan = Plan {
            images: evaluator.images.clone(),
            models: vec![model.clone()],
            base: 0,
            corruptions: vec![Corruption::GaussianNoise],
            severities: evaluator.severities.clone(),
            seed: 0,
            score: options.score,
            min_support: 2,
            bootstrap: 100,
            workers: 2,
            session: SessionOptions { intra_op_threads: 1, ..SessionOptions::default() },
            cache: None,
        };
        let study = roadproof::evaluation::study::run(&plan, &|_| ()).unwrap();
        let expected = &study.variants[0];
        assert!(measured.clean.ap.unwrap() > 0.1);
        assert!((measured.clean.ap.unwrap() - expected.clean.ap.unwrap()).abs() < 1e-12);
        let noise = measured.conditions[0].ap.ap.unwrap();
        assert!((noise - expected.cells[0].accuracy.ap.unwrap()).abs() < 1e-12);
        assert_eq!((measured.images, measured.clean.resamples.len()), (6, 100));
        assert!(!measured.classes.is_empty() && measured.classes.iter().all(|class| class.instances >= 2));
        assert_eq!(evaluator.measure(&model, &|_| ()).unwrap(), measured, "kept detections give the same");
        assert_eq!(evaluator.sha256().unwrap(), evaluator.sha256().unwrap());
    }
}
