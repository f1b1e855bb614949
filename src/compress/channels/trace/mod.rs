//! Which channels of a graph hang together.
//!
//! Every axis of every tensor either has one [`Atom`] for each of its indices or is fixed. Nodes are visited in order:
//! layers make new atoms, all others carry them on, unite them, or fix them. What a node does to an axis that is not
//! known here fixes it, so that what is not understood is not pruned. The idea is that of dependency graphs (Fang et al.,
//! "DepGraph: Towards Any Structural Pruning", CVPR 2023), taken down to single indices.

mod axes;
mod layers;
mod shapes;

use std::collections::HashMap;

pub(super) use axes::slicing;

use super::atoms::{Atom, Atoms};
use crate::compress::graph::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::compress::graph::{Index, node_name};
use crate::compress::shapes::Shapes;

/// The atoms along an axis; none where it is fixed.
pub(super) type Axis = Option<Vec<Atom>>;

/// What a constant's axis has to do with the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The weights that make the channels.
    Makes,
    /// The weights that read them.
    Reads,
    /// One value for each (bias, slope, normalisation).
    Follows,
}

/// A constant input of a node, which loses what its channels lose.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    pub(super) node: usize,
    pub(super) input: usize,
    pub(super) axis: usize,
    pub(super) role: Role,
    pub(super) atoms: Vec<Atom>,
}

/// A layer, and the channels of its input.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    pub(super) node: usize,
    /// Of the input's axis.
    pub(super) axis: usize,
    pub(super) atoms: Vec<Atom>,
}

/// What hangs together.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    pub(super) atoms: Atoms,
    pub(super) tensors: HashMap<String, Vec<Axis>>,
    pub(super) cuts: Vec<Cut>,
    pub(super) readers: Vec<Reader>,
    /// Convolutions whose number of groups is that of their input's channels.
    pub(super) depthwise: Vec<(usize, Vec<Atom>)>,
}

impl Trace {
    /// Of a sorted graph; nodes named in `exclude` keep what they make.
    pub(super) fn new(
        graph: &GraphProto,
        index: &Index,
        shapes: &Shapes,
        opset: i64,
        exclude: &[String],
    ) -> Self {
        let mut tracer = Tracer { graph, index, shapes, opset, trace: Self::default() };
        for (number, node) in graph.node.iter().enumerate() {
            if tracer.visit(number, node).is_none() {
                tracer.refuse(node);
            }
            if exclude.iter().any(|name| name == node_name(node)) {
                for output in &node.output {
                    tracer.freeze_tensor(output, "excluded");
                }
            }
        }
        for output in &graph.output {
            let reason = format!("the model puts out `{}`", output.name());
            tracer.freeze_tensor(output.name(), &reason);
        }
        tracer.tie_shared();
        tracer.trace
    }

    /// An axis of a tensor; none where it is fixed or not known.
    pub(super) fn axis(&self, tensor: &str, axis: usize) -> Option<&[Atom]> {
        self.tensors.get(tensor)?.get(axis)?.as_deref()
    }
}

/// Visits node after node. Handlers give none where they do not understand the node.
struct Tracer<'a> {
    graph: &'a GraphProto,
    index: &'a Index,
    shapes: &'a Shapes,
    opset: i64,
    trace: Trace,
}

impl Tracer<'_> {
    fn visit(&mut self, number: usize, node: &NodeProto) -> Option<()> {
        if !matches!(node.domain(), "" | "ai.onnx") {
            return None;
        }
        match node.op_type() {
            "Conv" => self.conv(number, node),
            "ConvTranspose" => self.conv_transpose(number, node),
            "Gemm" => self.gemm(number, node),
            "MatMul" => self.matmul(number, node),
            "BatchNormalization" | "InstanceNormalization" => self.normalise(number, node),
            "Relu" | "LeakyRelu" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Elu" | "Selu" | "Celu"
            | "Softplus" | "Softsign" | "Tanh" | "Erf" | "Exp" | "Log" | "Abs" | "Neg" | "Sqrt" | "Floor"
            | "Ceil" | "Round" | "Reciprocal" | "Clip" | "Mish" | "Gelu" | "Swish" | "Identity" | "Cast"
            | "Dropout" | "Not" | "Sign" | "ThresholdedRelu" | "Sin" | "Cos" => self.unary(node),
            "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Pow" | "Sum" | "Mean" | "PRelu" | "Where"
            | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" | "Equal" | "And" | "Or" => {
                self.elementwise(number, node)
            }
            "MaxPool" | "AveragePool" | "LpPool" | "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => {
                self.pool(node)
            }
            "Softmax" | "LogSoftmax" | "Hardmax" | "LayerNormalization" => self.over_axes(node),
            "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1"
            | "ReduceL2" | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => self.reduce(node),
            "Concat" => self.concat(node),
            "Split" => self.split(node),
            "Slice" => self.slice(node),
            "Gather" => self.gather(node),
            "Transpose" => self.transpose(node),
            "Reshape" => self.reshape(node),
            "Flatten" | "Squeeze" | "Unsqueeze" => self.fold(node),
            "Resize" | "Upsample" => self.resize(node),
            "Pad" => self.pad(node),
            _ => None,
        }
    }

    /// Nothing that goes into a node may change.
    fn refuse(&mut self, node: &NodeProto) {
        let reason = format!("`{}` ({}) needs them all", node_name(node), node.op_type());
        for input in &node.input {
            self.freeze_tensor(input, &reason);
        }
        for output in &node.output {
            self.trace.tensors.remove(output);
        }
    }

    fn freeze_tensor(&mut self, tensor: &str, reason: &str) {
        for axis in self.trace.tensors.get(tensor).cloned().unwrap_or_default() {
            self.freeze(&axis, reason);
        }
    }

    fn freeze(&mut self, axis: &Axis, reason: &str) {
        if let Some(atoms) = axis {
            self.trace.atoms.freeze(atoms, reason);
        }
    }

    /// Weights that several nodes share lose the same rows for all of them, so that they stay shared.
    fn tie_shared(&mut self) {
        let mut users: HashMap<(&str, usize), Vec<usize>> = HashMap::new();
        for (number, cut) in self.trace.cuts.iter().enumerate() {
            let tensor = self.graph.node.get(cut.node).and_then(|node| node.input.get(cut.input));
            let Some(tensor) = tensor else { continue };
            if self.constant(tensor).is_some_and(|constant| constant.dims.len() > 1) {
                users.entry((tensor, cut.axis)).or_default().push(number);
            }
        }
        let cuts = self.trace.cuts.clone();
        for ((tensor, _), numbers) in users {
            let all = numbers.len() == self.index.consumers(tensor).len();
            let mut first: Option<&[Atom]> = None;
            for cut in numbers.iter().filter_map(|number| cuts.get(*number)) {
                if !all {
                    let reason = format!("`{tensor}` is used elsewhere too");
                    self.trace.atoms.freeze(&cut.atoms, &reason);
                }
                match first {
                    Some(first) => self.trace.atoms.unite_all(first, &cut.atoms),
                    None => first = Some(&cut.atoms),
                }
            }
        }
    }

    /// A constant whose elements can be taken apart.
    fn constant(&self, tensor: &str) -> Option<&TensorProto> {
        self.graph.initializer.get(self.index.initialiser(tensor)?).filter(|tensor| tensor.can_select())
    }

    /// The same of float32, by input of a node.
    fn weights(&self, node: &NodeProto, input: usize) -> Option<&TensorProto> {
        self.constant(node.input.get(input)?).filter(|tensor| tensor.is_f32() && tensor.count() > 0)
    }

    fn integers(&self, node: &NodeProto, input: usize) -> Option<Vec<i64>> {
        self.constant(node.input.get(input)?)?.integers()
    }

    fn dims(&self, tensor: &str) -> &[usize] {
        self.shapes.dims(tensor)
    }

    /// All axes of a tensor.
    fn axes(&self, tensor: &str) -> Vec<Axis> {
        let rank = self.dims(tensor).len();
        let mut axes = self.trace.tensors.get(tensor).cloned().unwrap_or_default();
        axes.resize(rank, None);
        axes
    }

    fn set(&mut self, tensor: &str, axes: Vec<Axis>) {
        // what does not fit would be wrong from here on
        let dims = self.dims(tensor);
        let fits = axes.len() == dims.len()
            && axes.iter().zip(dims).all(|(axis, side)| axis.as_ref().is_none_or(|a| a.len() == *side));
        if fits {
            self.trace.tensors.insert(tensor.to_owned(), axes);
        } else {
            for axis in &axes {
                self.freeze(axis, &format!("the shape of `{tensor}` is not clear"));
            }
        }
    }

    fn cut(&mut self, node: usize, input: usize, axis: usize, role: Role, atoms: &[Atom]) {
        self.trace.cuts.push(Cut { node, input, axis, role, atoms: atoms.to_vec() });
    }

    /// Both axes are the same one; where one is fixed the other gets so.
    fn join(&mut self, a: Axis, b: Axis, reason: &str) -> Axis {
        match (a, b) {
            (Some(a), Some(b)) if a.len() == b.len() => {
                self.trace.atoms.unite_all(&a, &b);
                Some(a)
            }
            (a, b) => {
                self.freeze(&a, reason);
                self.freeze(&b, reason);
                None
            }
        }
    }
}

/// The tensor that a node reads first, if there is one.
fn data(node: &NodeProto) -> Option<&str> {
    node.input.first().map(String::as_str).filter(|name| !name.is_empty())
}

/// The tensor that a node makes, if it is the only one.
fn made(node: &NodeProto) -> Option<&str> {
    match node.output.as_slice() {
        [first, rest @ ..] if rest.iter().all(String::is_empty) => Some(first),
        _ => None,
    }
}

fn has(node: &NodeProto, input: usize) -> bool {
    node.input.get(input).is_some_and(|name| !name.is_empty())
}

fn int(node: &NodeProto, name: &str, default: i64) -> i64 {
    node.attribute(name).map_or(default, AttributeProto::i)
}

/// An axis that may be counted from the end.
pub(super) fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 { axis + rank as i64 } else { axis };
    usize::try_from(axis).ok().filter(|axis| *axis < rank)
}
