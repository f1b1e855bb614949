//! Where images come from, and what is done to them.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{DataError, check};
use super::{Corruptions, Geometric, Photometric};

/// What samples are made from, and how.
///
/// ```toml
/// memory_mib = 1024
///
/// [[sources]]
/// path = "coco128"
/// half = "first"
///
/// [[sources]]
/// path = "drive.mcap"
/// every = 10
/// limit = 500
///
/// [geometric]
/// mosaic = 0.25
///
/// [corruption]
/// hold_out = ["weather"]
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataOptions {
    /// At least one.
    pub sources: Vec<SourceOptions>,
    /// What the frames of videos and bags may take in memory, all together, MiB; they are kept there as JPEG.
    #[serde(default = "default_memory_mib")]
    pub memory_mib: u64,
    /// How pictures are moved.
    #[serde(default)]
    pub geometric: Geometric,
    /// How light and colours change.
    #[serde(default)]
    pub photometric: Photometric,
    /// How the student's pictures are corrupted; not at all without the table.
    #[serde(default = "Corruptions::off")]
    pub corruption: Corruptions,
}

const fn default_memory_mib() -> u64 {
    2048
}

/// One place that images come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceOptions {
    /// A folder of images, an image, labels as [`Dataset::open`](roadproof::data::dataset::Dataset::open) reads them, a video
    /// or a bag; relative to the working directory.
    pub path: PathBuf,
    /// Takes every so many images or frames, from the first on, at least 1.
    #[serde(default = "default_every")]
    pub every: u64,
    /// Takes at most so many: of files at even distances, of a stream the first.
    #[serde(default)]
    pub limit: Option<usize>,
    /// Takes every other image only, so that what one run tunes with another can measure with. It is the first thing that is
    /// done. (Neighbours in a stream look alike: to measure, take another drive.)
    #[serde(default)]
    pub half: Option<Half>,
    /// Topics of a bag; all image topics where there are none.
    #[serde(default)]
    pub topics: Vec<String>,
    /// What classes of the labels are called in the model, as for `roadproof evaluate` (see
    /// [`ClassMap`](roadproof::data::dataset::ClassMap)); by name where there is none.
    #[serde(default)]
    pub class_map: Option<PathBuf>,
}

const fn default_every() -> u64 {
    1
}

/// Every other image in the order of their names, or of their frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// The first, the third and so on.
    First,
    /// The second, the fourth and so on.
    Second,
}

impl DataOptions {
    /// Images as they are, from one place.
    #[must_use]
    pub fn plain(source: SourceOptions) -> Self {
        Self {
            sources: vec![source],
            memory_mib: default_memory_mib(),
            geometric: Geometric::off(),
            photometric: Photometric::off(),
            corruption: Corruptions::off(),
        }
    }

    /// Checks every range.
    ///
    /// # Errors
    /// [`DataError::Option`] names the first option that is out of its range.
    pub fn validate(&self) -> Result<(), DataError> {
        check(!self.sources.is_empty(), "sources", "at least one source", &self.sources)?;
        for (number, source) in self.sources.iter().enumerate() {
            let key = |name: &str| format!("sources[{number}].{name}");
            check(source.every >= 1, &key("every"), "at least 1", &source.every)?;
            check(source.limit != Some(0), &key("limit"), "at least 1", &source.limit)?;
        }
        self.geometric.validate("geometric")?;
        self.photometric.validate("photometric")?;
        self.corruption.pool("corruption").map(|_| ())
    }
}

impl SourceOptions {
    /// All of what is at `path`.
    #[must_use]
    pub fn all(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), every: 1, limit: None, half: None, topics: Vec::new(), class_map: None }
    }

    /// Whether the image of this place, from 0, is taken by `half` and `every`.
    pub(super) fn takes(&self, place: u64) -> bool {
        let within = match self.half {
            None => place,
            Some(Half::First) if place.is_multiple_of(2) => place / 2,
            Some(Half::Second) if !place.is_multiple_of(2) => place / 2,
            Some(_) => return false,
        };
        within.is_multiple_of(self.every.max(1))
    }

    /// Those of a list of files that are taken.
    pub(super) fn pick<T>(&self, all: Vec<T>) -> Vec<T> {
        let taken = (0..).zip(all).filter(|(place, _)| self.takes(*place)).map(|(_, item)| item);
        let taken: Vec<T> = taken.collect();
        let count = taken.len();
        let limit = self.limit.unwrap_or(count).min(count);
        // number k of `limit` is number k * count / limit
        let is_even = |place: usize| place == 0 || place * limit / count != (place - 1) * limit / count;
        let is_taken = |place: usize| limit == count || is_even(place);
        (0..).zip(taken).filter(|(place, _)| is_taken(*place)).map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn halves_share_nothing_and_leave_nothing() {
        let pick = |half| SourceOptions { half, ..SourceOptions::all("") }.pick((0..7).collect::<Vec<_>>());
        assert_eq!(pick(Some(Half::First)), [0, 2, 4, 6]);
        assert_eq!(pick(Some(Half::Second)), [1, 3, 5]);
        assert_eq!(pick(None).len(), 7);
    }

    proptest! {
        #[test]
        fn limits_are_met_evenly(count in 0..50_usize, limit in 1..60_usize, every in 1..5_u64) {
            let options = SourceOptions { limit: Some(limit), every, ..SourceOptions::all("") };
            let all = options.pick((0..count).collect());
            let unlimited = count.div_ceil(every as usize);
            prop_assert_eq!(all.len(), limit.min(unlimited));
            prop_assert!(all.iter().all(|place| place % every as usize == 0));
            let gaps: Vec<_> = all.windows(2).map(|pair| (pair[1] - pair[0]) / every as usize).collect();
            if let (Some(least), Some(most)) = (gaps.iter().min(), gaps.iter().max()) {
                prop_assert!(most - least <= 1, "{:?}", all);
            }
        }
    }

    #[test]
    fn options_are_read_and_checked() {
        let options: DataOptions = toml::from_str("[[sources]]\npath = \"a\"\nhalf = \"second\"").unwrap();
        assert_eq!(options.sources[0].half, Some(Half::Second));
        assert!(options.validate().is_ok());
        assert!(toml::from_str::<DataOptions>("[[sources]]\npath = \"a\"\nhalve = \"a\"").is_err());
        let message =
            |text: &str| toml::from_str::<DataOptions>(text).unwrap().validate().unwrap_err().to_string();
        assert!(message("sources = []").contains("at least one source"));
        assert!(message("[[sources]]\npath = \"a\"\nevery = 0").contains("sources[0].every"));
        assert!(message("[[sources]]\npath = \"a\"\nlimit = 0").contains("sources[0].limit"));
        assert!(message("[[sources]]\npath = \"a\"\n[geometric]\nflip = 2.0").contains("geometric.flip"));
    }
}
