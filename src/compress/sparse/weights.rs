//! The weights of all layers, and which of them become zero.

use std::collections::HashSet;

use super::Layer;
use crate::compress::graph::proto::{AttributeProto, GraphProto, NodeProto};
use crate::compress::graph::{GraphError, Index, node_name};

/// The weights of a layer.
pub(super) struct Weights {
    pub(super) initialiser: usize,
    pub(super) values: Vec<f32>,
    /// Why they stay.
    pub(super) left: Option<String>,
    name: String,
    operator: String,
    dims: Vec<usize>,
    /// The axis of the input channels.
    axis: usize,
    /// Input channels whose weights follow each other on that axis for the same output.
    run: usize,
}

/// The weights of all layers, each tensor once.
pub(super) fn find(graph: &GraphProto, excluded: &HashSet<String>) -> Result<Vec<Weights>, GraphError> {
    let index = Index::new(graph);
    let mut known = HashSet::new();
    let mut found = Vec::new();
    for node in &graph.node {
        if !is_layer(node) {
            continue;
        }
        let Some(number) = node.input.get(1).and_then(|name| index.initialiser(name)) else { continue };
        let Some(tensor) = graph.initializer.get(number).filter(|tensor| tensor.is_f32()) else { continue };
        if tensor.dims.len() < 2 || tensor.count() == 0 || !known.insert(number) {
            continue;
        }
        let consumers = index.consumers(tensor.name()).iter();
        let mut users =
            consumers.filter_map(|consumer| Some((consumer.input, graph.node.get(consumer.node)?)));
        let left = users.find_map(|(input, user)| {
            if excluded.contains(node_name(user)) {
                Some("excluded".to_owned())
            } else if input != 1 || !is_layer(user) {
                Some(format!("`{}` uses them too", node_name(user)))
            } else {
                None
            }
        });
        let dims: Vec<usize> = tensor.dims.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
        let axis = match node.op_type() {
            "Conv" => 1,
            "Gemm" => usize::from(node.attribute("transB").is_some_and(|attribute| attribute.i() != 0)),
            "MatMul" => dims.len() - 2,
            _ => 0,
        };
        let side = dims.get(axis).copied().unwrap_or(0);
        let groups = node.attribute("group").map_or(1, AttributeProto::i).max(1) as usize;
        let run = if node.op_type() == "ConvTranspose" { side / groups } else { side };
        found.push(Weights {
            initialiser: number,
            values: tensor.f32_values()?,
            left,
            name: node_name(node).to_owned(),
            operator: node.op_type().to_owned(),
            dims,
            axis,
            run,
        });
    }
    Ok(found)
}

fn is_layer(node: &NodeProto) -> bool {
    matches!(node.domain(), "" | "ai.onnx")
        && matches!(node.op_type(), "Conv" | "ConvTranspose" | "Gemm" | "MatMul")
}

/// Sets this share of the values to zero, the smallest magnitudes first. What is zero already counts.
pub(super) fn zero(values: &mut [&mut f32], rate: f64) {
    let count = ((values.len() as f64 * rate).round() as usize).min(values.len());
    // stable: among alike ones the first go
    values.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    for value in values.iter_mut().take(count) {
        **value = 0.0;
    }
}

impl Weights {
    /// Of every `group` input channels that follow each other, `keep` weights of each output and place stay. Where the
    /// channels are no whole number of groups, all do.
    pub(super) fn thin_out(&mut self, keep: usize, group: usize) {
        if !self.run.is_multiple_of(group) {
            self.left = Some(format!("{} input channels are no whole number of {group}", self.run));
            return;
        }
        let side = self.dims.get(self.axis).copied().unwrap_or(1).max(1);
        let behind: usize = self.dims.iter().skip(self.axis + 1).product::<usize>().max(1);
        for block in self.values.chunks_mut(side * behind) {
            for rows in block.chunks_mut(group * behind) {
                for place in 0..behind {
                    let mut values: Vec<&mut f32> = rows.iter_mut().skip(place).step_by(behind).collect();
                    values.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
                    for value in values.into_iter().take(group - keep) {
                        *value = 0.0;
                    }
                }
            }
        }
    }

    pub(super) fn into_layer(self) -> Layer {
        Layer {
            weights: self.values.len(),
            zeros: self.values.iter().filter(|value| **value == 0.0).count(),
            name: self.name,
            operator: self.operator,
            left: self.left,
        }
    }
}

/// Bytes of all weights after zstd.
pub(super) fn packed(tensors: &[Weights]) -> usize {
    let bytes: Vec<u8> =
        tensors.iter().flat_map(|tensor| &tensor.values).flat_map(|value| value.to_le_bytes()).collect();
    // packing into memory does not fail
    zstd::bulk::compress(&bytes, 3).map_or(bytes.len(), |packed| packed.len())
}
