//! Compression: smaller and faster variants of a model, made from its ONNX file.
//!
//! [`graph`] loads, edits and saves ONNX; [`int8`] quantises after training. What is there and what is not:
//! `docs/compression.md`.
#![allow(clippy::doc_markdown, reason = "the names of models and products are no code")]

mod error;
mod fidelity;
pub mod graph;
mod images;
pub mod int8;
mod runner;
mod shapes;

pub use error::CompressError;
pub use fidelity::Reference;
pub use images::{CalibrationImage, CalibrationImages};
pub use shapes::{Shape, Shapes};
