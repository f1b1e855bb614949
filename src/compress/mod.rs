//! Compression: smaller and faster variants of a model, made from its ONNX file.
//!
//! [`graph`] loads, edits and saves ONNX; [`int8`] quantises after training. What is there and what is not:
//! `docs/compression.md`.
#![allow(clippy::doc_markdown, reason = "the names of models and products are no code")]

pub mod channels;
mod error;
mod facts;
mod fidelity;
pub mod fp16;
pub mod gate;
pub mod graph;
mod images;
pub mod inspect;
pub mod int8;
pub mod recipe;
pub mod reconstruct;
mod runner;
mod shapes;
pub mod simplify;
pub mod sparse;

#[cfg(test)]
mod testing;

use std::collections::HashSet;

pub use error::CompressError;
pub use fidelity::Reference;
pub use images::{CalibrationImage, CalibrationImages};
pub use runner::{Elements, InferenceSession, OutputTensor};
pub use shapes::Shapes;

/// The nodes that options name; each has to be one of the model's.
fn named_nodes(model: &graph::Model, names: &[String]) -> Result<HashSet<String>, CompressError> {
    let known: Vec<&str> = model.graph().node.iter().map(graph::node_name).collect();
    for name in names {
        if !known.contains(&name.as_str()) {
            let similar = known.iter().map(|known| (strsim::jaro_winkler(known, name), *known));
            let nearest = similar.max_by(|a, b| a.0.total_cmp(&b.0)).filter(|near| near.0 > 0.8);
            return Err(CompressError::UnknownNode {
                name: name.clone(),
                nearest: nearest.map(|near| near.1.to_owned()),
            });
        }
    }
    Ok(names.iter().cloned().collect())
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done, such as `calibration`.
    pub what: &'static str,
    /// Runs done.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
}
