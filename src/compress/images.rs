//! The images that a model is calibrated on.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::CompressError;
use crate::data::dataset::Dataset;
use crate::detector::manifest::InputSpec;
use crate::detector::preprocess::Preprocessor;
use crate::image::{CompressedDecoder, DecodeLimits};

/// Images that a model is calibrated on; labels do not matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalibrationImages {
    paths: Vec<PathBuf>,
}

impl CalibrationImages {
    /// The images of a folder, or of a labelled dataset (see [`Dataset::open`]); at most `limit` of them, taken at even
    /// distances in the order of their names.
    ///
    /// # Errors
    /// There are none, or the dataset cannot be read.
    pub fn open(path: &Path, limit: Option<usize>) -> Result<Self, CompressError> {
        let has = |name: &str| path.join(name).is_dir();
        let mut paths = if path.is_file() || has("labels") || has("label_2") {
            Dataset::open(path, None)?.images.into_iter().map(|image| image.path).collect()
        } else {
            of_folder(path)?
        };
        paths.sort();
        if paths.is_empty() || limit == Some(0) {
            return Err(CompressError::NoImages { path: path.to_owned() });
        }
        if let Some(limit) = limit.filter(|limit| *limit < paths.len()) {
            let count = paths.len();
            paths = (0..limit).filter_map(|index| paths.get(index * count / limit).cloned()).collect();
        }
        Ok(Self { paths })
    }

    /// Their files.
    #[must_use]
    pub fn paths(&self) -> &[PathBuf] {
        &self.paths
    }

    /// SHA-256 over the files' lengths (8 bytes, little endian) and bytes, in order.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn sha256(&self) -> Result<String, CompressError> {
        let mut hash = Sha256::new();
        for path in &self.paths {
            let bytes = read(path)?;
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn of_folder(folder: &Path) -> Result<Vec<PathBuf>, CompressError> {
    let wrong = |error: std::io::Error| CompressError::Image {
        path: folder.to_owned(),
        problem: format!("cannot be read: {error}"),
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let suffix = path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default();
        if ["jpg", "jpeg", "png"].iter().any(|known| suffix.eq_ignore_ascii_case(known)) {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn read(path: &Path) -> Result<Vec<u8>, CompressError> {
    std::fs::read(path).map_err(|error| CompressError::Image {
        path: path.to_owned(),
        problem: format!("cannot be read: {error}"),
    })
}

/// Turns image files into the model's input, as the detector does.
pub(super) struct Loader {
    decoder: CompressedDecoder,
    preprocessor: Preprocessor,
}

impl Loader {
    pub(super) fn new(input: &InputSpec) -> Self {
        let limits = DecodeLimits::default();
        Self { decoder: CompressedDecoder::new(limits), preprocessor: Preprocessor::new(input) }
    }

    /// Fills `tensor`, the same from call to call.
    pub(super) fn load(&mut self, path: &Path, tensor: &mut [f32]) -> Result<(), CompressError> {
        let bytes = read(path)?;
        let pixels = self
            .decoder
            .decode("", &bytes)
            .map_err(|error| CompressError::Image { path: path.to_owned(), problem: error.to_string() })?;
        self.preprocessor.run(&pixels, tensor)?;
        Ok(())
    }
}
