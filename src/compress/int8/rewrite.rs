//! Putting `QuantizeLinear` and `DequantizeLinear` into the graph.

use std::collections::{HashMap, HashSet};

use super::calibrate::Ranges;
use super::observe::{Observer, Range};
use super::plan::{Plan, Role};
use super::scale::{Params, Weights, bias};
use super::{Activations, QuantisedNode};
use crate::compress::graph::proto::{GraphProto, NodeProto, TensorProto};
use crate::compress::graph::{GraphError, Index, Names, node_name};

/// Quantises what is planned.
pub(super) fn rewrite(
    graph: &mut GraphProto,
    plan: &Plan,
    ranges: &Ranges,
    kind: Activations,
) -> Result<Vec<QuantisedNode>, GraphError> {
    let index = Index::new(graph);
    let mut work = Rewriter {
        names: Names::new(graph),
        index,
        kind,
        constants: Vec::new(),
        params: HashMap::new(),
        param_names: HashMap::new(),
    };
    for (tensor, root) in &plan.tensors {
        let range = work.range(graph, ranges, root)?;
        work.params.insert(tensor.clone(), Params::new(range, kind));
    }
    // tensor -> the pair of nodes behind it, and the name that its users see
    let mut pairs: HashMap<String, [NodeProto; 2]> = HashMap::new();
    let mut front: Vec<NodeProto> = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let inputs: HashSet<String> = graph.input.iter().map(|value| value.name().to_owned()).collect();
    for (tensor, root) in &plan.tensors {
        if let Some(number) = work.index.initialiser(tensor) {
            let Some(initialiser) = graph.initializer.get(number) else { continue };
            let (node, output) = work.constant(initialiser, root)?;
            front.push(node);
            seen.insert(tensor.clone(), output);
            continue;
        }
        let is_output = work.index.is_output(tensor) && !inputs.contains(tensor);
        let (pair, from, to) = work.pair(tensor, root, is_output);
        if is_output {
            renamed.insert(tensor.clone(), from);
        } else {
            seen.insert(tensor.clone(), to);
        }
        if inputs.contains(tensor) {
            front.extend(pair);
        } else {
            pairs.insert(tensor.clone(), pair);
        }
    }

    let mut report = Vec::new();
    let mut nodes = front;
    for (mut node, role) in std::mem::take(&mut graph.node).into_iter().zip(&plan.roles) {
        let data = node.input.first().cloned().unwrap_or_default();
        for input in &mut node.input {
            if let Some(to) = seen.get(input) {
                input.clone_from(to);
            }
        }
        if *role == Role::Core {
            report.push(work.weights(graph, &mut node, &data, &mut nodes)?);
        }
        let made: Vec<String> = node.output.clone();
        for output in &mut node.output {
            if let Some(from) = renamed.get(output) {
                output.clone_from(from);
            }
        }
        nodes.push(node);
        nodes.extend(made.iter().filter_map(|output| pairs.remove(output)).flatten());
    }
    graph.node = nodes;
    graph.initializer.append(&mut work.constants);
    graph.remove_dead();
    graph.sort()?;
    Ok(report)
}

struct Rewriter {
    index: Index,
    names: Names,
    kind: Activations,
    constants: Vec<TensorProto>,
    /// By tensor.
    params: HashMap<String, Params>,
    /// Names of scale and zero point, by the tensor whose range it is.
    param_names: HashMap<String, [String; 2]>,
}

impl Rewriter {
    /// A calibrated range, or that of a constant.
    fn range(&self, graph: &GraphProto, ranges: &Ranges, root: &str) -> Result<Range, GraphError> {
        let wrong = |found: String| GraphError::Tensor {
            tensor: root.to_owned(),
            expected: "finite values".to_owned(),
            found,
        };
        if let Some(tensor) = self.index.initialiser(root).and_then(|number| graph.initializer.get(number)) {
            let mut observer = Observer::new();
            observer.extremes(&tensor.f32_values()?).map_err(|found| wrong(found.to_string()))?;
            return Ok(observer.whole());
        }
        ranges.get(root).copied().ok_or_else(|| wrong("none".to_owned()))
    }

    fn params(&self, tensor: &str) -> Params {
        self.params.get(tensor).copied().unwrap_or(Params { scale: 1.0, zero_point: 0 })
    }

    /// Scale and zero point as constants, once for all tensors of the range.
    fn param_names(&mut self, root: &str) -> [String; 2] {
        if let Some(names) = self.param_names.get(root) {
            return names.clone();
        }
        let Params { scale, zero_point } = self.params(root);
        let names = ["scale", "zero_point"].map(|what| self.names.take(&format!("{root}_{what}")));
        self.constants.push(TensorProto::of_f32(&names[0], &[], &[scale]));
        self.constants.push(match self.kind {
            Activations::Uint8 => TensorProto::of_u8(&names[1], &[], &[zero_point as u8]),
            Activations::Int8 => TensorProto::of_i8(&names[1], &[], &[zero_point as i8]),
        });
        self.param_names.insert(root.to_owned(), names.clone());
        names
    }

    /// The pair of nodes behind a tensor, and the names before and after it.
    fn pair(&mut self, tensor: &str, root: &str, is_output: bool) -> ([NodeProto; 2], String, String) {
        let [scale, zero_point] = self.param_names(root);
        let (from, to) = if is_output {
            (self.names.take(&format!("{tensor}_float")), tensor.to_owned())
        } else {
            (tensor.to_owned(), self.names.take(&format!("{tensor}_dequantized")))
        };
        let middle = self.names.take(&format!("{tensor}_quantized"));
        let quantise = self.names.take(&format!("{tensor}_QuantizeLinear"));
        let dequantise = self.names.take(&format!("{tensor}_DequantizeLinear"));
        let pair = [
            NodeProto::new("QuantizeLinear", &quantise, &[&from, &scale, &zero_point], &[&middle]),
            NodeProto::new("DequantizeLinear", &dequantise, &[&middle, &scale, &zero_point], &[&to]),
        ];
        (pair, from, to)
    }

    /// A constant operand of a quantised node.
    fn constant(&mut self, tensor: &TensorProto, root: &str) -> Result<(NodeProto, String), GraphError> {
        let [scale, zero_point] = self.param_names(root);
        let (params, kind) = (self.params(root), self.kind);
        let values: Vec<u8> =
            tensor.f32_values()?.iter().map(|value| params.quantise(*value, kind) as u8).collect();
        let quantised = self.names.take(&format!("{}_quantized", tensor.name()));
        self.constants.push(match kind {
            Activations::Uint8 => TensorProto::of_u8(&quantised, &tensor.dims, &values),
            Activations::Int8 => {
                let values: Vec<i8> = values.iter().map(|value| *value as i8).collect();
                TensorProto::of_i8(&quantised, &tensor.dims, &values)
            }
        });
        let output = self.names.take(&format!("{}_dequantized", tensor.name()));
        let name = self.names.take(&format!("{}_DequantizeLinear", tensor.name()));
        Ok((
            NodeProto::new("DequantizeLinear", &name, &[&quantised, &scale, &zero_point], &[&output]),
            output,
        ))
    }

    /// Weights and bias of a node as integers; `data` is the node's input before it was renamed.
    fn weights(
        &mut self,
        graph: &GraphProto,
        node: &mut NodeProto,
        data: &str,
        nodes: &mut Vec<NodeProto>,
    ) -> Result<QuantisedNode, GraphError> {
        let initialiser = |name: Option<&String>| {
            name.and_then(|name| self.index.initialiser(name))
                .and_then(|number| graph.initializer.get(number))
        };
        let name = node_name(node).to_owned();
        let Some(weight) = initialiser(node.input.get(1)) else {
            return Err(GraphError::Tensor {
                tensor: name,
                expected: "constant weights".into(),
                found: "none".into(),
            });
        };
        let axis = channel_axis(node);
        let input_scale = self.params(data).scale;
        let offset = initialiser(node.input.get(2)).map(TensorProto::f32_values).transpose()?;
        let quantised = Weights::new(
            &weight.f32_values()?,
            &weight.dims,
            axis,
            offset.as_deref().map(|offset| (offset, input_scale)),
        );
        let of_channels = [quantised.scales.len() as i64];
        let base = weight.name().to_owned();
        let zeros = vec![0i8; quantised.scales.len()];
        let integers = TensorProto::of_i8("", &weight.dims, &quantised.values);
        let scales = TensorProto::of_f32("", &of_channels, &quantised.scales);
        let zeros = TensorProto::of_i8("", &of_channels, &zeros);
        let output = self.dequantised(&base, [integers, scales, zeros], axis, nodes);
        set_input(node, 1, output);
        // TensorRT adds biases in float
        if let (Some(offset), Activations::Uint8) = (offset, self.kind)
            && offset.len() == quantised.scales.len()
        {
            let (steps, integers) = bias(&offset, input_scale, &quantised.scales);
            let base = node.input.get(2).cloned().unwrap_or_default();
            let integers = TensorProto::of_i32("", &of_channels, &integers);
            let steps = TensorProto::of_f32("", &of_channels, &steps);
            let zeros = TensorProto::of_i32("", &of_channels, &vec![0; quantised.scales.len()]);
            let output = self.dequantised(&base, [integers, steps, zeros], 0, nodes);
            set_input(node, 2, output);
        }
        Ok(QuantisedNode {
            name,
            operator: node.op_type().to_owned(),
            weights: quantised.values.len(),
            channels: quantised.scales.len(),
            sqnr_db: quantised.sqnr_db,
        })
    }

    /// Adds a constant by channel (integers, scales, zero points) and the node that makes floats of it.
    fn dequantised(
        &mut self,
        base: &str,
        constant: [TensorProto; 3],
        axis: usize,
        nodes: &mut Vec<NodeProto>,
    ) -> String {
        let mut inputs = Vec::new();
        for (mut tensor, what) in constant.into_iter().zip(["quantized", "scale", "zero_point"]) {
            let name = self.names.take(&format!("{base}_{what}"));
            tensor.name = Some(name.clone());
            self.constants.push(tensor);
            inputs.push(name);
        }
        let output = self.names.take(&format!("{base}_dequantized"));
        let name = self.names.take(&format!("{base}_DequantizeLinear"));
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let node = NodeProto::new("DequantizeLinear", &name, &inputs, &[&output]);
        nodes.push(node.with_int("axis", axis as i64));
        output
    }
}

/// The axis of a node's weights along which each channel of its output has its own.
pub(super) fn channel_axis(node: &NodeProto) -> usize {
    match node.op_type() {
        "MatMul" => 1,
        "Gemm" => usize::from(node.attribute("transB").is_none_or(|attribute| attribute.i() == 0)),
        _ => 0,
    }
}

fn set_input(node: &mut NodeProto, position: usize, name: String) {
    if let Some(input) = node.input.get_mut(position) {
        *input = name;
    }
}
