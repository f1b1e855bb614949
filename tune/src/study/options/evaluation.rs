//! On what, and under what, models are measured.

use std::path::PathBuf;

use roadproof::corruption::{Corruption, Group, Severity};
use serde::{Deserialize, Serialize};

use crate::data::Half;

/// On what, and under what, models are measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationOptions {
    /// A labelled dataset, as `roadproof evaluate` reads it, with none of the images that are trained on.
    pub dataset: PathBuf,
    /// Takes every other image in the order of names only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half: Option<Half>,
    /// Takes at most so many images, the first in the order of names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// What the dataset's classes are called in the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_map: Option<PathBuf>,
    /// Names and groups of corruptions (noise, blur, weather, digital, camera), or `benchmark` for the published fifteen.
    #[serde(default = "corruptions")]
    pub corruptions: Vec<String>,
    /// Severities of each corruption, above 0 to 5.
    #[serde(default = "severities")]
    pub severities: Vec<f64>,
    /// Lowest score of a detection that counts, above 0 and below 1.
    #[serde(default = "score")]
    pub score: f32,
    /// Instances that a class needs to be called the worst, 1 or more.
    #[serde(default = "min_support")]
    pub min_support: usize,
    /// Resamples of the images, 100 or more.
    #[serde(default = "bootstrap")]
    pub bootstrap: usize,
    /// Where corruptions and resamples come from.
    #[serde(default)]
    pub seed: u64,
}

/// Images for reconstruction, and for importances that need them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationOptions {
    /// A folder of images, or a labelled dataset, with none of the images that are measured on.
    pub dataset: PathBuf,
    /// Takes every other image in the order of names only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half: Option<Half>,
    /// So many images, 1 or more.
    #[serde(default = "calibration_images")]
    pub images: usize,
}

/// Whether the image at this place, from 0 in the order of names, is in `half`.
pub(in crate::study) const fn has(half: Half, place: usize) -> bool {
    match half {
        Half::First => place.is_multiple_of(2),
        Half::Second => !place.is_multiple_of(2),
    }
}

fn corruptions() -> Vec<String> {
    per_image().map(|group| group.name().to_owned()).collect()
}

/// Groups whose corruptions make sense on single images.
fn per_image() -> impl Iterator<Item = Group> {
    Group::ALL.into_iter().filter(|group| *group != Group::Stream)
}

fn severities() -> Vec<f64> {
    vec![1.0, 3.0, 5.0]
}

const fn score() -> f32 {
    0.02
}

const fn min_support() -> usize {
    10
}

const fn bootstrap() -> usize {
    1000
}

const fn calibration_images() -> usize {
    64
}

/// Corruptions by name, by group, or the published fifteen; each once.
///
/// # Errors
/// A name that is none, or a corruption of the stream.
fn named_corruptions(names: &[String]) -> Result<Vec<Corruption>, String> {
    let all = || Corruption::ALL.iter().copied();
    let mut chosen: Vec<Corruption> = Vec::new();
    for name in names {
        let more: Vec<Corruption> = if name == "benchmark" {
            all().filter(|corruption| corruption.is_benchmark()).collect()
        } else if let Some(group) = per_image().find(|group| group.name() == name) {
            all().filter(|corruption| corruption.group() == group).collect()
        } else {
            vec![name.parse().map_err(|error| format!("{error}"))?]
        };
        for corruption in more {
            if corruption.group() == Group::Stream {
                return Err(format!("{corruption} acts on a stream of frames, not on single images"));
            }
            if !chosen.contains(&corruption) {
                chosen.push(corruption);
            }
        }
    }
    Ok(chosen)
}

impl EvaluationOptions {
    /// The corruptions that are measured.
    ///
    /// # Errors
    /// A name that is none, or a corruption of the stream.
    pub fn corruptions(&self) -> Result<Vec<Corruption>, String> {
        named_corruptions(&self.corruptions).map_err(|problem| format!("`evaluation.corruptions`: {problem}"))
    }

    /// The severities that are measured.
    ///
    /// # Errors
    /// One is not above 0 to 5, or stands there twice.
    pub fn severities(&self) -> Result<Vec<Severity>, String> {
        let mut severities: Vec<Severity> = Vec::new();
        for value in &self.severities {
            let found = Severity::new(*value).ok().filter(|severity| !severity.is_none());
            let Some(severity) = found.filter(|severity| !severities.contains(severity)) else {
                let expected = "numbers above 0 to 5, each once";
                return Err(format!("`evaluation.severities`: expected {expected}, found {value}"));
            };
            severities.push(severity);
        }
        Ok(severities)
    }

    /// Checks the values.
    ///
    /// # Errors
    /// The first that is out of range: its key, what was expected, what was found.
    pub fn validate(&self) -> Result<(), String> {
        let check = |good: bool, key: &str, expected: &str, found: &dyn std::fmt::Display| {
            if good { Ok(()) } else { Err(format!("`evaluation.{key}`: expected {expected}, found {found}")) }
        };
        let corruptions = self.corruptions()?;
        check(!corruptions.is_empty(), "corruptions", "one or more", &"none")?;
        check(!self.severities()?.is_empty(), "severities", "one or more", &"none")?;
        let is_share = self.score > 0.0 && self.score < 1.0;
        check(is_share, "score", "above 0 and below 1", &self.score)?;
        check(self.min_support > 0, "min_support", "1 or more", &0)?;
        check(self.bootstrap >= 100, "bootstrap", "100 or more", &self.bootstrap)?;
        check(self.limit != Some(0), "limit", "1 or more", &0)
    }
}

impl CalibrationOptions {
    /// Checks the values.
    ///
    /// # Errors
    /// There are no images.
    pub fn validate(&self) -> Result<(), String> {
        if self.images == 0 {
            return Err("`calibration.images`: expected 1 or more, found 0".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(rest: &str) -> EvaluationOptions {
        toml::from_str(&format!("dataset = \"data\"\n{rest}")).unwrap()
    }

    #[test]
    fn all_corruptions_of_single_images_are_the_default() {
        let found = options("").corruptions().unwrap();
        let all = Corruption::ALL.iter().filter(|corruption| corruption.group() != Group::Stream);
        assert_eq!(found.len(), all.count());
        options("").validate().unwrap();
    }

    #[test]
    fn names_groups_and_the_benchmark_are_known_and_counted_once() {
        let names = |names: &[&str]| {
            named_corruptions(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(names(&["benchmark"]).unwrap().len(), 15);
        let noise = names(&["gaussian_noise", "noise"]).unwrap();
        assert_eq!((noise.len(), noise[0]), (4, Corruption::GaussianNoise));
        assert!(names(&["frame_drop"]).unwrap_err().contains("stream"));
        assert!(names(&["gausian_noise"]).unwrap_err().contains("'gaussian_noise'"));
    }

    #[test]
    fn what_is_out_of_range_is_refused_by_its_key() {
        for (rest, key) in [
            ("corruptions = []", "corruptions"),
            ("severities = []", "severities"),
            ("severities = [1, 1]", "severities"),
            ("severities = [5.5]", "severities"),
            ("score = 0.0", "score"),
            ("min_support = 0", "min_support"),
            ("bootstrap = 99", "bootstrap"),
            ("limit = 0", "limit"),
        ] {
            let problem = options(rest).validate().unwrap_err();
            assert!(problem.contains(&format!("evaluation.{key}")), "{rest}: {problem}");
        }
    }

    #[test]
    fn halves_share_nothing_and_leave_nothing() {
        assert!((0..10).all(|place| has(Half::First, place) != has(Half::Second, place)));
        assert!(has(Half::First, 0));
    }
}
