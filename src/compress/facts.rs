//! What is known of a model's tensors before it is edited: shape, type, whether it is a constant, and its value then.

use std::collections::{HashMap, HashSet};

use super::CompressError;
use super::graph::Model;
use super::graph::proto::{GraphProto, NodeProto, TensorProto, data_type};
use super::runner::Runner;
use crate::detector::probe::Values;

/// What is known of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) dims: Vec<usize>,
    /// `TensorProto.DataType`
    pub(super) data_type: i32,
    /// Whether the shape does not depend on what is in the image.
    pub(super) fixed: bool,
}

/// What is known of the tensors of a model, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    tensors: HashMap<String, Fact>,
    /// Tensors that nodes make of constants alone.
    values: HashMap<String, TensorProto>,
}

impl Facts {
    /// Of a model whose nodes are in order, from one run on zeros; the input is float32 of shape `input`.
    pub(super) fn of(model: &Model, input: &[i64]) -> Result<Self, CompressError> {
        let graph = model.graph();
        let sides =
            |dims: &[i64]| dims.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect::<Vec<_>>();
        let known = Constancy::of(graph);
        let mut facts = Self::default();
        for tensor in &graph.initializer {
            let fact = Fact { dims: sides(&tensor.dims), data_type: tensor.data_type(), fixed: true };
            facts.tensors.insert(tensor.name().to_owned(), fact);
        }
        let given = graph.input.iter().find(|value| !facts.tensors.contains_key(value.name()));
        if let Some(value) = given {
            let fact = Fact { dims: sides(input), data_type: data_type::FLOAT, fixed: true };
            facts.tensors.insert(value.name().to_owned(), fact);
        }
        let made = graph.node.iter().flat_map(|node| &node.output).map(String::as_str);
        let mut runner = Runner::new(model, input, made.filter(|name| !name.is_empty()))?;
        let types: HashMap<String, i32> =
            runner.types().map(|(name, kind)| (name.to_owned(), kind)).collect();
        runner.run(|name, dims, values| {
            if known.constant.contains(name)
                && let Some(tensor) = tensor(name, dims, values)
            {
                facts.values.insert(name.to_owned(), tensor);
            }
            let fact = Fact {
                dims: sides(dims),
                data_type: types.get(name).copied().unwrap_or(0),
                fixed: known.fixed.contains(name),
            };
            facts.tensors.insert(name.to_owned(), fact);
        })?;
        Ok(facts)
    }

    pub(super) fn get(&self, tensor: &str) -> Option<&Fact> {
        self.tensors.get(tensor)
    }

    /// The value of a tensor that a node makes of constants alone.
    pub(super) fn value(&self, tensor: &str) -> Option<&TensorProto> {
        self.values.get(tensor)
    }

    /// Sides of a tensor whose shape is fixed.
    pub(super) fn fixed_dims(&self, tensor: &str) -> Option<&[usize]> {
        self.get(tensor).filter(|fact| fact.fixed).map(|fact| fact.dims.as_slice())
    }

    /// Bytes of a tensor in memory.
    pub(super) fn bytes(&self, tensor: &str) -> usize {
        self.get(tensor)
            .map_or(0, |fact| fact.dims.iter().product::<usize>() * data_type::bytes(fact.data_type))
    }
}

fn tensor(name: &str, dims: &[i64], values: Values<'_>) -> Option<TensorProto> {
    Some(match values {
        Values::F32(values) => TensorProto::of_f32(name, dims, values),
        Values::I64(values) => TensorProto::of_i64(name, dims, values),
        Values::I32(values) => TensorProto::of_i32(name, dims, values),
        Values::U8(values) => TensorProto::of_u8(name, dims, values),
        Values::I8(values) => TensorProto::of_i8(name, dims, values),
        Values::Bool(values) => TensorProto::of_bool(name, dims, values),
        Values::Other => return None,
    })
}

/// What nodes make of constants alone, and what has the same shape for every image.
struct Constancy {
    constant: HashSet<String>,
    fixed: HashSet<String>,
}

impl Constancy {
    fn of(graph: &GraphProto) -> Self {
        let mut constant: HashSet<String> =
            graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
        constant.insert(String::new());
        let mut fixed = constant.clone();
        fixed.extend(graph.input.iter().map(|value| value.name().to_owned()));
        for node in &graph.node {
            let shape_only = matches!(node.op_type(), "Shape" | "Size");
            let wanted = if shape_only { &fixed } else { &constant };
            let is_constant =
                is_own(node) && !is_kept(node) && node.input.iter().all(|input| wanted.contains(input));
            if is_constant {
                constant.extend(node.output.iter().cloned());
            }
            let by_value = |(position, input): (usize, &String)| {
                !shapes_output(node.op_type(), position) || constant.contains(input)
            };
            if is_own(node)
                && !depends_on_data(node.op_type())
                && node.input.iter().all(|input| fixed.contains(input))
                && node.input.iter().enumerate().all(by_value)
            {
                fixed.extend(node.output.iter().cloned());
            }
        }
        Self { constant, fixed }
    }
}

fn is_own(node: &NodeProto) -> bool {
    matches!(node.domain(), "" | "ai.onnx")
}

/// Nodes that stay although all their inputs are constants: chance, and what makes weights of integers.
fn is_kept(node: &NodeProto) -> bool {
    matches!(
        node.op_type(),
        "RandomNormal"
            | "RandomNormalLike"
            | "RandomUniform"
            | "RandomUniformLike"
            | "Multinomial"
            | "Bernoulli"
            | "QuantizeLinear"
            | "DequantizeLinear"
            | "DynamicQuantizeLinear"
    )
}

fn depends_on_data(operator: &str) -> bool {
    matches!(operator, "NonZero" | "NonMaxSuppression" | "Unique" | "Compress" | "StringSplit")
}

/// Whether the values of an input decide on the shape of the output.
fn shapes_output(operator: &str, position: usize) -> bool {
    match operator {
        "Range" | "ConstantOfShape" => true,
        "Reshape" | "Expand" | "Slice" | "Pad" | "Tile" | "Resize" | "Upsample" | "TopK" | "OneHot"
        | "Squeeze" | "Unsqueeze" | "Split" | "CenterCropPad" | "Col2Im" | "AffineGrid" => position > 0,
        reduce if reduce.starts_with("Reduce") => position > 0,
        _ => false,
    }
}
