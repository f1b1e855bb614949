//! A graph while it is edited.

use std::collections::HashMap;

use crate::compress::facts::Facts;
use crate::compress::graph::proto::{GraphProto, NodeProto, TensorProto};
use crate::compress::graph::{Consumer, Index, Names};

/// A graph, and what is known of it. Nodes that are dropped stay as empty shells until [`finish`](Self::finish), so that
/// numbers of nodes hold.
pub(super) struct Editor<'a> {
    graph: GraphProto,
    index: Index,
    names: Names,
    /// Facts are by name: a tensor keeps its name only if it keeps its value.
    pub(super) facts: &'a Facts,
    scales: HashMap<String, Vec<f32>>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(graph: GraphProto, facts: &'a Facts, scales: HashMap<String, Vec<f32>>) -> Self {
        let (index, names) = (Index::new(&graph), Names::new(&graph));
        Self { graph, index, names, facts, scales }
    }

    /// Offers every node, by its number, to `edit`, which says whether it changed anything. Returns the number of changes.
    pub(super) fn each(&mut self, edit: impl Fn(&mut Self, usize) -> bool) -> usize {
        let mut changes = 0;
        for number in 0..self.graph.node.len() {
            if edit(self, number) {
                self.index = Index::new(&self.graph);
                changes += 1;
            }
        }
        changes
    }

    pub(super) fn finish(mut self) -> (GraphProto, HashMap<String, Vec<f32>>) {
        self.graph.node.retain(|node| !node.output.is_empty());
        (self.graph, self.scales)
    }

    /// A node that is not dropped, of ONNX's own operators.
    pub(super) fn node(&self, number: usize) -> Option<&NodeProto> {
        self.graph
            .node
            .get(number)
            .filter(|node| !node.output.is_empty() && matches!(node.domain(), "" | "ai.onnx"))
    }

    pub(super) fn node_mut(&mut self, number: usize) -> Option<&mut NodeProto> {
        self.graph.node.get_mut(number)
    }

    pub(super) fn drop_node(&mut self, number: usize) {
        if let Some(node) = self.graph.node.get_mut(number) {
            *node = NodeProto::default();
        }
    }

    pub(super) fn producer(&self, tensor: &str) -> Option<usize> {
        self.index.producer(tensor)
    }

    pub(super) fn consumers(&self, tensor: &str) -> &[Consumer] {
        self.index.consumers(tensor)
    }

    pub(super) fn is_output(&self, tensor: &str) -> bool {
        self.index.is_output(tensor)
    }

    /// The one use of a tensor, if there is no other and it is no output.
    pub(super) fn only_use(&self, tensor: &str) -> Option<Consumer> {
        match self.consumers(tensor) {
            [only] if !self.is_output(tensor) => Some(*only),
            _ => None,
        }
    }

    pub(super) fn constant(&self, tensor: &str) -> Option<&TensorProto> {
        self.index.initialiser(tensor).and_then(|number| self.graph.initializer.get(number))
    }

    /// The values of a float32 constant.
    pub(super) fn floats(&self, tensor: &str) -> Option<Vec<f32>> {
        self.constant(tensor)?.f32_values().ok()
    }

    /// The values of a constant of integers.
    pub(super) fn integers(&self, tensor: &str) -> Option<Vec<i64>> {
        self.constant(tensor)?.integers()
    }

    pub(super) fn add_constant(&mut self, tensor: TensorProto) {
        self.graph.initializer.push(tensor);
    }

    /// Gives an input of a node another constant. The old one's name is kept where nobody else uses it; otherwise, and
    /// where there was none, the name begins with `wanted`.
    pub(super) fn set_constant(
        &mut self,
        number: usize,
        position: usize,
        mut tensor: TensorProto,
        wanted: &str,
    ) {
        let old = self.graph.node.get(number).and_then(|node| node.input.get(position)).cloned();
        let old = old.filter(|name| self.only_use(name).is_some());
        if let Some(place) = old.and_then(|name| self.index.initialiser(&name))
            && let Some(place) = self.graph.initializer.get_mut(place)
        {
            tensor.name = place.name.take();
            *place = tensor;
            return;
        }
        let name = self.names.take(wanted);
        tensor.name = Some(name.clone());
        self.graph.initializer.push(tensor);
        let Some(node) = self.graph.node.get_mut(number) else { return };
        if node.input.len() <= position {
            node.input.resize(position + 1, String::new());
        }
        if let Some(input) = node.input.get_mut(position) {
            *input = name;
        }
    }

    /// Leaves a node out whose first output equals its first input. Not possible where both have to keep their names.
    pub(super) fn bypass(&mut self, number: usize) -> bool {
        let Some(node) = self.graph.node.get(number) else { return false };
        let (Some(from), Some(to)) = (node.input.first().cloned(), node.output.first().cloned()) else {
            return false;
        };
        if !self.is_output(&to) {
            self.drop_node(number);
            self.rename_uses(&to, &from);
            return true;
        }
        let Some(producer) = self.producer(&from).filter(|_| !self.is_output(&from)) else { return false };
        self.drop_node(number);
        self.rename_output(producer, &from, &to);
        self.rename_uses(&from, &to);
        true
    }

    /// Lets node `first` put out what `second`, the only user of `between`, did; `second` is dropped.
    pub(super) fn absorb(&mut self, first: usize, between: &str, second: usize) {
        let output = self.graph.node.get(second).and_then(|node| node.output.first()).cloned();
        if let Some(output) = output {
            self.drop_node(second);
            self.rename_output(first, between, &output);
        }
    }

    fn rename_output(&mut self, number: usize, from: &str, to: &str) {
        let outputs = self.graph.node.get_mut(number).map(|node| node.output.iter_mut());
        for output in outputs.into_iter().flatten().filter(|output| *output == from) {
            to.clone_into(output);
        }
        if let Some(scales) = self.scales.remove(from) {
            self.scales.insert(to.to_owned(), scales);
        }
    }

    fn rename_uses(&mut self, from: &str, to: &str) {
        for input in self.graph.node.iter_mut().flat_map(|node| &mut node.input) {
            if input == from {
                to.clone_into(input);
            }
        }
    }

    /// The magnitudes of the batch normalisation's factors that a tensor was scaled by.
    pub(super) fn scales_mut(&mut self) -> &mut HashMap<String, Vec<f32>> {
        &mut self.scales
    }
}
