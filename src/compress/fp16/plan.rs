//! Which nodes compute in half precision.

use std::collections::HashSet;

use super::Reason;
use crate::compress::facts::Facts;
use crate::compress::graph::proto::{GraphProto, NodeProto, data_type};
use crate::compress::graph::{Consumer, Index, node_name};

/// By node: whether it is half precision, and if it has floats and is not, why.
pub(super) struct Plan {
    pub(super) half: Vec<bool>,
    pub(super) reasons: Vec<Option<Reason>>,
}

impl Plan {
    pub(super) fn new(
        graph: &GraphProto,
        opset: i64,
        index: &Index,
        facts: &Facts,
        exclude: &HashSet<String>,
        beyond: impl Fn(&str) -> Option<f32>,
    ) -> Self {
        let is_float =
            |tensor: &String| facts.get(tensor).is_some_and(|fact| fact.data_type == data_type::FLOAT);
        let maker = |tensor: &String| {
            index.producer(tensor).and_then(|number| graph.node.get(number)).map_or("", NodeProto::op_type)
        };
        let quantises = |user: &Consumer| {
            graph.node.get(user.node).is_some_and(|node| node.op_type() == "QuantizeLinear")
        };
        let reason = |node: &NodeProto| {
            let too_large = |tensor: &String| {
                beyond(tensor).map(|largest| Reason::Range { tensor: tensor.clone(), largest })
            };
            let floats = node.input.iter().enumerate().filter(|(place, _)| !keeps_type(node, *place));
            let mut floats =
                floats.map(|(_, input)| input).chain(&node.output).filter(|tensor| is_float(tensor));
            let quantised = node.input.iter().any(|input| maker(input) == "DequantizeLinear")
                || node.output.iter().any(|output| index.consumers(output).iter().any(quantises));
            if exclude.contains(node_name(node)) {
                Some(Reason::Excluded)
            } else if quantised
                || node.op_type().contains("quantizeLinear")
                || node.op_type() == "QuantizeLinear"
            {
                Some(Reason::Quantised)
            } else if node.op_type() == "Cast" && !node.input.iter().any(is_float) {
                Some(Reason::Integers)
            } else if !has_half(node, opset) {
                Some(Reason::Operator)
            } else {
                floats.find_map(too_large)
            }
        };
        let has_floats =
            |node: &NodeProto| !is_blind(node) && node.input.iter().chain(&node.output).any(is_float);
        let reasons: Vec<Option<Reason>> =
            graph.node.iter().map(|node| if has_floats(node) { reason(node) } else { None }).collect();
        let free = graph.node.iter().zip(&reasons);
        let half = free.map(|(node, reason)| has_floats(node) && reason.is_none()).collect();
        let mut plan = Self { half, reasons };
        plan.save_casts(graph, index, &is_float);
        plan
    }

    /// Whether a tensor is made in half precision.
    pub(super) fn is_half(&self, index: &Index, tensor: &str) -> bool {
        index.producer(tensor).is_some_and(|number| self.half.get(number) == Some(&true))
    }

    /// What a use of a float tensor asks for: half precision or not; none where it takes both.
    pub(super) fn wants(&self, graph: &GraphProto, user: Consumer) -> Option<bool> {
        let node = graph.node.get(user.node)?;
        if is_blind(node) || node.op_type() == "Cast" {
            return None;
        }
        Some(self.half.get(user.node) == Some(&true) && !keeps_type(node, user.input))
    }

    /// Casts that a tensor needs; constants need none, they are stored in both types.
    fn casts(&self, graph: &GraphProto, index: &Index, tensor: &str) -> usize {
        if index.initialiser(tensor).is_some() {
            return 0;
        }
        let half = self.is_half(index, tensor);
        let other = |user: &Consumer| self.wants(graph, *user).is_some_and(|wanted| wanted != half);
        usize::from(index.consumers(tensor).iter().any(other) || (half && index.is_output(tensor)))
    }

    /// Leaves nodes without weights in float32 where that saves casts: each by itself, and what hangs together of them.
    fn save_casts(&mut self, graph: &GraphProto, index: &Index, is_float: &impl Fn(&String) -> bool) {
        loop {
            let groups = self.light_groups(graph, index);
            let single = groups.iter().flatten().map(|number| vec![*number]);
            let better = groups.iter().cloned().chain(single).find(|group| {
                let nodes = group.iter().filter_map(|number| graph.node.get(*number));
                let tensors: HashSet<&String> = nodes
                    .flat_map(|node| node.input.iter().chain(&node.output))
                    .filter(|t| is_float(t))
                    .collect();
                let count = |plan: &Self| -> usize {
                    tensors.iter().map(|tensor| plan.casts(graph, index, tensor)).sum()
                };
                let before = count(self);
                self.set(group, false);
                let after = count(self);
                self.set(group, true);
                after < before
            });
            let Some(group) = better else { return };
            self.set(&group, false);
            for number in group {
                if let Some(reason) = self.reasons.get_mut(number) {
                    *reason = Some(Reason::FewerCasts);
                }
            }
        }
    }

    fn set(&mut self, group: &[usize], half: bool) {
        for number in group {
            if let Some(place) = self.half.get_mut(*number) {
                *place = half;
            }
        }
    }

    /// The nodes of half precision without weights, those together that are joined by tensors.
    fn light_groups(&self, graph: &GraphProto, index: &Index) -> Vec<Vec<usize>> {
        let light = |number: usize| {
            let node = graph.node.get(number);
            self.half.get(number) == Some(&true)
                && node.is_some_and(|node| {
                    !matches!(node.op_type(), "Conv" | "ConvTranspose" | "Gemm" | "MatMul" | "Einsum")
                })
        };
        let mut seen = HashSet::new();
        let mut groups = Vec::new();
        for start in (0..graph.node.len()).filter(|number| light(*number)) {
            if !seen.insert(start) {
                continue;
            }
            let (mut group, mut open) = (Vec::new(), vec![start]);
            while let Some(number) = open.pop() {
                group.push(number);
                let Some(node) = graph.node.get(number) else { continue };
                let before = node.input.iter().filter_map(|input| index.producer(input));
                let after = node.output.iter().flat_map(|output| index.consumers(output));
                let near = before.chain(after.map(|user| user.node)).filter(|number| light(*number));
                open.extend(near.filter(|number| seen.insert(*number)));
            }
            group.sort_unstable();
            groups.push(group);
        }
        groups
    }
}

/// Nodes that only look at shapes: they take every type.
fn is_blind(node: &NodeProto) -> bool {
    matches!(node.op_type(), "Shape" | "Size")
}

/// Inputs that ONNX defines as float32 whatever the others are, or that may stay so.
fn keeps_type(node: &NodeProto, place: usize) -> bool {
    matches!(node.op_type(), "Resize" | "Upsample" | "Dropout") && place > 0
}

/// Operators that ONNX defines for float16 and that do not suffer from it.
///
/// Not among them, although defined: `TopK` (scores that float16 makes equal change their order), `GridSample` (places
/// between pixels need more than 11 bits), `CumSum`, `ReduceSumSquare`, `ReduceL2`, `ReduceLogSumExp`, `LpNormalization`,
/// `InstanceNormalization` (sums of squares overflow inside, where no range check sees it), recurrent layers, and what
/// makes tensors by itself (`ConstantOfShape`, `Range`, `Random…`).
fn has_half(node: &NodeProto, opset: i64) -> bool {
    if !matches!(node.domain(), "" | "ai.onnx") {
        return false;
    }
    // outputs beyond the first are float32
    let statistics = node.output.iter().skip(1).any(|output| !output.is_empty());
    match node.op_type() {
        "LayerNormalization" | "GroupNormalization" | "BatchNormalization" => !statistics,
        "Equal" => opset >= 11,
        operator => matches!(
            operator,
            "Abs"
                | "Add"
                | "ArgMax"
                | "ArgMin"
                | "AveragePool"
                | "Cast"
                | "Ceil"
                | "Clip"
                | "Concat"
                | "Conv"
                | "ConvTranspose"
                | "Cos"
                | "DepthToSpace"
                | "Div"
                | "Dropout"
                | "Einsum"
                | "Elu"
                | "Erf"
                | "Exp"
                | "Expand"
                | "Flatten"
                | "Floor"
                | "Gather"
                | "GatherElements"
                | "GatherND"
                | "Gelu"
                | "Gemm"
                | "GlobalAveragePool"
                | "GlobalMaxPool"
                | "Greater"
                | "GreaterOrEqual"
                | "HardSigmoid"
                | "HardSwish"
                | "Identity"
                | "LeakyRelu"
                | "Less"
                | "LessOrEqual"
                | "Log"
                | "LogSoftmax"
                | "MatMul"
                | "Max"
                | "MaxPool"
                | "Mean"
                | "Min"
                | "Mish"
                | "Mul"
                | "Neg"
                | "PRelu"
                | "Pad"
                | "Pow"
                | "Reciprocal"
                | "ReduceMax"
                | "ReduceMean"
                | "ReduceMin"
                | "ReduceSum"
                | "Relu"
                | "Reshape"
                | "Resize"
                | "Round"
                | "ScatterElements"
                | "ScatterND"
                | "Selu"
                | "Sigmoid"
                | "Sign"
                | "Sin"
                | "Slice"
                | "Softmax"
                | "Softplus"
                | "Softsign"
                | "SpaceToDepth"
                | "Split"
                | "Sqrt"
                | "Squeeze"
                | "Sub"
                | "Sum"
                | "Tanh"
                | "ThresholdedRelu"
                | "Tile"
                | "Transpose"
                | "Unsqueeze"
                | "Where"
        ),
    }
}
