//! The images that a model is calibrated on.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::CompressError;
use crate::corruption::{Corruptor, CorruptorOptions, FrameKey, Picture, Step};
use crate::data::dataset::Dataset;
use crate::detector::manifest::InputSpec;
use crate::detector::model_file::hexadecimal;
use crate::detector::preprocess::Preprocessor;
use crate::image::{CompressedDecoder, DecodeLimits};

/// Images that a model is calibrated on; labels do not matter.
#[derive(Debug, Clone, PartialEq)]
pub struct CalibrationImages {
    paths: Vec<PathBuf>,
    steps: Vec<Step>,
    seed: u64,
}

/// One image, as it is or corrupted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationImage<'a> {
    /// Its file.
    pub path: &'a Path,
    /// Its place among the files.
    pub index: usize,
    /// What is done to it.
    pub step: Option<Step>,
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
        Ok(Self { paths, steps: Vec::new(), seed: 0 })
    }

    /// Those at the places, from 0 in the order of names, that `takes` says.
    #[must_use]
    pub fn only(mut self, takes: impl Fn(usize) -> bool) -> Self {
        let mut place = 0..;
        self.paths.retain(|_| place.next().is_some_and(&takes));
        self
    }

    /// The same, and each image under one of `steps` beside it, in turn. Ranges and weights that were only fitted to
    /// clean images can clip what noise makes of them.
    #[must_use]
    pub fn with_corruptions(self, steps: Vec<Step>, seed: u64) -> Self {
        Self { steps, seed, ..self }
    }

    /// What is calibrated on: every file as it is, and where there are corruptions each again under one of them.
    pub fn iter(&self) -> impl Iterator<Item = CalibrationImage<'_>> {
        let paths = || self.paths.iter().map(PathBuf::as_path).enumerate();
        let clean = paths().map(|(index, path)| CalibrationImage { path, index, step: None });
        let step = |index: usize| self.steps.get(index % self.steps.len().max(1)).copied();
        let corrupted = paths().filter_map(move |(index, path)| {
            step(index).map(|step| CalibrationImage { path, index, step: Some(step) })
        });
        clean.chain(corrupted)
    }

    /// At most `limit` of [`iter`](Self::iter), evenly taken.
    pub fn evenly(&self, limit: usize) -> impl Iterator<Item = CalibrationImage<'_>> {
        let count = self.count();
        let limit = limit.min(count);
        // the k-th of `limit` is number k * count / limit
        let taken = move |number: usize| {
            number == 0 || number * limit / count.max(1) != (number - 1) * limit / count.max(1)
        };
        self.iter().enumerate().filter(move |(number, _)| limit > 0 && taken(*number)).map(|(_, image)| image)
    }

    /// How many [`iter`](Self::iter) gives.
    #[must_use]
    pub fn count(&self) -> usize {
        self.paths.len() * if self.steps.is_empty() { 1 } else { 2 }
    }

    /// The corruptions.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
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
        Ok(hexadecimal(&hash.finalize()))
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
    corruptor: Corruptor,
    picture: Picture,
}

impl Loader {
    pub(super) fn new(input: &InputSpec, images: &CalibrationImages) -> Self {
        let options = CorruptorOptions { seed: images.seed, ..CorruptorOptions::default() };
        Self {
            decoder: CompressedDecoder::new(DecodeLimits::default()),
            preprocessor: Preprocessor::new(input),
            corruptor: Corruptor::new(options),
            picture: Picture::default(),
        }
    }

    /// Fills `tensor`, the same from call to call.
    pub(super) fn load(
        &mut self,
        image: CalibrationImage<'_>,
        tensor: &mut [f32],
    ) -> Result<(), CompressError> {
        let wrong = |problem: String| CompressError::Image { path: image.path.to_owned(), problem };
        let bytes = read(image.path)?;
        let pixels = self.decoder.decode("", &bytes).map_err(|error| wrong(error.to_string()))?;
        let Some(step) = image.step else {
            self.preprocessor.run(&pixels, tensor)?;
            return Ok(());
        };
        let key = FrameKey { camera: 0, index: image.index as u64, stamp_ns: 0 };
        self.picture.assign(&pixels).map_err(|error| wrong(error.to_string()))?;
        // corruptions of the stream drop frames; on a single image the picture stays as it is
        let _ = self
            .corruptor
            .corrupt(&mut self.picture, &[step], key)
            .map_err(|error| wrong(error.to_string()))?;
        let pixels = self.picture.view().map_err(|error| wrong(error.to_string()))?;
        self.preprocessor.run(&pixels, tensor)?;
        Ok(())
    }
}
