//! What can go wrong in a run.

use std::path::PathBuf;

use roadproof::compress::CompressError;
use roadproof::compress::graph::GraphError;
use roadproof::detector::DetectorError;

use crate::data::DataError;
use crate::engine::{LoadError, RunError};
use crate::imbalance::ImbalanceError;
use crate::losses::LossError;

/// Why training could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The run's file.
    #[error("{path}: {problem}")]
    Options {
        /// It.
        path: PathBuf,
        /// What is wrong with it, with the line where that is known.
        problem: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {what}: {source}")]
    File {
        /// It.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        source: std::io::Error,
    },
    /// A checkpoint is not one, or not of this run.
    #[error("{path}: {problem}")]
    Checkpoint {
        /// Its folder.
        path: PathBuf,
        /// What was expected and found.
        problem: String,
    },
    /// The loss or a gradient is no number any more.
    #[error(
        "step {step}: {what} is {value}; the weights of before this step are kept in {kept}. A lower learning rate \
         ([schedule] rate) or a lower limit of gradients ([training] clip) may help"
    )]
    NotFinite {
        /// The step, from 0.
        step: u64,
        /// What it was seen at.
        what: String,
        /// What was seen.
        value: f64,
        /// Where the last good weights are.
        kept: PathBuf,
    },
    /// Parent and student are not of the same kind.
    #[error("{student} cannot learn from {parent}: {problem}")]
    Mismatch {
        /// The student's manifest.
        student: PathBuf,
        /// The parent's.
        parent: PathBuf,
        /// What differs.
        problem: String,
    },
    /// The parent does not put out what the loss needs.
    #[error("the parent {path} gives no float32 tensor \"{name}\"")]
    ParentTensor {
        /// The parent's file.
        path: PathBuf,
        /// The tensor.
        name: String,
    },
    /// Threads cannot be had.
    #[error("no threads to train on: {problem}")]
    Threads {
        /// Why.
        problem: String,
    },
    /// The graph.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A run of the network.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Images.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Rare classes.
    #[error(transparent)]
    Imbalance(#[from] ImbalanceError),
    /// Losses.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// The detector.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// A graph that cannot be read or written.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Pruning, or measuring.
    #[error(transparent)]
    Compress(#[from] CompressError),
}

impl TrainError {
    /// For `map_err` of file operations.
    pub(super) fn file(path: &std::path::Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what, source }
    }
}
