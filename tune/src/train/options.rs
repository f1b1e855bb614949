//! The file of a run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::optimiser::OptimiserOptions;
use super::schedule::Schedule;
use crate::data::DataOptions;
use crate::imbalance;
use crate::losses;
use crate::prune::PruneOptions;

/// The format that this version reads.
pub const FORMAT: u32 = 1;

/// What to train, on what, and how. Paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the result, and so of its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Manifest of the uncompressed model.
    pub parent: PathBuf,
    /// Manifest of the compressed one.
    pub student: PathBuf,
    /// Where all randomness comes from.
    #[serde(default)]
    pub seed: u64,
    /// Parameters whose names begin so stay as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Images.
    pub data: DataOptions,
    /// Rare classes.
    #[serde(default)]
    pub imbalance: imbalance::Options,
    /// What is learned from the parent, and from labels.
    #[serde(default)]
    pub losses: losses::Options,
    /// How long, and how much at a time.
    #[serde(default)]
    pub training: TrainingOptions,
    /// How gradients change weights.
    #[serde(default)]
    pub optimiser: OptimiserOptions,
    /// How far each step goes.
    #[serde(default)]
    pub schedule: Schedule,
    /// What is taken away on the way; then `student` may be the parent itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<PruneOptions>,
    /// What is measured on the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<ValidationOptions>,
}

/// How long, and how much at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingOptions {
    /// Steps.
    pub steps: u64,
    /// Images per step, at least 1.
    pub batch: usize,
    /// Sums of gradients that are kept beside each other, at most `batch`; no more threads than this are of use. It is part
    /// of what a result depends on; the number of threads is not.
    pub lanes: usize,
    /// Share of the average of the weights that stays in each step, 0 (no average) to below 1.
    pub average: f64,
    /// Longest norm of the gradients of all parameters together.
    pub clip: f64,
    /// Weights that are zero at the start stay zero.
    pub keep_zeros: bool,
    /// Statistics of batch normalisations are estimated anew on so many images before the first step; 0 leaves them.
    pub statistics_images: usize,
    /// A checkpoint is written every so many steps.
    pub checkpoint_every: u64,
}

impl Default for TrainingOptions {
    fn default() -> Self {
        Self {
            steps: 2000,
            batch: 8,
            lanes: 8,
            average: 0.998,
            clip: 10.0,
            keep_zeros: true,
            statistics_images: 64,
            checkpoint_every: 100,
        }
    }
}

/// What is measured on the way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidationOptions {
    /// A labelled dataset, with none of the images that are trained on.
    pub dataset: PathBuf,
    /// What the dataset's classes are called in the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_map: Option<PathBuf>,
    /// It is measured after every so many steps, and after the last.
    #[serde(default = "every")]
    pub every: u64,
    /// Training ends after so many measurements without a better AP; 0 never ends it.
    #[serde(default)]
    pub patience: u32,
    /// Which weights come out.
    #[serde(default)]
    pub keep: Keep,
}

/// Which weights come out of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Those of the last step.
    #[default]
    Last,
    /// Those of the best measurement. Its AP is then chosen for being high: measure on other images what they are worth.
    Best,
}

const fn every() -> u64 {
    200
}

impl RunOptions {
    /// Reads the file of a run; paths become relative to the working folder.
    ///
    /// # Errors
    /// It cannot be read, is no TOML, has unknown keys, or values out of range.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(TrainError::file(path, "cannot be read"))?;
        let wrong = |problem: String| TrainError::Options { path: path.to_owned(), problem };
        let mut options: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        options.resolve(path.parent().unwrap_or(Path::new("")));
        options.validate().map_err(wrong)?;
        Ok(options)
    }

    /// Makes relative paths start at `folder`.
    pub fn resolve(&mut self, folder: &Path) {
        let at = |path: &mut PathBuf| *path = folder.join(&path);
        at(&mut self.parent);
        at(&mut self.student);
        for source in &mut self.data.sources {
            at(&mut source.path);
            source.class_map.iter_mut().for_each(at);
        }
        if let Some(validation) = &mut self.validation {
            at(&mut validation.dataset);
            validation.class_map.iter_mut().for_each(at);
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The first that is out of range: its key, what was expected, what was found.
    pub fn validate(&self) -> Result<(), String> {
        let check = |good: bool, key: &str, expected: &str, found: &dyn std::fmt::Display| {
            if good { Ok(()) } else { Err(format!("`{key}`: expected {expected}, found {found}")) }
        };
        let Self { training, schedule, optimiser, .. } = self;
        check(self.format == FORMAT, "format", &FORMAT.to_string(), &self.format)?;
        check(training.steps > 0, "training.steps", "1 or more", &training.steps)?;
        check((1..=4096).contains(&training.batch), "training.batch", "1 to 4096", &training.batch)?;
        check(
            (1..=training.batch).contains(&training.lanes),
            "training.lanes",
            "1 to batch",
            &training.lanes,
        )?;
        check((0.0..1.0).contains(&training.average), "training.average", "0 to below 1", &training.average)?;
        check(training.clip > 0.0, "training.clip", "more than 0", &training.clip)?;
        check(training.checkpoint_every > 0, "training.checkpoint_every", "1 or more", &0)?;
        let positive = schedule.rate > 0.0 && schedule.rate.is_finite();
        check(positive, "schedule.rate", "a number above 0", &schedule.rate)?;
        check((0.0..=1.0).contains(&schedule.last), "schedule.last", "0 to 1", &schedule.last)?;
        for (key, value) in [("momentum", optimiser.momentum), ("second_momentum", optimiser.second_momentum)]
        {
            check((0.0..1.0).contains(&value), &format!("optimiser.{key}"), "0 to below 1", &value)?;
        }
        check(optimiser.epsilon > 0.0, "optimiser.epsilon", "more than 0", &optimiser.epsilon)?;
        let decay = optimiser.weight_decay;
        check(decay >= 0.0 && decay.is_finite(), "optimiser.weight_decay", "0 or more", &decay)?;
        if let Some(validation) = &self.validation {
            check(validation.every > 0, "validation.every", "1 or more", &validation.every)?;
        }
        if let Some(prune) = &self.prune {
            prune.validate()?;
            let last = prune.first + prune.every * u64::from(prune.rounds - 1);
            check(last < training.steps, "prune.every", "a last round before the last step", &last)?;
        }
        self.data.validate().map_err(|error| error.to_string())?;
        self.losses.validate().map_err(|error| error.to_string())?;
        self.imbalance.validate().map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str =
        "format = 1\nparent = \"a.toml\"\nstudent = \"b.toml\"\n[data]\nsources = [{ path = \"c\" }]\n";

    #[test]
    fn the_example_is_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tune.toml");
        let options = RunOptions::load(&path).unwrap();
        assert!(options.parent.ends_with("models/nanodet-g.toml"));
        assert_eq!(options.data.corruption.probability, 0.5);
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let mut options: RunOptions = toml::from_str(MINIMAL).unwrap();
        options.resolve(Path::new("runs"));
        assert_eq!(options.parent, Path::new("runs/a.toml"));
        assert_eq!(options.data.sources[0].path, Path::new("runs/c"));
        options.validate().unwrap();
        assert_eq!(options.data.corruption.probability, 0.0); // only where it is asked for
    }

    #[test]
    fn values_out_of_range_are_named() {
        for (more, said) in [
            ("[training]\nsteps = 0", "`training.steps`: expected 1 or more, found 0"),
            ("[training]\nbatch = 4\nlanes = 5", "`training.lanes`: expected 1 to batch, found 5"),
            ("[training]\naverage = 1.0", "training.average"),
            ("[training]\nclip = nan", "training.clip"),
            ("[schedule]\nrate = inf", "schedule.rate"),
            ("[optimiser]\nmomentum = -0.1", "optimiser.momentum"),
            ("[prune]\nmethod = \"structured\"\nrate = 0.5\nrounds = 20", "prune.every"),
            ("[validation]\ndataset = \"d\"\nevery = 0", "validation.every"),
            ("[data.corruption]\nprobability = 2.0", "corruption.probability"),
        ] {
            let options: RunOptions = toml::from_str(&format!("{MINIMAL}{more}")).unwrap();
            let error = options.validate().unwrap_err();
            assert!(error.contains(said), "{more}: {error}");
        }
    }
}
