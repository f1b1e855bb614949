//! A model's graph as a network that can be trained.
//!
//! [`Net::load`] takes an ONNX graph apart into operators and parameters, [`Net::forward`] runs it on one image and keeps
//! what [`Net::backward`] needs, [`Net::store`] puts trained parameters back under their names.

pub mod kernels;
mod load;
mod op;
pub mod ops;
mod run;
mod statistics;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use roadproof::compress::graph::Model;

pub use load::{Context, LoadError};
pub use op::{Call, Inputs, Op, OpError, Role, Saved};
pub use run::{RunError, Tape};
pub use statistics::Statistics;

use crate::tensor::{Dims, Tensor, Value};

/// Index of a tensor of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub(crate) usize);

/// Something that training changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name of the graph's initialiser.
    pub name: String,
    /// What it is to its operator.
    pub role: Role,
    /// It.
    pub tensor: Tensor,
}

/// The parameters of a network, in the order of the graph; [`Parameters::extras`] behind them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    /// Those of the graph, and behind them what training needs beside it (adaptors of features).
    pub items: Vec<Parameter>,
    /// How many of `items` are the graph's.
    pub of_graph: usize,
}

/// Gradients of the loss by [`Parameters::items`], in their order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gradients(pub Vec<Tensor>);

impl Parameters {
    /// Those that are not the graph's.
    #[must_use]
    pub fn extras(&self) -> &[Parameter] {
        self.items.get(self.of_graph..).unwrap_or_default()
    }

    /// The index in `items` of the parameter of this name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.items.iter().position(|parameter| parameter.name == name)
    }

    /// Number of all their elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.iter().map(|parameter| parameter.tensor.len()).sum()
    }
}

impl Gradients {
    /// All zero.
    #[must_use]
    pub fn zeros(parameters: &Parameters) -> Self {
        Self(parameters.items.iter().map(|parameter| Tensor::zeros(parameter.tensor.dims())).collect())
    }

    /// Sets all to zero.
    pub fn clear(&mut self) {
        for tensor in &mut self.0 {
            tensor.data_mut().fill(0.0);
        }
    }

    /// Adds others of the same parameters.
    pub fn add(&mut self, other: &Self) {
        for (sum, tensor) in self.0.iter_mut().zip(&other.0) {
            sum.add(tensor);
        }
    }
}

/// Where a tensor of the graph comes from.
#[derive(Debug, Clone, PartialEq)]
enum Source {
    /// The image.
    Input,
    /// [`Parameters::items`] at this index.
    Parameter(usize),
    /// It is always the same.
    Constant(Value),
    /// A node makes it.
    Node,
}

#[derive(Debug)]
struct Node {
    /// For messages: the name, or the output's where there is none.
    name: String,
    op_type: String,
    op: Box<dyn Op>,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
}

/// A trainable network; what changes is in [`Parameters`].
#[derive(Debug)]
pub struct Net {
    model: Model,
    nodes: Vec<Node>,
    /// By [`ValueId`].
    names: Vec<String>,
    sources: Vec<Source>,
    /// By [`ValueId`]: whether the loss's gradient by it has to be known for that by a parameter.
    wanted: Vec<bool>,
    input: ValueId,
    input_dims: Dims,
    outputs: Vec<ValueId>,
}

impl Net {
    /// Sides of the input.
    #[must_use]
    pub fn input_dims(&self) -> &[usize] {
        &self.input_dims
    }

    /// The model's outputs, in its order.
    #[must_use]
    pub fn outputs(&self) -> &[ValueId] {
        &self.outputs
    }

    /// The name of a tensor.
    #[must_use]
    pub fn name(&self, value: ValueId) -> &str {
        self.names.get(value.0).map_or("", String::as_str)
    }

    /// The tensor of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<ValueId> {
        self.names.iter().position(|known| known == name).map(ValueId)
    }

    /// The graph that it was made of: constants folded, the names of what is left as they were.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }
}

#[cfg(test)]
impl Net {
    /// A network without nodes, whose output is its input.
    pub(crate) fn of_input(model: Model, name: &str, dims: &[usize]) -> Self {
        Self {
            model,
            nodes: Vec::new(),
            names: vec![name.to_owned()],
            sources: vec![Source::Input],
            wanted: vec![false],
            input: ValueId(0),
            input_dims: Dims::from_slice(dims),
            outputs: vec![ValueId(0)],
        }
    }
}
