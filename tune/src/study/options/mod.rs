//! The file of a study.

mod compression;
mod evaluation;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use roadproof::compress::recipe;
use serde::{Deserialize, Serialize};

use super::StudyError;
use super::arm::{Arm, ArmTables};
pub use compression::{Compression, Method};
pub(super) use evaluation::has;
pub use evaluation::{CalibrationOptions, EvaluationOptions};

/// The format that this version reads.
pub const FORMAT: u32 = 1;

/// What is compressed, tuned and measured: compressions × arms × seeds. Paths are relative to the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyOptions {
    /// [`FORMAT`].
    pub format: u32,
    /// Its title.
    #[serde(default = "name")]
    pub name: String,
    /// Manifest of the uncompressed model.
    pub parent: PathBuf,
    /// The file of a run, from which each cell takes its losses, training, schedule and images.
    pub run: PathBuf,
    /// Levels of compression, exactly one of which is `none`.
    #[serde(default = "compression::levels")]
    pub compression: Vec<Compression>,
    /// Arms that are trained.
    #[serde(default = "arms")]
    pub arms: Vec<Arm>,
    /// What the arms change.
    pub arm: ArmTables,
    /// Seeds; each trains every compression in every arm once. Verdicts need two or more.
    #[serde(default = "seeds")]
    pub seeds: Vec<u64>,
    /// What is measured.
    pub evaluation: EvaluationOptions,
    /// Images for reconstruction, and for importances that need them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationOptions>,
}

fn name() -> String {
    "robustness study".to_owned()
}

fn arms() -> Vec<Arm> {
    Arm::ALL.to_vec()
}

fn seeds() -> Vec<u64> {
    vec![0, 1, 2]
}

/// A study and the run that its cells vary, as they were read.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyFile {
    /// The study; its paths are relative to the working folder.
    pub options: StudyOptions,
    /// The run, as its file holds it: paths are relative to that file.
    pub run: toml::Table,
}

impl StudyOptions {
    /// Reads the file of a study and that of its run.
    ///
    /// # Errors
    /// One cannot be read, is no TOML, has unknown keys (of the study), or values out of range.
    pub fn load(path: &Path) -> Result<StudyFile, StudyError> {
        let mut options: Self = read(path)?;
        options.resolve(path.parent().unwrap_or(Path::new("")));
        let wrong = |problem| StudyError::Options { path: path.to_owned(), problem };
        options.validate().map_err(wrong)?;
        let run = read(&options.run)?;
        Ok(StudyFile { options, run })
    }

    fn resolve(&mut self, folder: &Path) {
        let at = |path: &mut PathBuf| *path = folder.join(&path);
        at(&mut self.parent);
        at(&mut self.run);
        at(&mut self.evaluation.dataset);
        self.evaluation.class_map.iter_mut().for_each(at);
        self.calibration.iter_mut().for_each(|calibration| at(&mut calibration.dataset));
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The first that is out of range: its key, what was expected, what was found.
    pub fn validate(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("`format`: expected {FORMAT}, found {}", self.format));
        }
        distinct("seeds", "one seed or more, each once", &self.seeds)?;
        distinct("arms", "one arm or more, each once", &self.arms)?;
        if !self.arms.contains(&Arm::Plain) {
            return Err("`arms`: expected `plain` among them, for the others are compared with it".to_owned());
        }
        let names: Vec<&str> = self.compression.iter().map(|level| level.name.as_str()).collect();
        distinct("compression", "one level or more, each name once", &names)?;
        let unpruned = self.compression.iter().filter(|level| level.step.is_none()).count();
        if unpruned != 1 {
            return Err(format!("`compression`: expected one level with method `none`, found {unpruned}"));
        }
        for level in &self.compression {
            let wrong = |problem: String| format!("`compression`, `{}`: {problem}", level.name);
            let is_safe = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.';
            if level.name.starts_with('.') || !level.name.chars().all(is_safe) || level.name.is_empty() {
                return Err(wrong("expected a name of letters, digits, `_` and `.`".to_owned()));
            }
            if let Some(step) = &level.step {
                recipe::check(std::slice::from_ref(step), self.calibration.is_some(), false)
                    .map_err(|error| wrong(error.to_string()))?;
            }
        }
        self.calibration.as_ref().map_or(Ok(()), CalibrationOptions::validate)?;
        self.evaluation.validate()
    }
}

fn distinct<T: Ord>(key: &str, expected: &str, values: &[T]) -> Result<(), String> {
    let different = values.iter().collect::<BTreeSet<_>>().len();
    if values.is_empty() || different < values.len() {
        return Err(format!(
            "`{key}`: expected {expected}, found {} and {different} different",
            values.len()
        ));
    }
    Ok(())
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StudyError> {
    let text = std::fs::read_to_string(path).map_err(StudyError::file(path, "cannot be read"))?;
    toml::from_str(&text)
        .map_err(|error| StudyError::Options { path: path.to_owned(), problem: error.to_string() })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A small study that is right.
    pub(in crate::study) const SMALL: &str = "
        format = 1
        parent = \"parent.toml\"
        run = \"run.toml\"
        seeds = [0, 1]
        [[compression]]
        name = \"none\"
        method = \"none\"
        [[compression]]
        name = \"c50\"
        method = \"structured\"
        rate = 0.5
        [arm.augmentation.data.corruption]
        probability = 0.5
        hold_out = [\"blur\"]
        [arm.imbalance.imbalance]
        repeat = 0.1
        [evaluation]
        dataset = \"data\"
        corruptions = [\"gaussian_noise\", \"gaussian_blur\"]
        severities = [3]
        bootstrap = 100
    ";

    #[test]
    fn a_study_is_read_and_its_paths_start_at_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("study.toml");
        std::fs::write(&path, SMALL).unwrap();
        std::fs::write(folder.path().join("run.toml"), "seed = 3").unwrap();
        let StudyFile { options, run } = StudyOptions::load(&path).unwrap();
        assert_eq!(options.parent, folder.path().join("parent.toml"));
        assert_eq!(options.evaluation.dataset, folder.path().join("data"));
        assert_eq!((options.arms.len(), options.seeds.len(), options.compression.len()), (4, 2, 2));
        assert_eq!(run["seed"].as_integer(), Some(3));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_key() {
        for (from, to, said) in [
            ("format = 1", "format = 2", "`format`: expected 1, found 2"),
            ("seeds = [0, 1]", "seeds = []", "`seeds`"),
            ("seeds = [0, 1]", "seeds = [1, 1]", "`seeds`"),
            ("seeds = [0, 1]", "arms = [\"both\"]", "`plain`"),
            ("method = \"none\"", "method = \"structured\"\nrate = 0.2", "found 0"),
            ("name = \"c50\"", "name = \"none\"", "each name once"),
            ("name = \"c50\"", "name = \"../c50\"", "letters"),
            ("name = \"c50\"", "name = \"c50\"\nreconstruct = \"weights\"", "c50"),
            ("rate = 0.5", "rate = 1.5", "c50"),
            ("severities = [3]", "severities = [0]", "severities"),
        ] {
            let text = SMALL.replacen(from, to, 1);
            let options: StudyOptions = toml::from_str(&text).unwrap();
            let problem = options.validate().unwrap_err();
            assert!(problem.contains(said), "{to}: {problem}");
        }
        assert!(toml::from_str::<StudyOptions>(&SMALL.replacen("seeds", "seed", 1)).is_err());
    }
}
