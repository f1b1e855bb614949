//! Cleaning a graph up: what gives the same outputs with less.
//!
//! Exporters leave behind constants as nodes, arithmetic on shapes, batch normalisations, paddings and nodes that do
//! nothing. They hide weights from what compresses, and some cost time. What is done here changes outputs by no more than
//! float32 rounds.

mod affine;
mod constants;
mod editor;
mod idle;
mod pads;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::Serialize;

use super::CompressError;
use super::facts::Facts;
use super::graph::Model;
use super::graph::proto::{Dimension, GraphProto};
pub(super) use constants::lift;
use editor::Editor;

/// What is undone by one pass can make room for another; more rounds than this are never needed.
const MAX_ROUNDS: usize = 16;

/// What was done.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Report {
    /// Nodes before.
    pub nodes_before: usize,
    /// Nodes after.
    pub nodes_after: usize,
    /// `Constant` nodes that became initialisers.
    pub lifted: usize,
    /// Nodes whose inputs are all constant, replaced by their result.
    pub folded: usize,
    /// Batch normalisations that went into the `Conv`, `ConvTranspose` or `Gemm` before them.
    pub batch_norms: usize,
    /// Additions and multiplications by channel that went into such a node.
    pub affine: usize,
    /// Paddings that went into convolutions.
    pub pads: usize,
    /// Nodes that did nothing.
    pub idle: usize,
    /// Pairs of transpositions or reshapes that became one.
    pub joined: usize,
    /// Nodes whose outputs nobody used.
    pub dead: usize,
    /// Numbers that were there more than once.
    pub duplicates: usize,
    /// By output tensor of a node that took in a batch normalisation: the magnitudes of the latter's factors, one per
    /// channel. How much a channel matters, says network slimming (Liu et al., ICCV 2017).
    pub scales: HashMap<String, Vec<f32>>,
}

impl Report {
    fn changes(&self) -> usize {
        self.lifted
            + self.folded
            + self.batch_norms
            + self.affine
            + self.pads
            + self.idle
            + self.joined
            + self.dead
            + self.duplicates
    }
}

/// Cleans a model up for an input of `input_shape`, which its input has from then on. Names of outputs, of nodes that stay
/// and the order stay.
///
/// # Errors
/// The nodes have no order, or ONNX Runtime refuses the model.
pub fn simplify(model: &Model, input_shape: &[i64]) -> Result<(Model, Report), CompressError> {
    let mut model = model.clone();
    let mut report = Report { nodes_before: model.graph().node.len(), ..Report::default() };
    let inputs = model.graph().input.len();
    fix_input(model.graph_mut(), input_shape);
    if model.graph().input.len() < inputs {
        // before version 4 of the format every constant had to be an input too
        model.require_ir_version(4);
    }
    model.graph_mut().sort()?;
    for _ in 0..MAX_ROUNDS {
        let before = report.changes();
        report.lifted += lift(model.graph_mut());
        report.dead += model.graph_mut().remove_dead();
        let facts = Facts::of(&model, input_shape)?;
        let graph = std::mem::take(model.graph_mut());
        let mut editor = Editor::new(graph, &facts, std::mem::take(&mut report.scales));
        report.folded += editor.each(constants::fold);
        report.idle += editor.each(idle::remove);
        report.joined += editor.each(idle::join);
        report.pads += editor.each(pads::fold);
        report.batch_norms += editor.each(affine::fold_batch_norm);
        report.affine += editor.each(affine::fold_arithmetic);
        let (mut graph, scales) = editor.finish();
        report.scales = scales;
        report.dead += graph.remove_dead();
        report.duplicates += constants::merge(&mut graph);
        *model.graph_mut() = graph;
        if report.changes() == before {
            break;
        }
    }
    report.nodes_after = model.graph().node.len();
    Ok((model, report))
}

/// The model for an input of `input_shape` with constants worked out ahead and nodes that nobody uses gone, and nothing
/// else: weights keep their names and stay apart from the batch normalisations behind them.
///
/// # Errors
/// As [`simplify`].
pub fn fold_constants(model: &Model, input_shape: &[i64]) -> Result<Model, CompressError> {
    let mut model = model.clone();
    let inputs = model.graph().input.len();
    fix_input(model.graph_mut(), input_shape);
    if model.graph().input.len() < inputs {
        model.require_ir_version(4);
    }
    model.graph_mut().sort()?;
    lift(model.graph_mut());
    model.graph_mut().remove_dead();
    let facts = Facts::of(&model, input_shape)?;
    let mut editor = Editor::new(std::mem::take(model.graph_mut()), &facts, HashMap::new());
    editor.each(constants::fold);
    let (mut graph, _) = editor.finish();
    graph.remove_dead();
    *model.graph_mut() = graph;
    Ok(model)
}

/// Constants are no inputs, and the input that is left has this shape.
fn fix_input(graph: &mut GraphProto, shape: &[i64]) {
    let constants = &graph.initializer;
    graph.input.retain(|value| constants.iter().all(|tensor| tensor.name() != value.name()));
    let declared = graph.input.first_mut().and_then(|value| value.r#type.as_mut());
    let declared = declared.and_then(|kind| kind.tensor_type.as_mut()).and_then(|kind| kind.shape.as_mut());
    if let Some(declared) = declared.filter(|declared| declared.dim.len() == shape.len()) {
        for (dim, side) in declared.dim.iter_mut().zip(shape) {
            if dim.dim_value != Some(*side) {
                *dim = Dimension { dim_value: Some(*side), ..Dimension::default() };
            }
        }
    }
}
