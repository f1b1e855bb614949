//! Activations in memory.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::compress::facts::Facts;
use crate::compress::graph::node_name;
use crate::compress::graph::proto::{GraphProto, ValueInfo};

/// Bytes of activations, as the graph is written: ONNX Runtime shares and saves some of them.
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
    pub(super) fn of(graph: &GraphProto, facts: &Facts, fixed: &HashSet<String>) -> Self {
        let end = graph.node.len();
        let mut last_use: HashMap<&str, usize> = HashMap::new();
        for (number, node) in graph.node.iter().enumerate() {
            // what nobody uses is there while it is made
            last_use.extend(node.output.iter().map(|output| (output.as_str(), number)));
            last_use.extend(node.input.iter().map(|input| (input.as_str(), number)));
        }
        last_use.extend(graph.output.iter().map(|value| (value.name(), end)));
        let size = |tensor: &str| if fixed.contains(tensor) { 0 } else { facts.bytes(tensor) };
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
