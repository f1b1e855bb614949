//! Models × corruptions × severities on one dataset.

pub(super) mod cache;
mod comparison;
mod error;
mod run;
mod samples;
mod summary;

use std::path::{Path, PathBuf};

use crate::corruption::{Corruption, Severity, Step};
use crate::data::dataset::{ClassMap, Dataset, Mapping};
use crate::detector::{ModelManifest, SessionOptions};

use super::{ClassSupport, Rect, Truth};

pub use error::StudyError;
pub use run::{Pass, Progress, detections, run};
pub use summary::score_detections;

/// What to do.
#[derive(Debug, Clone)]
pub struct Plan {
    /// On which images.
    pub images: StudyImages,
    /// With which models.
    pub models: Vec<ModelManifest>,
    /// Index of the uncompressed one, which the others are compared with.
    pub base: usize,
    /// Under which corruptions, at which severities.
    pub corruptions: Vec<Corruption>,
    /// Severities of each corruption.
    pub severities: Vec<Severity>,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Lowest score of a detection that counts.
    pub score: f32,
    /// Instances that a class needs to be called the worst.
    pub min_support: usize,
    /// Resamples behind each interval.
    pub bootstrap: usize,
    /// Images at a time, each with sessions of its own.
    pub workers: usize,
    /// What executes the models.
    pub session: SessionOptions,
    /// Where detections are kept, so that an interrupted study goes on; `None` keeps nothing.
    pub cache: Option<PathBuf>,
}

/// A clean pass, or one under a corruption.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Condition {
    Clean,
    Corrupted(Step),
}

impl Condition {
    /// `clean`, or corruption and severity.
    pub(super) fn name(self) -> String {
        match self {
            Self::Clean => "clean".to_owned(),
            Self::Corrupted(step) => step.to_string(),
        }
    }
}

impl Plan {
    /// The passes, clean first.
    fn conditions(&self) -> Vec<Condition> {
        let step =
            |corruption| self.severities.iter().map(move |severity| Step { corruption, severity: *severity });
        let steps = self.corruptions.iter().flat_map(|corruption| step(*corruption));
        std::iter::once(Condition::Clean).chain(steps.map(Condition::Corrupted)).collect()
    }
}

/// The images of a dataset with its labels in the classes of the models.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyImages {
    /// Name of the dataset.
    pub name: String,
    /// Files.
    pub paths: Vec<PathBuf>,
    /// What is in each.
    pub truths: Vec<Vec<Truth>>,
    /// Names of the models' classes.
    pub classes: Vec<String>,
    /// Classes of the dataset that the models don't know.
    pub unmapped: Vec<ClassSupport>,
}

impl StudyImages {
    /// Maps the labels of `dataset` to `classes`, those of the models; `path` is the file of `map`.
    ///
    /// # Errors
    /// The map does not fit, or no label is of a class that the models know.
    pub fn new(
        dataset: Dataset,
        map: &ClassMap,
        classes: &[String],
        path: &Path,
    ) -> Result<Self, StudyError> {
        let mapped = map.apply(&dataset, classes, path)?;
        let mut unmapped: Vec<ClassSupport> =
            dataset.classes.iter().map(|name| ClassSupport { name: name.clone(), instances: 0 }).collect();
        let (mut paths, mut truths) = (Vec::new(), Vec::new());
        for image in dataset.images {
            let mut found = Vec::new();
            for label in image.labels {
                let class_id = match label.class.and_then(|class| mapped.classes.get(class)) {
                    Some(Mapping::To(id)) => Some(*id),
                    Some(Mapping::Ignored) | None => None,
                    Some(Mapping::Unmapped) => {
                        if let Some(class) = label.class.and_then(|class| unmapped.get_mut(class)) {
                            class.instances += 1;
                        }
                        continue;
                    }
                };
                let [x_min, y_min, x_max, y_max] = label.bbox;
                let bbox = Rect::from_corners(x_min, y_min, x_max, y_max);
                let is_crowd = label.is_crowd || class_id.is_none();
                found.push(Truth { class_id, bbox, area: label.area, is_crowd });
            }
            paths.push(image.path);
            truths.push(found);
        }
        let is_unmapped = |class: usize| mapped.classes.get(class) == Some(&Mapping::Unmapped);
        let mut index = 0..;
        unmapped.retain(|_| index.next().is_some_and(is_unmapped));
        if !truths.iter().flatten().any(Truth::counts) {
            let theirs = dataset.classes.join(", ");
            return Err(StudyError::NothingToFind { dataset: dataset.name, theirs });
        }
        Ok(Self { name: dataset.name, paths, truths, classes: classes.to_vec(), unmapped })
    }

    /// How often each class occurs.
    #[must_use]
    pub fn support(&self) -> Vec<ClassSupport> {
        let mut support: Vec<ClassSupport> =
            self.classes.iter().map(|name| ClassSupport { name: name.clone(), instances: 0 }).collect();
        for truth in self.truths.iter().flatten().filter(|truth| truth.counts()) {
            if let Some(class) = truth.class_id.and_then(|id| support.get_mut(id as usize)) {
                class.instances += 1;
            }
        }
        support
    }
}

#[cfg(test)]
mod tests;
