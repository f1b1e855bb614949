//! What a node holds and costs.

use std::collections::HashSet;

use serde::Serialize;

use super::Count;
use crate::compress::facts::Facts;
use crate::compress::graph::proto::{GraphProto, NodeProto, TensorProto, data_type};
use crate::compress::graph::{Index, node_name};

/// A node.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// The sides of its first output.
    pub output_shape: Vec<usize>,
    /// Its parameters, those behind a `DequantizeLinear` included (as they are stored; that node itself has none).
    pub parameters: Count,
    /// Of these, tensors of two axes and more: weights without biases.
    pub weights: Count,
    /// The type that these are stored in.
    pub weight_type: Option<&'static str>,
    /// Multiplications with addition for one image. `Conv`: elements of the output × weights of one output channel
    /// (input channels of a group × kernel). `ConvTranspose`: elements of the input × weights of one input channel. `Gemm`
    /// and `MatMul`, of activations too: elements of the output × elements of the axis that is summed over. Their integer
    /// forms likewise; all else counts as none.
    pub macs: u64,
    /// What it computes in: `float32`, `float16`, or `int8` where a `DequantizeLinear` before it and a `QuantizeLinear` behind
    /// it make that possible; none for nodes without floats and those two themselves.
    pub precision: Option<&'static str>,
}

impl Layer {
    pub(super) fn of(
        node: &NodeProto,
        graph: &GraphProto,
        index: &Index,
        facts: &Facts,
        fixed: &HashSet<String>,
    ) -> Self {
        let dims = |name: Option<&String>| {
            name.and_then(|name| facts.get(name)).map(|fact| fact.dims.clone()).unwrap_or_default()
        };
        let (mut parameters, mut weights, mut weight_type) = (Count::default(), Count::default(), None);
        let own = node.input.iter().filter(|_| !converts(node));
        for input in own {
            let Some(tensor) = stored(graph, index, input).filter(|tensor| is_parameter(tensor)) else {
                continue;
            };
            let count = Count::of(tensor);
            parameters.add(count);
            if tensor.dims.len() > 1 {
                weights.add(count);
                weight_type = Some(data_type::name(tensor.data_type()));
            }
        }
        Self {
            node: node_name(node).to_owned(),
            operator: node.op_type().to_owned(),
            output_shape: dims(node.output.first()),
            parameters,
            weights,
            weight_type,
            macs: macs(node, dims),
            precision: precision(node, graph, index, facts, fixed),
        }
    }
}

/// Whether a constant is one of the model's numbers rather than a shape or an index.
pub(super) fn is_parameter(tensor: &TensorProto) -> bool {
    !matches!(tensor.data_type(), data_type::INT64 | data_type::BOOL | data_type::STRING)
}

/// The constant behind an input: itself, or what is dequantised.
fn stored<'a>(graph: &'a GraphProto, index: &Index, input: &str) -> Option<&'a TensorProto> {
    let constant = |name: &str| index.initialiser(name).and_then(|number| graph.initializer.get(number));
    constant(input).or_else(|| {
        let maker = index.producer(input).and_then(|number| graph.node.get(number))?;
        constant(maker.input.first().filter(|_| maker.op_type() == "DequantizeLinear")?)
    })
}

/// Whether a node only converts between floats and integers.
fn converts(node: &NodeProto) -> bool {
    matches!(node.op_type(), "QuantizeLinear" | "DequantizeLinear" | "DynamicQuantizeLinear")
}

fn macs(node: &NodeProto, dims: impl Fn(Option<&String>) -> Vec<usize>) -> u64 {
    let product = |sides: &[usize]| sides.iter().map(|side| *side as u64).product::<u64>();
    let output = product(&dims(node.output.first()));
    let input = |place: usize| dims(node.input.get(place));
    let per_channel = |place: usize| product(input(place).get(1..).unwrap_or_default());
    let summed = |place: usize| input(place).last().copied().unwrap_or(0) as u64;
    match node.op_type() {
        "Conv" | "ConvInteger" => output * per_channel(1),
        "QLinearConv" => output * per_channel(3),
        "ConvTranspose" => product(&input(0)) * per_channel(1),
        "MatMul" | "MatMulInteger" | "QLinearMatMul" => output * summed(0),
        "Gemm" | "QGemm" => {
            let transposed = node.attribute("transA").is_some_and(|attribute| attribute.i() != 0);
            let sides = input(0);
            let side = if transposed { sides.first() } else { sides.last() };
            output * side.copied().unwrap_or(0) as u64
        }
        _ => 0,
    }
}

fn precision(
    node: &NodeProto,
    graph: &GraphProto,
    index: &Index,
    facts: &Facts,
    fixed: &HashSet<String>,
) -> Option<&'static str> {
    let operator = node.op_type();
    if converts(node) {
        return None;
    }
    if operator.starts_with("QLinear") || operator.ends_with("Integer") || operator == "QGemm" {
        return Some("int8");
    }
    let maker = |tensor: &String| index.producer(tensor).and_then(|number| graph.node.get(number));
    let user = |number: usize| graph.node.get(number).map_or("", NodeProto::op_type);
    let quantised = |tensor: &String| {
        let users = index.consumers(tensor);
        !users.is_empty() && users.iter().all(|using| user(using.node) == "QuantizeLinear")
    };
    // activations right behind it are part of the same kernel
    let becomes_integers = |tensor: &String| {
        quantised(tensor)
            || matches!(index.consumers(tensor), [only] if matches!(user(only.node), "Relu" | "Clip")
                && graph.node.get(only.node).and_then(|node| node.output.first()).is_some_and(quantised))
    };
    let from_integers = |tensor: &String| {
        let direct = |tensor: &String| maker(tensor).is_some_and(|node| node.op_type() == "DequantizeLinear");
        direct(tensor)
            || (matches!(operator, "Relu" | "Clip")
                && maker(tensor).and_then(|node| node.input.first()).is_some_and(direct))
    };
    let mut given = node.input.iter().filter(|input| !fixed.contains(*input)).peekable();
    if given.peek().is_some() && given.all(from_integers) && node.output.iter().all(becomes_integers) {
        return Some("int8");
    }
    let kind = facts.get(node.output.first()?)?.data_type;
    let float =
        matches!(kind, data_type::FLOAT | data_type::FLOAT16 | data_type::BFLOAT16 | data_type::DOUBLE);
    float.then(|| data_type::name(kind))
}
