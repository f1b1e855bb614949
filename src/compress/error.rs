use std::path::{Path, PathBuf};

use super::graph::GraphError;
use crate::data::dataset::DatasetError;
use crate::detector::DetectorError;
use crate::evaluation::study::StudyError;

/// Why a model cannot be compressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompressError {
    /// The model's graph.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The model under ONNX Runtime, or an image before it.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// The dataset of the calibration images.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// There is nothing to calibrate on.
    #[error(
        "calibration: expected images (.jpg, .jpeg, .png) in {path}, found none",
        path = path.display()
    )]
    NoImages {
        /// The folder or dataset.
        path: PathBuf,
    },
    /// An image cannot be used.
    #[error("calibration image {path}: {problem}", path = path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A node was named that the model does not have.
    #[error("the model has no node `{name}`{}", hint(nearest.as_deref()))]
    UnknownNode {
        /// The name.
        name: String,
        /// The most similar one.
        nearest: Option<String>,
    },
    /// The operators are too old for quantisation by channel.
    #[error(
        "model `{path}`: quantisation by channel needs operators of ONNX 13 or newer, found opset {found}. Convert it with \
         onnx.version_converter, or export it again",
        path = path.display()
    )]
    Opset {
        /// The model.
        path: PathBuf,
        /// Its opset.
        found: i64,
    },
    /// No node of the model can be quantised, or all are excluded.
    #[error(
        "model `{path}`: expected Conv, Gemm or MatMul with constant float32 weights, found none that is not excluded",
        path = path.display()
    )]
    NothingToQuantise {
        /// The model.
        path: PathBuf,
    },
    /// A layer cannot be fitted to the unpruned model.
    #[error("reconstruction of node `{node}`: {problem}")]
    Reconstruct {
        /// The node.
        node: String,
        /// Why.
        problem: String,
    },
    /// No node of the model can be half precision, or all are excluded.
    #[error(
        "model `{path}`: expected nodes that can compute in float16, found none that is not excluded or beyond its range \
         (a model of 8-bit integers stays as it is)",
        path = path.display()
    )]
    NothingToHalve {
        /// The model.
        path: PathBuf,
    },
    /// Mixed precision found nothing.
    #[error(
        "model `{path}`: mixed precision: with even one of its {layers} layers in integers it loses more than the gate allows; \
         allow more, or calibrate on other images",
        path = path.display()
    )]
    NothingPasses {
        /// The model.
        path: PathBuf,
        /// Layers that could be quantised.
        layers: usize,
    },
    /// A tensor has no range.
    #[error("tensor `{tensor}`: expected finite values on every calibration image, found {found} on {image}", image = image.display())]
    NotFinite {
        /// The tensor.
        tensor: String,
        /// The value.
        found: f32,
        /// The image.
        image: PathBuf,
    },
    /// A recipe cannot be used.
    #[error("recipe `{path}`: {}", placed(*place, key, problem), path = path.display())]
    Recipe {
        /// Its file.
        path: PathBuf,
        /// Line and column in characters, both from 1.
        place: Option<(usize, usize)>,
        /// Dotted key, such as `variant[0].steps[1].rate`.
        key: String,
        /// What was expected, and what was found.
        problem: String,
    },
    /// A step is at the wrong place, or lacks something.
    #[error("step {number} ({method}): {problem}")]
    Step {
        /// Which, from 1.
        number: usize,
        /// Its method.
        method: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// Nothing is to be done.
    #[error("expected at least one step (fp16, int8, structured, unstructured), found none")]
    NoSteps,
    /// A corruption of the stream makes no sense on calibration images.
    #[error(
        "'{name}' acts on a stream of frames, calibration images are no stream; choose a corruption of single images \
         (`roadproof corrupt --list`)"
    )]
    StreamCorruption {
        /// The corruption.
        name: &'static str,
    },
    /// No file can be called that.
    #[error(
        "expected a name that a file can have anywhere (letters, digits, `-`, `_`, `.`, `+`, inner spaces), found \
         '{name}'"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The accuracy gate cannot measure.
    #[error("accuracy gate: {problem}")]
    Gate {
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The accuracy gate's measurement.
    #[error("accuracy gate: {0}")]
    Study(#[from] StudyError),
    /// An option of pruning is out of its range.
    #[error("pruning: expected {option} {expected}, found {found}")]
    PruneOption {
        /// Its name.
        option: &'static str,
        /// Its range.
        expected: &'static str,
        /// What was given.
        found: String,
    },
    /// No channel or weight can be removed.
    #[error("model `{path}`: there is nothing to prune: {why}", path = path.display())]
    NothingToPrune {
        /// The model.
        path: PathBuf,
        /// What keeps everything.
        why: String,
    },
    /// Something is measured on images, and there are none.
    #[error("pruning: {what} is measured on calibration images, found none: give some")]
    PruneImages {
        /// What is measured.
        what: &'static str,
    },
}

impl CompressError {
    /// That a tensor holds `found`, which is no number, on an image.
    pub(super) fn not_finite(tensor: &str, found: f32, image: &Path) -> Self {
        Self::NotFinite { tensor: tensor.to_owned(), found, image: image.to_owned() }
    }
}

fn placed(place: Option<(usize, usize)>, key: &str, problem: &str) -> String {
    let place = place.map_or_else(String::new, |(line, column)| format!("line {line}, column {column}: "));
    let key = if key.is_empty() { String::new() } else { format!("`{key}`: ") };
    format!("{place}{key}{problem}")
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
