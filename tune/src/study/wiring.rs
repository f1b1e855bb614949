//! What a study needs done, done: compression, the training loop, and the measure of `roadproof evaluate`.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use roadproof::compress;
use roadproof::detector::ModelManifest;
use roadproof::evaluation::study as evaluation;
use toml::Value;

use super::evaluator::Evaluator;
use super::factorial::{Executor, Job, Tuned};
use super::measured::Measured;
use super::options::{Compression, StudyFile};
use super::plan::Cell;
use super::student::Compressor;
use super::{Arm, StudyError};
use crate::data::Samples;
use crate::hash::fingerprint;
use crate::train::{self, Outcome, RunOptions, Trainer};

/// How far the part of a cell is that is being done.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Compression.
    Compressing(compress::Progress),
    /// Training.
    Tuning(train::Event<'a>),
    /// Measuring.
    Measuring(evaluation::Progress),
}

/// The executor of real studies.
pub struct Workshop<'a> {
    file: &'a StudyFile,
    parent: ModelManifest,
    compressor: Compressor,
    evaluator: Evaluator,
    inputs: String,
    threads: usize,
    tell: &'a (dyn Fn(Progress<'_>) + Sync),
}

impl<'a> Workshop<'a> {
    /// Reads models and images of a study in `folder`, and checks the run of each arm. `threads` 0 is one per core.
    ///
    /// # Errors
    /// Something cannot be read, or the run of an arm has unknown keys or values out of range.
    pub fn open(
        file: &'a StudyFile,
        folder: &Path,
        threads: usize,
        tell: &'a (dyn Fn(Progress<'_>) + Sync),
    ) -> Result<Self, StudyError> {
        let options = &file.options;
        let parent = ModelManifest::load(&options.parent)?;
        let compressor = Compressor::open(&parent, options.calibration.as_ref())?;
        let evaluator = Evaluator::open(&options.evaluation, &parent, folder.join("cache"), threads)?;
        // what an arm has wrong is said before hours were spent on another
        for arm in &options.arms {
            let cell = Cell { compression: "none".to_owned(), arm: *arm, seed: 0 };
            run_options(file, &cell, &file.run_of(&cell), &options.parent)?;
        }
        let plain = Cell { compression: "none".to_owned(), arm: Arm::Plain, seed: 0 };
        let run = run_options(file, &plain, &file.run_of(&plain), &options.parent)?;
        let samples = Samples::open(&run.data, &parent, 0).map_err(|error| training(&plain, error))?;
        let inputs = fingerprint(&[&compressor.sha256(), &evaluator.sha256()?, samples.sha256()]);
        Ok(Self { file, parent, compressor, evaluator, inputs, threads, tell })
    }

    /// The parent's manifest.
    #[must_use]
    pub fn parent(&self) -> &ModelManifest {
        &self.parent
    }
}

impl Executor for Workshop<'_> {
    fn inputs(&self) -> &str {
        &self.inputs
    }

    fn make_student(&mut self, level: &Compression, folder: &Path) -> Result<PathBuf, StudyError> {
        self.compressor.make(level, folder, &mut |progress| (self.tell)(Progress::Compressing(progress)))
    }

    fn tune(&mut self, job: &Job<'_>, stop: &AtomicBool) -> Result<Tuned, StudyError> {
        let options = run_options(self.file, job.cell, job.run, job.student)?;
        let mut tell = |event: train::Event<'_>| (self.tell)(Progress::Tuning(event));
        let wrong = |error| training(job.cell, error);
        let trainer = Trainer::open(options, job.folder, self.threads, &mut tell).map_err(wrong)?;
        Ok(match trainer.run(stop, &mut tell).map_err(wrong)? {
            Outcome::Done(manifest) => Tuned::Done(manifest.path().to_owned()),
            Outcome::Stopped { .. } => Tuned::Stopped,
        })
    }

    fn measure(&mut self, model: &Path) -> Result<Measured, StudyError> {
        let manifest = ModelManifest::load(model)?;
        self.evaluator.measure(&manifest, &|progress| (self.tell)(Progress::Measuring(progress)))
    }
}

/// The options of a cell's run; its paths are those of the working folder.
fn run_options(
    file: &StudyFile,
    cell: &Cell,
    run: &toml::Table,
    student: &Path,
) -> Result<RunOptions, StudyError> {
    let wrong = |problem: String| StudyError::Options {
        path: file.options.run.clone(),
        problem: format!("as the arm {} has it: {problem}", cell.arm.name()),
    };
    let absolute = |path: &Path| -> Result<Value, StudyError> {
        let path = std::path::absolute(path).map_err(StudyError::file(path, "cannot be found"))?;
        Ok(Value::String(path.to_string_lossy().into_owned()))
    };
    let mut run = run.clone();
    run.insert("parent".to_owned(), absolute(&file.options.parent)?);
    run.insert("student".to_owned(), absolute(student)?);
    let mut options: RunOptions =
        run.try_into().map_err(|error: toml::de::Error| wrong(error.to_string()))?;
    // a run that is gone on with from another working folder is the same run
    let path = std::path::absolute(&file.options.run)
        .map_err(StudyError::file(&file.options.run, "cannot be found"))?;
    options.resolve(path.parent().unwrap_or(Path::new("")));
    options.validate().map_err(wrong)?;
    Ok(options)
}

fn training(cell: &Cell, source: impl std::error::Error + Send + Sync + 'static) -> StudyError {
    StudyError::Training { cell: cell.name(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::{Factorial, StudyOptions, cells, student};

    #[test]
    fn the_study_of_the_repository_has_runs_that_can_be_trained() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/robustness-study.toml");
        let file = StudyOptions::load(&path).unwrap();
        let cells = cells(&file.options);
        assert_eq!(cells.len(), 72);
        let options = |arm: Arm| {
            let cell = cells.iter().find(|cell| cell.arm == arm && cell.seed == 2).unwrap();
            run_options(&file, cell, &file.run_of(cell), Path::new("student.toml")).unwrap()
        };
        let [plain, augmentation, imbalance, both] = Arm::ALL.map(options);
        let corrupts = |options: &RunOptions| options.data.corruption.probability > 0.0;
        assert_eq!([&plain, &augmentation, &imbalance, &both].map(corrupts), [false, true, false, true]);
        let balances = |options: &RunOptions| !options.imbalance.is_off();
        assert_eq!([&plain, &augmentation, &imbalance, &both].map(balances), [false, false, true, true]);
        assert_eq!(plain.seed, 2);
        assert!(plain.student.is_absolute() && plain.student.ends_with("student.toml"));
        assert_eq!(plain.data.geometric, both.data.geometric);
        assert_eq!(plain.data.photometric, both.data.photometric);
    }

    #[test]
    fn what_an_arm_has_wrong_is_said_with_its_name() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/robustness-study.toml");
        let mut file = StudyOptions::load(&path).unwrap();
        let wrong = "[data.corruption]\nprobability = 2.0".parse().unwrap();
        file.options.arm.augmentation = wrong;
        let cell = Cell { compression: "none".to_owned(), arm: Arm::Augmentation, seed: 0 };
        let error =
            run_options(&file, &cell, &file.run_of(&cell), Path::new("s.toml")).unwrap_err().to_string();
        assert!(error.contains("arm augmentation") && error.contains("probability"), "{error}");
    }

    #[test]
    fn a_small_study_is_run_from_models_to_verdicts() {
        let Some((parent, data)) = student::tests::real() else { return };
        let folder = tempfile::tempdir().unwrap();
        let run = format!(
            "format = 1\nparent = \"p\"\nstudent = \"s\"\n[[data.sources]]\npath = {data:?}\nlimit = 2\n\
             [training]\nsteps = 1\nbatch = 1\nlanes = 1\nstatistics_images = 1"
        );
        std::fs::write(folder.path().join("run.toml"), run).unwrap();
        let study = format!(
            "format = 1\nparent = {:?}\nrun = \"run.toml\"\nseeds = [0]\narms = [\"plain\", \"augmentation\"]\n\
             [[compression]]\nname = \"none\"\nmethod = \"none\"\n\
             [[compression]]\nname = \"u50\"\nmethod = \"unstructured\"\nrate = 0.5\n\
             [arm.plain.data.corruption]\nprobability = 0.0\n\
             [arm.augmentation.data.corruption]\nprobability = 1.0\n[arm.imbalance]\n\
             [evaluation]\ndataset = {data:?}\nlimit = 2\ncorruptions = [\"gaussian_noise\"]\nseverities = [2]\n\
             min_support = 1\nbootstrap = 100",
            std::path::absolute(parent.path()).unwrap()
        );
        let path = folder.path().join("study.toml");
        std::fs::write(&path, study).unwrap();
        let file = StudyOptions::load(&path).unwrap();
        let output = folder.path().join("output");
        let mut workshop = Workshop::open(&file, &output, 1, &|_| ()).unwrap();
        let inputs = workshop.inputs().to_owned();
        let factorial = Factorial { file: &file, folder: &output, inputs: &inputs };
        let stop = AtomicBool::new(false);
        assert!(factorial.run(&factorial.chosen(&[]), &mut workshop, &stop, &mut |_| ()).unwrap());
        let results = factorial.analyse(workshop.parent()).unwrap();
        assert_eq!((results.rows.len(), results.images, results.seeds.len()), (4, 2, 1));
        let clean = |row: usize| results.rows[row].clean.unwrap().effect;
        assert!(clean(0) > 0.1 && clean(2) < clean(0), "half of the weights cost something");
        assert!(output.join("runs/u50-augmentation-0/u50-augmentation-0.toml").is_file());
    }
}
