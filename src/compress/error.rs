use std::path::PathBuf;

use super::graph::GraphError;
use crate::data::dataset::DatasetError;
use crate::detector::DetectorError;

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

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
