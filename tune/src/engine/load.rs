//! From an ONNX graph to a network, and back.

use std::collections::{HashMap, HashSet};

use roadproof::compress::graph::proto::{TensorProto, data_type};
use roadproof::compress::graph::{GraphError, Model, node_name};
use roadproof::compress::{CompressError, simplify};

use super::{Net, Node, Parameter, Parameters, Role, Source, ValueId, ops};
use crate::tensor::{Dims, IntTensor, Tensor, Value};

/// Why a graph cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It cannot be cleaned up.
    #[error(transparent)]
    Compress(#[from] CompressError),
    /// It cannot be edited.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Operators that training does not know, or not in this use.
    #[error("{path} cannot be trained: {}", problems.join("; "))]
    Nodes {
        /// The model's file.
        path: String,
        /// One for each node: its name, its kind, what is the matter.
        problems: Vec<String>,
    },
    /// It is not a network of one image.
    #[error("{path} cannot be trained: expected {expected}, found {found}")]
    Graphs {
        /// The model's file.
        path: String,
        /// What was expected.
        expected: String,
        /// What is there.
        found: String,
    },
}

/// What an operator can know of its node when it is built.
pub struct Context<'a> {
    /// The node.
    pub node: &'a roadproof::compress::graph::proto::NodeProto,
    /// The version of ONNX's operators.
    pub opset: i64,
    /// For each input the constant that it is, if it is one.
    pub constants: &'a [Option<Value>],
}

impl Net {
    /// Takes a model apart; its input is one image of `shape` (batch 1). Constants are folded, weights get their roles from
    /// the operators that use them; a parameter whose name `freeze` says yes to stays as it is.
    ///
    /// # Errors
    /// [`LoadError`] names every node that cannot be trained.
    pub fn load(
        model: &Model,
        shape: &[i64],
        freeze: &dyn Fn(&str) -> bool,
    ) -> Result<(Self, Parameters), LoadError> {
        let path = model.path().display().to_string();
        let graphs = |expected: &str, found: String| LoadError::Graphs {
            path: path.clone(),
            expected: expected.to_owned(),
            found,
        };
        // before version 4 of the format every constant had to be an input too
        let constants: HashSet<&str> = model.graph().initializer.iter().map(TensorProto::name).collect();
        let given = model.graph().input.iter().filter(|input| !constants.contains(input.name())).count();
        if given != 1 {
            return Err(graphs("one input", given.to_string()));
        }
        let model = simplify::fold_constants(model, shape)?;
        let graph = model.graph();
        let Some(input) = graph.input.first() else {
            return Err(graphs("one input", "none".to_owned()));
        };

        let mut table = Table::default();
        let input_id = table.add(input.name(), Source::Input);
        let mut unusable: HashMap<&str, String> = HashMap::new();
        for tensor in &graph.initializer {
            match value(tensor) {
                Ok(value) => {
                    table.add(tensor.name(), Source::Constant(value));
                }
                // where nodes use it, they are told of
                Err(problem) => {
                    table.add(tensor.name(), Source::Node);
                    unusable.insert(tensor.name(), problem);
                }
            }
        }
        let mut parameters = Parameters::default();
        let mut nodes = Vec::with_capacity(graph.node.len());
        let mut problems = Vec::new();
        let mut made_by_products: HashSet<ValueId> = HashSet::new();
        for node in &graph.node {
            let name = node_name(node).to_owned();
            let inputs: Vec<Option<ValueId>> = node.input.iter().map(|name| table.get(name)).collect();
            let missing =
                node.input.iter().find(|name| !name.is_empty() && table.get(name).is_none()).cloned();
            let outputs =
                node.output.iter().map(|name| (!name.is_empty()).then(|| table.add(name, Source::Node)));
            let outputs: Vec<Option<ValueId>> = outputs.collect();
            if let Some(missing) = missing {
                problems.push(format!("node \"{name}\" uses \"{missing}\", which nothing makes"));
                continue;
            }
            let constants: Vec<Option<Value>> =
                inputs.iter().map(|id| table.constant(*id, &parameters)).collect();
            let context = Context { node, opset: model.opset(), constants: &constants };
            let unusable = node.input.iter().find_map(|name| unusable.get(name.as_str()).cloned());
            let refusal = ops::refusal(node.op_type()).map(str::to_owned).or(unusable);
            let op = match refusal.map_or_else(|| ops::build(&context), Err) {
                Ok(op) => op,
                Err(problem) => {
                    problems.push(format!("node \"{name}\" ({}): {problem}", node.op_type()));
                    continue;
                }
            };
            let bias = bias(&context, &inputs, &made_by_products);
            if node.op_type() == "MatMul" {
                made_by_products.extend(outputs.iter().flatten());
            }
            for (place, role) in op.weights().iter().chain(&bias) {
                if let Some(id) = inputs.get(*place).copied().flatten() {
                    table.promote(id, *role, freeze, &mut parameters);
                }
            }
            nodes.push(Node { name, op_type: node.op_type().to_owned(), op, inputs, outputs });
        }
        if !problems.is_empty() {
            return Err(LoadError::Nodes { path, problems });
        }
        let outputs = graph.output.iter().filter_map(|output| table.get(output.name())).collect();
        parameters.of_graph = parameters.items.len();
        let wanted = wanted(&table.sources, &nodes);
        let input_dims: Dims = shape.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
        let Table { names, sources, .. } = table;
        let net = Self { model, nodes, names, sources, wanted, input: input_id, input_dims, outputs };
        Ok((net, parameters))
    }

    /// The graph with these parameters in it.
    #[must_use]
    pub fn store(&self, parameters: &Parameters) -> Model {
        let mut model = self.model.clone();
        let by_name: HashMap<&str, &Parameter> =
            parameters.items.iter().map(|parameter| (parameter.name.as_str(), parameter)).collect();
        for tensor in &mut model.graph_mut().initializer {
            if let Some(parameter) = by_name.get(tensor.name()) {
                *tensor = TensorProto::of_f32(tensor.name(), &tensor.dims, parameter.tensor.data());
            }
        }
        model
    }
}

/// The tensors of a graph while it is taken apart.
#[derive(Default)]
struct Table {
    by_name: HashMap<String, ValueId>,
    names: Vec<String>,
    sources: Vec<Source>,
}

impl Table {
    fn add(&mut self, name: &str, source: Source) -> ValueId {
        let id = ValueId(self.names.len());
        self.names.push(name.to_owned());
        self.sources.push(source);
        self.by_name.insert(name.to_owned(), id);
        id
    }

    fn get(&self, name: &str) -> Option<ValueId> {
        self.by_name.get(name).copied()
    }

    fn constant(&self, id: Option<ValueId>, parameters: &Parameters) -> Option<Value> {
        match self.sources.get(id?.0)? {
            Source::Constant(value) => Some(value.clone()),
            // of a node before
            Source::Parameter(index) => {
                parameters.items.get(*index).map(|parameter| Value::F32(parameter.tensor.clone()))
            }
            Source::Input | Source::Node => None,
        }
    }

    /// Makes a parameter of a constant.
    fn promote(
        &mut self,
        id: ValueId,
        role: Role,
        freeze: &dyn Fn(&str) -> bool,
        parameters: &mut Parameters,
    ) {
        let (Some(name), Some(source)) = (self.names.get(id.0), self.sources.get_mut(id.0)) else { return };
        let Source::Constant(Value::F32(tensor)) = source else { return };
        if freeze(name) {
            return;
        }
        let tensor = tensor.clone();
        *source = Source::Parameter(parameters.items.len());
        parameters.items.push(Parameter { name: name.clone(), role, tensor });
    }
}

/// Which tensors depend on a parameter through operators that gradients can pass.
fn wanted(sources: &[Source], nodes: &[Node]) -> Vec<bool> {
    let mut wanted: Vec<bool> = sources.iter().map(|source| matches!(source, Source::Parameter(_))).collect();
    for node in nodes {
        let any = node.inputs.iter().flatten().any(|id| wanted.get(id.0) == Some(&true));
        if any && node.op.trains() {
            for id in node.outputs.iter().flatten() {
                if let Some(wanted) = wanted.get_mut(id.0) {
                    *wanted = true;
                }
            }
        }
    }
    wanted
}

/// The input that is a bias: a constant of rank 1 that is added to a matrix product. Exporters write linear layers so.
fn bias(
    context: &Context<'_>,
    inputs: &[Option<ValueId>],
    made_by_products: &HashSet<ValueId>,
) -> Option<(usize, Role)> {
    let is_product = |place: usize| inputs.get(place)?.filter(|id| made_by_products.contains(id));
    let is_row = |place: usize| match context.constants.get(place)?.as_ref()? {
        Value::F32(tensor) => Some(()).filter(|()| tensor.dims().len() == 1),
        Value::I64(_) => None,
    };
    let pairs = [(0, 1), (1, 0)];
    let found = pairs.iter().find(|(product, row)| is_product(*product).is_some() && is_row(*row).is_some());
    found.filter(|_| context.node.op_type() == "Add").map(|(_, row)| (*row, Role::Bias))
}

/// A constant as the operators see it.
///
/// # Errors
/// It is of a type that training does not know, or broken; in words.
pub(super) fn value(tensor: &TensorProto) -> Result<Value, String> {
    let dims: Vec<usize> = tensor.dims.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
    let name = tensor.name();
    let broken = || format!("expected as many elements as sides say, found others in \"{name}\"");
    match tensor.data_type() {
        data_type::FLOAT => {
            let values = tensor.f32_values().map_err(|error| error.to_string())?;
            Tensor::new(&dims, values).map(Value::F32).ok_or_else(broken)
        }
        data_type::INT64 | data_type::INT32 => {
            let values = tensor.integers().ok_or_else(broken)?;
            IntTensor::new(&dims, values).map(Value::I64).ok_or_else(broken)
        }
        data_type::BOOL => {
            let values = match &tensor.raw_data {
                Some(raw) => raw.iter().map(|value| i64::from(*value != 0)).collect(),
                None => tensor.int32_data.iter().map(|value| i64::from(*value != 0)).collect(),
            };
            IntTensor::new(&dims, values).map(Value::I64).ok_or_else(broken)
        }
        data_type::FLOAT16 | data_type::BFLOAT16 => Err(format!(
            "expected float32, found half precision in \"{name}\": tune the float32 model, before `--fp16`"
        )),
        other => {
            let found = data_type::name(other);
            Err(format!("expected float32, int64, int32 or bool, found {found} in \"{name}\""))
        }
    }
}

#[cfg(test)]
mod tests;
