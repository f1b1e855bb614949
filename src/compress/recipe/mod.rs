//! What is done to a model, step by step: for one variant, or for all of a file.
//!
//! A recipe is a TOML file; `config/compress.toml` is a complete example. [`Recipe::load`] reads and checks it, [`apply()`]
//! does the steps of one variant.

mod apply;
mod check;
mod read;
mod step;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CompressError;
use super::gate::GateSpec;
use crate::corruption;

pub use apply::{Applied, Judge, StepReport, apply};
pub use check::{check, check_corruptions, check_name};
pub use step::{Step, Structured, Unstructured, describe, may_use_images};

/// The recipe format that this version reads.
pub const RECIPE_FORMAT: u32 = 1;

/// Calibration images, unless told otherwise.
pub const CALIBRATION_IMAGES: usize = 128;

/// Variants of one model, and what they are calibrated and judged on.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Manifest of the model that the variants are made from, as a path from the working directory.
    pub model: Option<PathBuf>,
    /// What is calibrated on.
    pub calibration: Calibration,
    /// What a variant has to reach.
    pub gate: Option<GateSpec>,
    /// The variants, in the order in which they are made.
    pub variants: Vec<Variant>,
}

/// What variants are calibrated on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calibration {
    /// A folder of images, or a dataset.
    pub dataset: Option<PathBuf>,
    /// At most so many of its images.
    pub images: usize,
    /// Each image is used as it is, and again under one of these, in turn.
    pub corruptions: Vec<corruption::Step>,
    /// Seed of the corruptions.
    pub seed: u64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { dataset: None, images: CALIBRATION_IMAGES, corruptions: Vec::new(), seed: 0 }
    }
}

/// A model to be made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Variant {
    /// Its name, and that of its files.
    pub name: String,
    /// What is done, in this order.
    pub steps: Vec<Step>,
}

impl Recipe {
    /// Reads and checks a recipe. Its paths are relative to its folder.
    ///
    /// # Errors
    /// [`CompressError::Recipe`] with line and key: no TOML, an unknown or missing key, a wrong type, a value out of range,
    /// steps that do not go together.
    pub fn load(path: &Path) -> Result<Self, CompressError> {
        let text = std::fs::read_to_string(path).map_err(|error| CompressError::Recipe {
            path: path.to_owned(),
            place: None,
            key: String::new(),
            problem: format!("cannot be read: {error}"),
        })?;
        Self::from_toml(&text, path)
    }

    /// Reads and checks the text of a recipe; `path` is for messages, and its folder is where relative files lie.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn from_toml(text: &str, path: &Path) -> Result<Self, CompressError> {
        read::recipe(text, path)
    }
}
