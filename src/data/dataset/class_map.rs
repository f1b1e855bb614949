//! Between the classes of a dataset and those of a model.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{Dataset, DatasetError, read_text};

/// What the classes of a dataset are called in the model.
///
/// ```toml
/// [classes]               # the dataset's = the model's
/// pedestrian = "person"
/// rider = "person"
/// ignore = ["trailer"]    # beside [classes], at the top: regions in which nothing counts
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassMap {
    /// Classes of the dataset whose instances are regions in which nothing counts.
    #[serde(default)]
    ignore: Vec<String>,
    /// The model's class for a class of the dataset.
    #[serde(default)]
    classes: BTreeMap<String, String>,
}

/// What becomes of each class of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// For each class of the dataset.
    pub classes: Vec<Mapping>,
}

/// What becomes of a class of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mapping {
    /// A class of the model.
    To(u32),
    /// Its instances are regions in which nothing counts.
    Ignored,
    /// The model does not know it: its instances are left out, and listed.
    Unmapped,
}

impl ClassMap {
    /// Reads a TOML file.
    ///
    /// # Errors
    /// Not of this form.
    pub fn load(path: &Path) -> Result<Self, DatasetError> {
        toml::from_str(&read_text(path)?)
            .map_err(|error| DatasetError::ClassMap { path: path.to_owned(), problem: error.to_string() })
    }

    /// Maps the classes of `dataset` to those of a model: by this map, and else by name (case, spaces, `_` and `-` aside).
    ///
    /// # Errors
    /// The map speaks of a class that dataset or model does not have; `path` is the map's file.
    pub fn apply(&self, dataset: &Dataset, model: &[String], path: &Path) -> Result<Mapped, DatasetError> {
        let wrong = |problem: String| DatasetError::ClassMap { path: path.to_owned(), problem };
        for name in self.classes.keys().chain(&self.ignore) {
            if !dataset.classes.contains(name) {
                return Err(wrong(format!(
                    "the dataset has no class '{name}'; it has {}",
                    dataset.classes.join(", ")
                )));
            }
        }
        let classes = dataset.classes.iter().map(|name| {
            if self.ignore.contains(name) {
                return Ok(Mapping::Ignored);
            }
            let wanted = self.classes.get(name);
            let index = match wanted {
                Some(wanted) => model.iter().position(|class| class == wanted),
                None => class_named(model, name),
            };
            match (index, wanted) {
                (Some(index), _) => Ok(Mapping::To(index as u32)),
                (None, None) => Ok(Mapping::Unmapped),
                (None, Some(wanted)) => {
                    let nearest = model.iter().max_by(|a, b| {
                        strsim::jaro_winkler(a, wanted).total_cmp(&strsim::jaro_winkler(b, wanted))
                    });
                    let nearest = nearest.map_or(String::new(), |name| format!("; did you mean '{name}'?"));
                    Err(wrong(format!(
                        "'{name}' is mapped to '{wanted}', which the model does not have{nearest}"
                    )))
                }
            }
        });
        Ok(Mapped { classes: classes.collect::<Result<_, _>>()? })
    }
}

/// The class of `model` that a dataset calls `name`: case, spaces, `_` and `-` aside.
#[must_use]
pub fn class_named(model: &[String], name: &str) -> Option<usize> {
    let plain = |name: &str| name.to_lowercase().replace(['_', '-'], " ");
    let wanted = plain(name);
    model.iter().position(|class| plain(class) == wanted)
}
