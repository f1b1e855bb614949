//! Looking into a model: what it holds and what it costs.
//!
//! Shapes and types are those of a run, so that they hold for every operator. Costs are of one image.

mod layer;
mod memory;
mod placement;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::CompressError;
use super::facts::Facts;
use super::graph::proto::{GraphProto, TensorProto, data_type};
use super::graph::{Index, Model};
pub use layer::Layer;
pub use memory::Memory;
pub use placement::{Placed, Placement};

/// What a model holds and costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Version of the file format.
    pub ir_version: Option<i64>,
    /// Version of ONNX's operators.
    pub opset: i64,
    /// All sets of operators, with their versions.
    pub operator_sets: BTreeMap<String, i64>,
    /// What wrote the file.
    pub producer: String,
    /// The version of that.
    pub producer_version: String,
    /// Inputs that are no constants.
    pub inputs: Vec<Tensor>,
    /// Outputs.
    pub outputs: Vec<Tensor>,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of nodes by operator.
    pub operators: BTreeMap<String, usize>,
    /// Weights, biases, scales: constants but those of int64, bool and text, which are shapes and indices.
    pub parameters: Count,
    /// All constants by type.
    pub constants: BTreeMap<&'static str, Count>,
    /// Multiplications with addition, see [`Layer::macs`].
    pub macs: u64,
    /// Activations in memory.
    pub memory: Memory,
    /// The nodes, in the order in which they run.
    pub layers: Vec<Layer>,
}

/// An input or output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Its type, as `float32`.
    pub data_type: &'static str,
    /// Its sides.
    pub shape: Vec<usize>,
}

/// Elements of constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Count {
    /// How many.
    pub elements: usize,
    /// Their bytes.
    pub bytes: usize,
    /// How many are zero.
    pub zeros: usize,
}

impl Count {
    fn of(tensor: &TensorProto) -> Self {
        let (zeros, elements) = tensor.zeros();
        Self { elements, bytes: elements * data_type::bytes(tensor.data_type()), zeros }
    }

    fn add(&mut self, other: Self) {
        self.elements += other.elements;
        self.bytes += other.bytes;
        self.zeros += other.zeros;
    }

    /// Share of the elements that are zero, 0 to 1.
    #[must_use]
    pub fn sparsity(&self) -> f64 {
        self.zeros as f64 / self.elements.max(1) as f64
    }
}

/// Looks into a model for an input of `input_shape`, as its manifest says or as [`Model::input_shape`].
///
/// # Errors
/// The nodes have no order, or ONNX Runtime refuses the model.
pub fn inspect(model: &Model, input_shape: &[i64]) -> Result<Inspection, CompressError> {
    let mut model = model.clone();
    let mut operators = BTreeMap::new();
    for node in &model.graph().node {
        let domain = node.domain();
        let own = matches!(domain, "" | "ai.onnx");
        let name = if own { node.op_type().to_owned() } else { format!("{domain}.{}", node.op_type()) };
        *operators.entry(name).or_default() += 1;
    }
    let nodes = model.graph().node.len();
    model.graph_mut().sort()?;
    // `Constant` nodes are weights too
    super::simplify::lift(model.graph_mut());
    let facts = Facts::of(&model, input_shape)?;
    let graph = model.graph();
    let index = Index::new(graph);
    let fixed = fixed(graph);
    let layers: Vec<Layer> =
        graph.node.iter().map(|node| Layer::of(node, graph, &index, &facts, &fixed)).collect();
    let (mut parameters, mut constants) = (Count::default(), BTreeMap::<&str, Count>::new());
    for tensor in &graph.initializer {
        let count = Count::of(tensor);
        constants.entry(data_type::name(tensor.data_type())).or_default().add(count);
        if layer::is_parameter(tensor) {
            parameters.add(count);
        }
    }
    let tensor = |name: &str| {
        let fact = facts.get(name);
        Tensor {
            name: name.to_owned(),
            data_type: data_type::name(fact.map_or(0, |fact| fact.data_type)),
            shape: fact.map(|fact| fact.dims.clone()).unwrap_or_default(),
        }
    };
    let inputs = graph.input.iter().filter(|value| index.initialiser(value.name()).is_none());
    let (producer, producer_version) = model.producer();
    Ok(Inspection {
        ir_version: model.ir_version(),
        opset: model.opset(),
        operator_sets: model.operator_sets().into_iter().collect(),
        producer: producer.to_owned(),
        producer_version: producer_version.to_owned(),
        inputs: inputs.map(|value| tensor(value.name())).collect(),
        outputs: graph.output.iter().map(|value| tensor(value.name())).collect(),
        nodes,
        operators,
        parameters,
        constants,
        macs: layers.iter().map(|layer| layer.macs).sum(),
        memory: Memory::of(graph, &index, &facts, &fixed, &layers),
        layers,
    })
}

/// Tensors that are the same for every image: constants, and what is made of them alone.
fn fixed(graph: &GraphProto) -> HashSet<String> {
    let mut fixed: HashSet<String> =
        graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
    fixed.insert(String::new());
    for node in &graph.node {
        if node.input.iter().all(|input| fixed.contains(input)) {
            fixed.extend(node.output.iter().cloned());
        }
    }
    fixed
}
