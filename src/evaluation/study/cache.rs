//! Detections that are kept, so that an interrupted study goes on where it was.
//!
//! A file holds the detections of one model under one condition. Its name carries a hash of all that they depend on: the model and
//! its manifest, the images' content, corruption, severity and seed, the lowest score, and the program's own code. Labels,
//! thresholds of publishing and resampling are not among it: they may change without anything being detected anew.

use std::io::BufRead as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::detector::model_file::hexadecimal;
use crate::detector::{ModelInfo, ModelManifest};
use crate::evaluation::{Found, Rect};

use super::{Condition, Plan, StudyError};

/// Hash of the code that detections depend on, made by build.rs.
pub(in crate::evaluation) const CODE: &str = env!("ROADPROOF_CODE_HASH");

/// A detection: class, score, `x_min`, `y_min`, `x_max`, `y_max`.
type Kept = (u32, f32, f32, f32, f32, f32);

/// What one model found under one condition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct CellResult {
    /// For each image its detections.
    pub(super) images: Vec<Vec<Kept>>,
    /// Time of single images, ms; measured on clean ones only.
    pub(super) latency_ms: Vec<f64>,
}

impl CellResult {
    pub(super) fn found(&self) -> Vec<Vec<Found>> {
        let found = |(class_id, score, x_min, y_min, x_max, y_max): &Kept| {
            let [x_min, y_min, x_max, y_max] = [x_min, y_min, x_max, y_max].map(|side| f64::from(*side));
            Found { class_id: *class_id, bbox: Rect::from_corners(x_min, y_min, x_max, y_max), score: *score }
        };
        self.images.iter().map(|image| image.iter().map(found).collect()).collect()
    }
}

/// Where the cells of a study are kept.
pub(super) struct Cache {
    folder: Option<PathBuf>,
    images_hash: String,
}

/// Adds a file's length and content.
pub(in crate::evaluation) fn add_file(path: &Path, hash: &mut Sha256) -> Result<(), StudyError> {
    let wrong = |error: std::io::Error| StudyError::Image {
        path: path.to_owned(),
        problem: format!("cannot be read: {error}"),
    };
    let file = std::fs::File::open(path).map_err(wrong)?;
    hash.update(file.metadata().map_err(wrong)?.len().to_le_bytes());
    let mut reader = std::io::BufReader::with_capacity(1 << 16, file);
    loop {
        let read = reader.fill_buf().map_err(wrong)?;
        if read.is_empty() {
            return Ok(());
        }
        hash.update(read);
        let length = read.len();
        reader.consume(length);
    }
}

/// What of a condition its cell depends on: a name for people, and all of it for the key.
pub(in crate::evaluation) fn condition_key(condition: Condition, seed: u64) -> (String, String) {
    match condition {
        Condition::Clean => ("clean".to_owned(), String::new()),
        Condition::Corrupted(step) => {
            let severity = step.severity.value();
            (
                format!("{}-{severity}", step.corruption.name()),
                format!("{step} {} {seed}", severity.to_bits()),
            )
        }
    }
}

/// Name of a cell's file: the model, the condition, and a hash of all `parts`.
pub(in crate::evaluation) fn file_name(model: &str, condition: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let key = hexadecimal(&hash.finalize());
    let safe: String =
        model.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect();
    format!("{safe}-{condition}-{}.json", key.get(..16).unwrap_or(&key))
}

impl Cache {
    /// Reads all images once, for their hash.
    pub(super) fn new(plan: &Plan) -> Result<Self, StudyError> {
        let mut hash = Sha256::new();
        if plan.cache.is_some() {
            for path in &plan.images.paths {
                add_file(path, &mut hash)?;
            }
        }
        Ok(Self { folder: plan.cache.clone(), images_hash: hexadecimal(&hash.finalize()) })
    }

    /// The file for a cell.
    pub(super) fn path(
        &self,
        plan: &Plan,
        manifest: &ModelManifest,
        info: &ModelInfo,
        condition: Condition,
    ) -> Option<PathBuf> {
        let folder = self.folder.as_deref()?;
        let (name, corruption) = condition_key(condition, plan.seed);
        let settings = serde_json::to_string(manifest).unwrap_or_default();
        let parts = [
            CODE,
            &info.sha256,
            &settings,
            &self.images_hash,
            &corruption,
            &plan.score.to_bits().to_string(),
            info.provider.name(),
        ];
        Some(folder.join(file_name(&manifest.name, &name, &parts)))
    }
}

/// A finished cell; `None` where there is none, or what is there is damaged or not `whole` (it is made anew then).
pub(in crate::evaluation) fn load<T: DeserializeOwned>(
    path: &Path,
    whole: impl FnOnce(&T) -> bool,
) -> Option<T> {
    let text = std::fs::read(path).ok()?;
    match serde_json::from_slice::<T>(&text) {
        Ok(cell) if whole(&cell) => Some(cell),
        Ok(_) | Err(_) => {
            tracing::warn!(path = %path.display(), "a damaged cell of the cache is made anew");
            None
        }
    }
}

/// Keeps a cell, under a name of its own till it is whole.
pub(in crate::evaluation) fn store<T: Serialize>(path: &Path, cell: &T) -> Result<(), StudyError> {
    let wrong = |source| StudyError::Cache { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(wrong)?;
    }
    let partial = path.with_extension("part");
    let text = serde_json::to_vec(cell).map_err(|error| wrong(error.into()))?;
    std::fs::write(&partial, text).map_err(wrong)?;
    std::fs::rename(&partial, path).map_err(wrong)
}
