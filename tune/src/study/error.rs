//! What can go wrong in a study.

use std::path::{Path, PathBuf};

use roadproof::compress::CompressError;
use roadproof::data::dataset::DatasetError;
use roadproof::detector::DetectorError;
use roadproof::evaluation::study::StudyError as EvaluationError;
use roadproof::report::ReportError;

/// Why a study cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// A file of options.
    #[error("{path}: {problem}", path = path.display())]
    Options {
        /// It.
        path: PathBuf,
        /// The key, what was expected, what was found.
        problem: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {what}: {source}", path = path.display())]
    File {
        /// It.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it did not work.
        source: std::io::Error,
    },
    /// A file that a study wrote is none any more, or cannot be made.
    #[error("{path}: {source}", path = path.display())]
    Json {
        /// It.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// The results of a cell do not fit those of the others.
    #[error("cell {cell}: {problem}")]
    Cell {
        /// Its name.
        cell: String,
        /// What was expected, what was found.
        problem: String,
    },
    /// A training run failed.
    #[error("cell {cell}: training failed: {source}")]
    Training {
        /// Its name.
        cell: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No seed has all its cells, so there is nothing to compare.
    #[error(
        "nothing to analyse: expected every compression in every arm for at least one seed, \
         found {found} of {wanted} cells"
    )]
    Incomplete {
        /// Cells that have results.
        found: usize,
        /// Cells of the plan.
        wanted: usize,
    },
    /// A model cannot be compressed.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// A model cannot be loaded.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// Images or labels cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A model cannot be measured.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The report cannot be rendered.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl StudyError {
    /// For `map_err` of file operations.
    pub(super) fn file(path: &Path, what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, what, source }
    }

    /// For `map_err` of reading and writing JSON.
    pub(super) fn json(path: &Path) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Json { path, source }
    }
}
