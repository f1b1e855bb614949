//! Half precision: weights and arithmetic in 16-bit floats.
//!
//! Halves the file, and is faster where the hardware has half-precision units (GPUs; the CPU kernels of ONNX Runtime mostly
//! compute in float32 all the same). What would overflow, what ONNX does not define for float16, and what float16 is too
//! coarse for stays float32, with casts around it. After Micikevicius et al., "Mixed Precision Training" (ICLR 2018).

mod float;
mod plan;
mod ranges;
mod rewrite;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::graph::{Index, Model, node_name};
use super::{CalibrationImages, CompressError, Progress, named_nodes, simplify};
use crate::detector::manifest::InputSpec;
use plan::Plan;

/// What becomes half precision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Names of nodes that stay in float32.
    pub exclude: Vec<String>,
    /// What is left between the largest magnitude seen on the images and 65504, the largest that float16 has: nodes stay
    /// float32 where the former times this is beyond the latter. From 1 to 65504.
    pub margin: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self { exclude: Vec::new(), margin: 2.0 }
    }
}

/// Why a node stays in float32.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// It was named in [`Options::exclude`].
    Excluded,
    /// ONNX does not define the operator for float16, or float16 is too coarse for what it does.
    Operator,
    /// It makes floats of integers, which float16 only keeps up to 2048.
    Integers,
    /// It touches what is 8-bit integers.
    Quantised,
    /// It touches a tensor whose values float16 may not reach.
    Range {
        /// The tensor.
        tensor: String,
        /// Its largest finite magnitude.
        largest: f32,
    },
    /// Nothing by itself: float32 around it, and casts are saved.
    FewerCasts,
}

/// A node that stays in float32.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Island {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// Why it stays.
    pub reason: Reason,
}

/// A weight tensor of which much is too small for float16.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Underflow {
    /// Its name.
    pub tensor: String,
    /// Number of its elements.
    pub elements: usize,
    /// Of these so many are below 6.1e-5 and lose bits.
    pub subnormal: usize,
    /// And so many become zero.
    pub zeroed: usize,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Names of nodes that compute in float16, in the graph's order.
    pub half: Vec<String>,
    /// Nodes that stay in float32, in the graph's order. Nodes without floats are in neither list.
    pub islands: Vec<Island>,
    /// Casts put in, those at the model's inputs and outputs included.
    pub casts: usize,
    /// Number of weights that became float16.
    pub weights: usize,
    /// Of these, not zero before but zero after.
    pub zeroed: usize,
    /// Of these, too small for all bits of float16, and not zero after.
    pub subnormal: usize,
    /// Tensors of which more than a tenth are subnormal or zeroed.
    pub underflows: Vec<Underflow>,
    /// Runs that the ranges were checked on; 0 without images, and then only those of weights were.
    pub checked_runs: usize,
    /// The tensor of the largest magnitude seen, and that magnitude.
    pub largest: Option<(String, f32)>,
}

/// Turns a model's inside to half precision; its inputs and outputs stay float32. `input` is its manifest's. With images
/// the ranges of all tensors are checked on them.
///
/// # Errors
/// [`CompressError`]: a node that does not exist, nothing that can be float16, an image that cannot be used, a model that
/// ONNX Runtime refuses.
pub fn convert(
    model: &Model,
    input: &InputSpec,
    images: Option<&CalibrationImages>,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Model, Report), CompressError> {
    let mut model = model.clone();
    // node names that were asked for may be those of constants
    let exclude = named_nodes(&model, &options.exclude)?;
    model.graph_mut().sort()?;
    simplify::lift(model.graph_mut());
    let facts = Facts::of(&model, &input.shape())?;
    let index = Index::new(model.graph());
    let mut ranges = ranges::of_weights(model.graph());
    if let Some(images) = images {
        ranges::of_activations(&mut ranges, &model, &facts, input, images, progress)?;
    }
    let plan = Plan::new(model.graph(), model.opset(), &index, &facts, &exclude, |tensor| {
        ranges.beyond(tensor, options.margin)
    });
    if !plan.half.contains(&true) {
        return Err(CompressError::NothingToHalve { path: model.path().to_owned() });
    }
    let nodes = || model.graph().node.iter().zip(&plan.half).zip(&plan.reasons);
    let half = nodes().filter(|((_, half), _)| **half);
    let half = half.map(|((node, _), _)| node_name(node).to_owned()).collect();
    let island = |((node, _), reason): ((&super::graph::proto::NodeProto, &bool), &Option<Reason>)| {
        let (node, operator) = (node_name(node).to_owned(), node.op_type().to_owned());
        reason.clone().map(|reason| Island { node, operator, reason })
    };
    let islands = nodes().filter_map(island).collect();
    let done = rewrite::rewrite(model.graph_mut(), &plan, &index, &facts)?;
    model.set_producer("roadproof", env!("CARGO_PKG_VERSION"));
    let report = Report {
        half,
        islands,
        casts: done.casts,
        weights: done.weights.iter().map(|tensor| tensor.elements).sum(),
        zeroed: done.weights.iter().map(|tensor| tensor.zeroed).sum(),
        subnormal: done.weights.iter().map(|tensor| tensor.subnormal).sum(),
        underflows: done
            .weights
            .into_iter()
            .filter(|tensor| 10 * (tensor.subnormal + tensor.zeroed) > tensor.elements)
            .collect(),
        checked_runs: images.map_or(0, CalibrationImages::count),
        largest: ranges.largest(),
    };
    Ok((model, report))
}
