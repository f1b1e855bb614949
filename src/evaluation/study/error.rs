use std::path::PathBuf;

use crate::corruption::CorruptionError;
use crate::data::dataset::DatasetError;
use crate::data::source::SourceError;
use crate::detector::DetectorError;
use crate::pipeline::PipelineError;

/// Why a study cannot be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// The labels are wrong.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A model cannot be loaded.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// A recording cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A recording has several cameras.
    #[error("{path}: expected one camera, found {found} ({cameras}); a baseline is of one: choose it by its topic", path = path.display())]
    SeveralCameras {
        /// The recording.
        path: PathBuf,
        /// How many.
        found: usize,
        /// Their names.
        cameras: String,
    },
    /// No frame of a recording can be used.
    #[error("{path}: none of its {read} frames can be used{first}", path = path.display())]
    NoFrames {
        /// The recording.
        path: PathBuf,
        /// Frames that were read.
        read: usize,
        /// What was wrong with the first of them, behind a colon.
        first: String,
    },
    /// There is nothing to compare with.
    #[error(
        "{name}: expected something to compare with, found neither labels nor a detection of at least {score} in any clean frame; take frames that show what the model knows"
    )]
    NothingPublished {
        /// The dataset or recording.
        name: String,
        /// The publishing threshold.
        score: f32,
    },
    /// A recording does not give the same frames each time.
    #[error("{path}: gave {expected} frames at first and {found} under {condition}; has it changed meanwhile?", path = path.display())]
    Changed {
        /// The recording.
        path: PathBuf,
        /// Clean frames.
        expected: usize,
        /// Frames under the condition.
        found: usize,
        /// Which condition.
        condition: String,
    },
    /// An image cannot be used.
    #[error("{path}: {problem}", path = path.display())]
    Image {
        /// Its file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The detector failed on an image.
    #[error("{path}: {source}", path = path.display())]
    Pipeline {
        /// The image's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<PipelineError>,
    },
    /// A corruption failed on an image.
    #[error("{path}: {source}", path = path.display())]
    Corruption {
        /// The image's file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<CorruptionError>,
    },
    /// No class of the dataset is one of the models'.
    #[error(
        "{dataset}: none of its classes is one of the models' ({theirs}); give a class map from the dataset's to the models'"
    )]
    NothingToFind {
        /// The dataset.
        dataset: String,
        /// Its classes.
        theirs: String,
    },
    /// Models have different classes.
    #[error(
        "models of one study must have the same classes: '{first}' and '{other}' differ from class {index} on"
    )]
    DifferentClasses {
        /// Name of the first model.
        first: String,
        /// Name of the one that differs.
        other: String,
        /// Where.
        index: usize,
    },
    /// Two models have the same name.
    #[error(
        "two models are called '{name}': give each manifest a name of its own, results are told apart by it"
    )]
    SameName {
        /// The name.
        name: String,
    },
    /// A corruption of the stream makes no sense on single images.
    #[error(
        "'{name}' acts on a stream of frames; images of a dataset are no stream (`roadproof replay` plays one)"
    )]
    StreamCorruption {
        /// The corruption.
        name: &'static str,
    },
    /// The cache cannot be written.
    #[error("{path}: cannot be written: {source}", path = path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A worker thread came to an end on its own.
    #[error("a worker ended unexpectedly")]
    Worker,
}
