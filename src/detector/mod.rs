//! The detector: manifest, ONNX Runtime session, pre- and postprocessing.
//!
//! [`ModelManifest::load`] reads what a model is, [`Detector::load`] opens it, [`Detector::detect`] finds objects.
//! The stages are public on their own for benchmarks and tests: [`preprocess`], [`decode`], [`nms`].
#![allow(clippy::doc_markdown, reason = "the names of models and products are no code")]

mod agreement;
pub mod decode;
mod device;
mod engine;
pub mod engine_cache;
mod error;
mod fit;
mod geometry;
mod library;
mod load_phase;
pub mod manifest;
mod model;
pub(crate) mod model_file;
pub mod nms;
mod normalise;
mod opening;
pub(crate) mod placement;
pub mod preprocess;
pub(crate) mod probe;
mod provider;
mod session;
mod thresholds;

#[cfg(test)]
pub(crate) mod test_onnx;

pub use agreement::Agreement;
pub use error::{DetectorError, ManifestIssue, ModelFileProblem, ProviderFailure};
pub use fit::Fit;
pub use geometry::{BoundingBox, Detection};
pub use load_phase::LoadPhase;
pub use manifest::ModelManifest;
pub use model::{Detector, ImageDetections, ModelInfo, StageTimes};
pub use placement::Placement;
pub use provider::{Fallback, Provider, ProviderPolicy, UnknownProvider};
pub use session::{GpuPath, MAX_BATCH, MinShare, NoShare, SessionOptions};
pub use thresholds::Thresholds;
