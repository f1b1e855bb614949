//! Activations in memory.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::Layer;
use crate::compress::facts::Facts;
use crate::compress::graph::proto::{GraphProto, NodeProto, ValueInfo};
use crate::compress::graph::{Index, node_name};

/// Bytes of activations, as the graph is written: ONNX Runtime shares and saves some of them. Between nodes that compute in
/// int8 only the integers count: `QuantizeLinear` and `DequantizeLinear` there become part of the nodes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Memory {
    /// All tensors that depend on the image, the input included.
    pub total_bytes: usize,
    /// The most that is needed at once, if nodes run in their order: while a node runs, its inputs and outputs, what later
    /// nodes use, and outputs of the model that are done.
    pub peak_bytes: usize,
    /// The node that runs then.
    pub peak_node: Option<String>,
}

impl Memory {
    /// `layers` are those of the graph's nodes.
    pub(super) fn of(
        graph: &GraphProto,
        index: &Index,
        facts: &Facts,
        fixed: &HashSet<String>,
        layers: &[Layer],
    ) -> Self {
        let inside = inside(graph, index, layers);
        let end = graph.node.len();
        let mut last_use: HashMap<&str, usize> = HashMap::new();
        for (number, node) in graph.node.iter().enumerate() {
            // what nobody uses is there while it is made
            last_use.extend(node.output.iter().map(|output| (output.as_str(), number)));
            for input in &node.input {
                last_use.insert(input, number);
                // who uses floats that are never there uses the integers that they would be made of
                let maker = index.producer(input).filter(|_| inside.contains(input.as_str()));
                let integers =
                    maker.and_then(|maker| graph.node.get(maker)).filter(|node| is_dequantising(node));
                if let Some(integers) = integers.and_then(|node| node.input.first()) {
                    last_use.insert(integers, number);
                }
            }
        }
        last_use.extend(graph.output.iter().map(|value| (value.name(), end)));
        let size = |tensor: &str| {
            if fixed.contains(tensor) || inside.contains(tensor) { 0 } else { facts.bytes(tensor) }
        };
        let mut live: Vec<&str> = graph.input.iter().map(ValueInfo::name).collect();
        let mut found = Self { total_bytes: live.iter().map(|tensor| size(tensor)).sum(), ..Self::default() };
        for (number, node) in graph.node.iter().enumerate() {
            live.extend(node.output.iter().map(String::as_str));
            found.total_bytes += node.output.iter().map(|output| size(output)).sum::<usize>();
            let now: usize = live.iter().map(|tensor| size(tensor)).sum();
            if now > found.peak_bytes {
                found.peak_bytes = now;
                found.peak_node = Some(node_name(node).to_owned());
            }
            live.retain(|tensor| last_use.get(tensor).is_some_and(|last| *last > number));
        }
        found
    }
}

fn is_dequantising(node: &NodeProto) -> bool {
    node.op_type() == "DequantizeLinear"
}

/// Floats between nodes that compute in int8: their outputs, which are quantised at once, and what was dequantised for them.
fn inside<'a>(graph: &'a GraphProto, index: &Index, layers: &[Layer]) -> HashSet<&'a str> {
    let integer = |number: usize| layers.get(number).is_some_and(|layer| layer.precision == Some("int8"));
    let mut inside = HashSet::new();
    for (number, node) in graph.node.iter().enumerate() {
        let becomes = |output: &&String| {
            let users = index.consumers(output);
            let all = !users.is_empty() && users.iter().all(|user| integer(user.node));
            let part = integer(number) || (is_dequantising(node) && all);
            part && !index.is_output(output)
        };
        // operators of integers (`QLinearConv`) put integers out
        let own = !node.op_type().starts_with("QLinear") && !node.op_type().ends_with("Integer");
        let outputs = node.output.iter().filter(|_| own && node.op_type() != "QGemm");
        inside.extend(outputs.filter(becomes).map(String::as_str));
    }
    inside
}
