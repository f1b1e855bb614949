//! Looking through a graph and changing it.

use std::collections::{HashMap, HashSet};

use super::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, attribute_type};
use super::{GraphError, node_name};

/// One use of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consumer {
    /// Index of the node.
    pub node: usize,
    /// Which of the node's inputs.
    pub input: usize,
}

/// Who makes and who uses each tensor of a graph, as it was when the index was made.
#[derive(Debug, Clone, Default)]
pub struct Index {
    producers: HashMap<String, usize>,
    consumers: HashMap<String, Vec<Consumer>>,
    initialisers: HashMap<String, usize>,
    outputs: HashSet<String>,
}

impl Index {
    /// Looks through a graph.
    #[must_use]
    pub fn new(graph: &GraphProto) -> Self {
        let mut index = Self::default();
        for (number, node) in graph.node.iter().enumerate() {
            for output in node.output.iter().filter(|name| !name.is_empty()) {
                index.producers.insert(output.clone(), number);
            }
            for (input, name) in node.input.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
                index.consumers.entry(name.clone()).or_default().push(Consumer { node: number, input });
            }
        }
        let named = |(number, tensor): (usize, &TensorProto)| (tensor.name().to_owned(), number);
        index.initialisers = graph.initializer.iter().enumerate().map(named).collect();
        index.outputs = graph.output.iter().map(|value| value.name().to_owned()).collect();
        index
    }

    /// The node that makes a tensor; none for inputs and initialisers.
    #[must_use]
    pub fn producer(&self, tensor: &str) -> Option<usize> {
        self.producers.get(tensor).copied()
    }

    /// The uses of a tensor by nodes.
    #[must_use]
    pub fn consumers(&self, tensor: &str) -> &[Consumer] {
        self.consumers.get(tensor).map_or(&[], Vec::as_slice)
    }

    /// The index of an initialiser in the graph.
    #[must_use]
    pub fn initialiser(&self, tensor: &str) -> Option<usize> {
        self.initialisers.get(tensor).copied()
    }

    /// Whether the model puts the tensor out.
    #[must_use]
    pub fn is_output(&self, tensor: &str) -> bool {
        self.outputs.contains(tensor)
    }
}

/// Names that are not taken.
#[derive(Debug, Clone)]
pub struct Names(HashSet<String>);

impl Names {
    /// Of a graph: its tensors and nodes.
    #[must_use]
    pub fn new(graph: &GraphProto) -> Self {
        let nodes = graph.node.iter();
        let of_nodes =
            nodes.flat_map(|node| node.input.iter().chain(&node.output).chain(&node.name).cloned());
        let tensors = graph.initializer.iter().filter_map(|tensor| tensor.name.clone());
        let values = graph.input.iter().chain(&graph.output).chain(&graph.value_info);
        Self(of_nodes.chain(tensors).chain(values.filter_map(|value| value.name.clone())).collect())
    }

    /// `wanted`, or where that is taken with a number behind it. The name is taken from then on.
    pub fn take(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut number = 1;
        while !self.0.insert(name.clone()) {
            number += 1;
            name = format!("{wanted}_{number}");
        }
        name
    }
}

impl NodeProto {
    /// A node of ONNX's own operators.
    #[must_use]
    pub fn new(operator: &str, name: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            input: owned(inputs),
            output: owned(outputs),
            name: Some(name.to_owned()),
            op_type: Some(operator.to_owned()),
            ..Self::default()
        }
    }

    /// The same with an integer attribute.
    #[must_use]
    pub fn with_int(mut self, name: &str, value: i64) -> Self {
        self.attribute.push(AttributeProto {
            name: Some(name.to_owned()),
            i: Some(value),
            r#type: Some(attribute_type::INT),
            ..AttributeProto::default()
        });
        self
    }

    /// An attribute by name.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute.iter().find(|attribute| attribute.name() == name)
    }
}

impl GraphProto {
    /// Puts the nodes in an order in which each comes after those whose outputs it uses; nodes keep their order where
    /// that allows for it.
    ///
    /// # Errors
    /// [`GraphError::Order`] names a node that no order is right for.
    pub fn sort(&mut self) -> Result<(), GraphError> {
        let mut known: HashSet<String> =
            self.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
        known.extend(self.input.iter().map(|value| value.name().to_owned()));
        known.insert(String::new());
        let mut waiting = std::mem::take(&mut self.node);
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut later = Vec::new();
            for node in waiting {
                if node.input.iter().all(|input| known.contains(input)) {
                    known.extend(node.output.iter().cloned());
                    self.node.push(node);
                } else {
                    later.push(node);
                }
            }
            if let Some(stuck) = later.first().filter(|_| later.len() == before) {
                let input = stuck.input.iter().find(|input| !known.contains(*input)).cloned();
                let (node, input) = (node_name(stuck).to_owned(), input.unwrap_or_default());
                self.node.append(&mut later);
                return Err(GraphError::Order { node, input });
            }
            waiting = later;
        }
        Ok(())
    }

    /// Makes initialisers of `Constant` nodes, so that constants are in one place. Those that the model puts out stay, and
    /// those of text.
    pub fn lift_constants(&mut self) {
        let index = Index::new(self);
        let mut lifted = Vec::new();
        self.node.retain(|node| {
            let Some(output) = node.output.first().filter(|output| !index.is_output(output)) else {
                return true;
            };
            let Some(tensor) = constant(node) else { return true };
            lifted.push(TensorProto { name: Some(output.clone()), ..tensor });
            false
        });
        self.value_info.retain(|value| lifted.iter().all(|tensor| tensor.name() != value.name()));
        self.initializer.append(&mut lifted);
    }

    /// Removes nodes whose outputs nobody uses, and then initialisers and described tensors that are left over. Returns
    /// the number of nodes removed.
    pub fn remove_dead(&mut self) -> usize {
        let before = self.node.len();
        let mut needed: HashSet<String> = self.output.iter().map(|value| value.name().to_owned()).collect();
        let index = Index::new(self);
        let mut open: Vec<String> = needed.iter().cloned().collect();
        let mut alive = HashSet::new();
        while let Some(tensor) = open.pop() {
            let Some(number) = index.producer(&tensor) else { continue };
            if !alive.insert(number) {
                continue;
            }
            for input in self.node.get(number).map_or(&[][..], |node| &node.input) {
                if needed.insert(input.clone()) {
                    open.push(input.clone());
                }
            }
        }
        let mut number = 0;
        self.node.retain(|_| {
            number += 1;
            alive.contains(&(number - 1))
        });
        self.initializer.retain(|tensor| needed.contains(tensor.name()));
        let mut made: HashSet<&str> = HashSet::new();
        made.extend(self.node.iter().flat_map(|node| node.output.iter().map(String::as_str)));
        self.value_info.retain(|value| made.contains(value.name()));
        before - self.node.len()
    }
}

/// What a `Constant` node holds.
fn constant(node: &NodeProto) -> Option<TensorProto> {
    let [attribute] = node.attribute.as_slice() else { return None };
    if node.op_type() != "Constant" || !node.domain().is_empty() {
        return None;
    }
    let scalar = |tensor: TensorProto| TensorProto { dims: Vec::new(), ..tensor };
    match attribute.name() {
        "value" => attribute.t.clone(),
        "value_int" => Some(scalar(TensorProto::of_i64("", &[attribute.i()]))),
        "value_ints" => Some(TensorProto::of_i64("", &attribute.ints)),
        "value_float" => Some(TensorProto::of_f32("", &[], &[attribute.f()])),
        "value_floats" => Some(TensorProto::of_f32("", &[attribute.floats.len() as i64], &attribute.floats)),
        _ => None,
    }
}
