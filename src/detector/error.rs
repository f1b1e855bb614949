//! What can go wrong in the detector.

use std::fmt;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::Provider;

/// An error of the detector room.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectorError {
    /// The manifest or its class list cannot be read.
    #[error("cannot read {what} `{}`: {source}", path.display())]
    Read {
        /// What the file is for: "the model manifest", "the class list", "the model".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The manifest's contents are wrong.
    #[error("{}", display_issues(path, issues))]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Everything that is wrong with it, in the order of the file.
        issues: Vec<ManifestIssue>,
    },
    /// The model file is not a model; told without asking ONNX Runtime.
    #[error("model `{}` {problem}", path.display())]
    ModelFile {
        /// The model file.
        path: PathBuf,
        /// What it is instead.
        problem: ModelFileProblem,
    },
    /// The model file is not the one that the manifest describes.
    #[error(
        "model `{}` has another SHA-256 than its manifest says: expected {expected}, found {found}. Fetch or build \
         the model again, or, where the change is meant, put the new hash into the manifest",
        path.display()
    )]
    Hash {
        /// The model file.
        path: PathBuf,
        /// The manifest's hash, lower-case hexadecimal.
        expected: String,
        /// The file's hash, lower-case hexadecimal.
        found: String,
    },
    /// ONNX Runtime's shared library is not to be had.
    #[error(
        "ONNX Runtime (1.{minimum_minor} or newer) could not be loaded. Install it (the PyPI package `onnxruntime`, \
         or `onnxruntime-gpu` for CUDA and TensorRT, holds it as `onnxruntime/capi/libonnxruntime.so.*`) and set \
         ORT_DYLIB_PATH to the library file. Tried:{}",
        display_attempts(attempts)
    )]
    RuntimeLibrary {
        /// The oldest minor version that will do.
        minimum_minor: u32,
        /// Each place that was looked at, with the reason against it.
        attempts: Vec<(PathBuf, String)>,
    },
    /// The provider policy makes no sense.
    #[error("execution providers: {problem}")]
    ProviderPolicy {
        /// What is wrong.
        problem: String,
    },
    /// None of the providers that may be used came up.
    #[error("no execution provider came up for model `{}`:{}", path.display(), display_failures(failures))]
    Providers {
        /// The model file.
        path: PathBuf,
        /// Each provider that was tried, with its failure.
        failures: Vec<ProviderFailure>,
    },
    /// Frames cannot be prepared on the GPU, which was required.
    #[error("model `{}`: frames cannot be prepared and candidates picked on the GPU (`gpu_path` is `require`): {reason}", path.display())]
    GpuPath {
        /// The model file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// ONNX Runtime refuses the model.
    #[error("ONNX Runtime cannot load model `{}`: {message}", path.display())]
    Session {
        /// The model file.
        path: PathBuf,
        /// ONNX Runtime's message, with our reading of it.
        message: String,
    },
    /// The model's inputs are not what the manifest says.
    #[error("model `{}`: expected {expected}, found {found}", path.display())]
    Input {
        /// The model file.
        path: PathBuf,
        /// The input that the manifest describes.
        expected: String,
        /// The input(s) that the model has.
        found: String,
    },
    /// The model's outputs do not fit the manifest's decoder.
    #[error("model `{}`, decoder `{decoder}`: expected {expected}, found {found}", path.display())]
    Outputs {
        /// The model file.
        path: PathBuf,
        /// Name of the decoder.
        decoder: &'static str,
        /// The outputs that the decoder wants.
        expected: String,
        /// The outputs that the model has.
        found: String,
    },
    /// Model and manifest disagree about the number of classes.
    #[error(
        "model `{}`, decoder `{decoder}`: expected {expected} classes (the manifest's `classes`), found {found} in \
         output `{output}` of shape {shape}",
        path.display()
    )]
    ClassCount {
        /// The model file.
        path: PathBuf,
        /// Name of the decoder.
        decoder: &'static str,
        /// Classes in the manifest.
        expected: usize,
        /// Classes in the model.
        found: usize,
        /// The output that tells.
        output: String,
        /// That output's shape.
        shape: String,
    },
    /// The scores of the warm-up run are no probabilities.
    #[error(
        "model `{}`, decoder `{decoder}`: expected scores from 0 to 1, found {found}. If the model puts out logits, \
         set `decoder.activation = \"sigmoid\"` in its manifest",
        path.display()
    )]
    ScoreRange {
        /// The model file.
        path: PathBuf,
        /// Name of the decoder.
        decoder: &'static str,
        /// A score outside the range.
        found: f32,
    },
    /// A threshold has no usable value.
    #[error("threshold `{key}`: expected {expected}, found {found}")]
    Thresholds {
        /// The threshold.
        key: String,
        /// The values it may have.
        expected: String,
        /// The value it has.
        found: String,
    },
    /// An image cannot be brought to the model's input.
    #[error("preprocessing a {width}x{height} image: {message}")]
    Preprocess {
        /// Width of the image, pixels.
        width: u32,
        /// Height of the image, pixels.
        height: u32,
        /// What went wrong.
        message: String,
    },
    /// Images for one run of the model that it cannot take.
    #[error(
        "one run takes 1 to {most} images with a place for the result of each, found {images} images and {places} places"
    )]
    Batch {
        /// Images given.
        images: usize,
        /// Places for results.
        places: usize,
        /// The most that the model takes.
        most: usize,
    },
    /// More images in one run were asked for than can be.
    #[error("`max_batch`: expected 1 to {most} images in one run, found {found}")]
    MaxBatch {
        /// The value found.
        found: usize,
        /// The largest value that it may have.
        most: usize,
    },
    /// The model's input says that it takes several images, but the model does not.
    #[error(
        "model `{}` cannot take {images} images in one run, although the first dimension of its input is free: \
         {problem}. Export it with a batch that is free from end to end, or have it take one image in a run \
         (`max_batch`, the node's `batch_max`)",
        path.display()
    )]
    BatchModel {
        /// The model file.
        path: PathBuf,
        /// How many images were tried.
        images: usize,
        /// What was expected and found.
        problem: String,
    },
    /// A run of the model failed.
    #[error("inference with model `{name}` failed: {message}")]
    Inference {
        /// The model's name.
        name: String,
        /// What went wrong.
        message: String,
    },
}

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestIssue {
    /// Line in the file, from 1; `None` for a manifest that was not read from a file.
    pub line: Option<usize>,
    /// Column in the line in characters, from 1.
    pub column: Option<usize>,
    /// Dotted key, e.g. `input.width`; empty where the file is no TOML at all.
    pub key: String,
    /// What is expected, what was found, what to do.
    pub message: String,
}

/// What a model file is instead of a model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileProblem {
    /// There is nothing of this name.
    #[error("does not exist. Fetch or build it first, or correct `file` in the manifest")]
    Missing,
    /// A folder or the like.
    #[error("is not a regular file")]
    NotAFile,
    /// No bytes.
    #[error(
        "is empty: expected an ONNX model, found 0 bytes. The download was probably cut off; fetch it again"
    )]
    Empty,
    /// A page that a download got instead of the file.
    #[error(
        "is a web page: expected an ONNX model, found HTML. The download was probably answered with an error or \
         login page; fetch it again"
    )]
    Html,
    /// A pointer that stands for the file in a Git repository.
    #[error(
        "is a Git LFS pointer: expected an ONNX model, found the text that stands for it. Run `git lfs pull`"
    )]
    LfsPointer,
    /// A zip archive, the format of PyTorch checkpoints and NumPy archives.
    #[error(
        "is a zip archive (a PyTorch checkpoint is one): expected an ONNX model. Export it to ONNX first"
    )]
    Zip,
}

/// Why a provider did not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFailure {
    /// The provider.
    pub provider: Provider,
    /// The reason, and what is missing.
    pub message: String,
}

impl fmt::Display for ProviderFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.provider, self.message)
    }
}

impl fmt::Display for ManifestIssue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}, column {}: ", self.column.unwrap_or(1))?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

fn display_issues(path: &Path, issues: &[ManifestIssue]) -> String {
    let path = path.display();
    if let [only] = issues {
        return format!("model manifest `{path}`: {only}");
    }
    lines(format!("model manifest `{path}`: {} problems", issues.len()), issues)
}

fn display_attempts(attempts: &[(PathBuf, String)]) -> String {
    let attempts = attempts.iter().map(|(path, reason)| format!("{}: {reason}", path.display()));
    lines(String::new(), attempts)
}

fn display_failures(failures: &[ProviderFailure]) -> String {
    lines(String::new(), failures)
}

/// `start`, and each item on a line of its own.
fn lines(start: String, items: impl IntoIterator<Item = impl fmt::Display>) -> String {
    items.into_iter().fold(start, |mut text, item| {
        let _ = write!(text, "\n  {item}"); // writing to a string cannot fail
        text
    })
}
