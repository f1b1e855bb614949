//! Batch normalisation, and arithmetic by channel, folded into the linear node before it.
//!
//! `BatchNormalization` of ONNX: `(x - mean) / sqrt(variance + epsilon) * scale + bias` by channel (Ioffe & Szegedy, ICML
//! 2015). With `factor = scale / sqrt(variance + epsilon)` the weights of an output channel are multiplied by its factor,
//! and its bias becomes `(bias - mean) * factor + bias of the normalisation`.

use super::editor::Editor;
use crate::compress::graph::node_name;
use crate::compress::graph::proto::{AttributeProto, NodeProto, TensorProto};

/// `y = factor * x + shift`, by channel.
struct Affine {
    factor: Vec<f64>,
    shift: Vec<f64>,
}

/// Folds the batch normalisation with this number into the node before it.
pub(super) fn fold_batch_norm(editor: &mut Editor<'_>, number: usize) -> bool {
    let Some(node) = editor.node(number).filter(|node| node.op_type() == "BatchNormalization") else {
        return false;
    };
    let Some(input) = node.input.first().cloned() else { return false };
    let Some((affine, scale)) = batch_norm(editor, node) else { return false };
    let Some(output) = node.output.first().cloned() else { return false };
    if !fold(editor, number, &input, &affine) {
        return false;
    }
    editor.scales_mut().insert(output, scale.iter().map(|scale| scale.abs()).collect());
    true
}

/// Folds the `Add`, `Sub`, `Mul` or `Div` with this number, if it has a constant per channel, into the node before it.
pub(super) fn fold_arithmetic(editor: &mut Editor<'_>, number: usize) -> bool {
    let Some(node) = editor.node(number) else { return false };
    let [left, right] = node.input.as_slice() else { return false };
    let constant_first = editor.constant(left).is_some();
    let (input, constant) = if constant_first { (right, left) } else { (left, right) };
    let Some(dims) = editor.facts.get(input).map(|fact| fact.dims.clone()) else { return false };
    let Some(values) = per_channel(editor, constant, &dims) else { return false };
    let one = || vec![1.0; values.len()];
    let affine = match (node.op_type(), constant_first) {
        ("Add", _) => Affine { factor: one(), shift: values },
        ("Sub", false) => Affine { factor: one(), shift: values.iter().map(|value| -value).collect() },
        ("Sub", true) => Affine { factor: vec![-1.0; values.len()], shift: values },
        ("Mul", _) => Affine { shift: vec![0.0; values.len()], factor: values },
        ("Div", false) => Affine {
            shift: vec![0.0; values.len()],
            factor: values.iter().map(|value| 1.0 / value).collect(),
        },
        _ => return false,
    };
    let Some(output) = node.output.first().cloned() else { return false };
    let input = input.clone();
    let scales = editor.scales_mut().get(&input).cloned();
    if !fold(editor, number, &input, &affine) {
        return false;
    }
    if let Some(scales) = scales {
        let scaled = scales.iter().zip(&affine.factor);
        let scaled = scaled.map(|(scale, factor)| (f64::from(*scale) * factor.abs()) as f32).collect();
        editor.scales_mut().insert(output, scaled);
    }
    true
}

fn batch_norm(editor: &Editor<'_>, node: &NodeProto) -> Option<(Affine, Vec<f32>)> {
    let training = node.attribute("training_mode").is_some_and(|attribute| attribute.i() != 0);
    let only_one = node.output.iter().skip(1).all(String::is_empty);
    let [_, scale, bias, mean, variance] = node.input.as_slice() else { return None };
    if training || !only_one {
        return None;
    }
    let floats = |name: &String| editor.floats(name);
    let (scale, bias, mean, variance) = (floats(scale)?, floats(bias)?, floats(mean)?, floats(variance)?);
    let count = scale.len();
    if [bias.len(), mean.len(), variance.len()] != [count; 3] {
        return None;
    }
    let epsilon = node.attribute("epsilon").map_or(1e-5, |attribute| f64::from(attribute.f()));
    let factor: Vec<f64> = scale
        .iter()
        .zip(&variance)
        .map(|(scale, variance)| f64::from(*scale) / (f64::from(*variance) + epsilon).sqrt())
        .collect();
    let shift = bias.iter().zip(&mean).zip(&factor);
    let shift = shift.map(|((bias, mean), factor)| f64::from(*bias) - f64::from(*mean) * factor).collect();
    Some((Affine { factor, shift }, scale))
}

/// A constant's values by channel of a tensor of `dims`, if it is the same everywhere else and does not make it larger.
fn per_channel(editor: &Editor<'_>, constant: &str, dims: &[usize]) -> Option<Vec<f64>> {
    let tensor = editor.constant(constant)?;
    let channels = *dims.get(1)?;
    let missing = dims.len().checked_sub(tensor.dims.len())?;
    let fits = |(axis, side): (usize, &i64)| *side == 1 || (axis + missing == 1 && *side == channels as i64);
    if !tensor.dims.iter().enumerate().all(fits) {
        return None;
    }
    let values: Vec<f64> = tensor.f32_values().ok()?.iter().map(|value| f64::from(*value)).collect();
    match values.as_slice() {
        [only] => Some(vec![*only; channels]),
        several => (several.len() == channels).then_some(values),
    }
}

/// Folds what node `number` does to `input`, which has to be its only use, into the node that makes `input`.
fn fold(editor: &mut Editor<'_>, number: usize, input: &str, affine: &Affine) -> bool {
    let (Some(_), Some(producer)) = (editor.only_use(input), editor.producer(input)) else { return false };
    let Some(node) = editor.node(producer) else { return false };
    let Some((weight, bias)) = scaled(editor, node, affine) else { return false };
    let name = node_name(node).to_owned();
    editor.set_constant(producer, 1, weight, &format!("{name}.weight"));
    editor.set_constant(producer, 2, bias, &format!("{name}.bias"));
    editor.absorb(producer, input, number);
    true
}

/// Weights and bias of a linear node with what follows it folded in; none where a number would not be finite.
fn scaled(editor: &Editor<'_>, node: &NodeProto, affine: &Affine) -> Option<(TensorProto, TensorProto)> {
    let weight = editor.constant(node.input.get(1)?)?;
    let mut values = weight.f32_values().ok()?;
    let sides: Option<Vec<usize>> = weight.dims.iter().map(|side| usize::try_from(*side).ok()).collect();
    let channel = channel_of(node, &sides?)?;
    let channels = affine.factor.len();
    if channel.channels != channels {
        return None;
    }
    for (index, value) in values.iter_mut().enumerate() {
        *value = (f64::from(*value) * affine.factor.get(channel.of(index))?) as f32;
    }
    let old = match node.input.get(2).filter(|name| !name.is_empty()) {
        Some(name) => editor.floats(name)?,
        None => vec![0.0],
    };
    let old = |channel: usize| match old.as_slice() {
        [only] => Some(*only),
        several if several.len() == channels => several.get(channel).copied(),
        _ => None,
    };
    let both = affine.factor.iter().zip(&affine.shift).enumerate();
    let bias: Option<Vec<f32>> = both
        .map(|(channel, (factor, shift))| Some((f64::from(old(channel)?) * factor + shift) as f32))
        .collect();
    let bias = bias?;
    if !values.iter().chain(&bias).all(|value| value.is_finite()) {
        return None;
    }
    let weight = TensorProto::of_f32("", &weight.dims, &values);
    Some((weight, TensorProto::of_f32("", &[channels as i64], &bias)))
}

/// Where in a weight tensor the output channels are.
struct Channel {
    channels: usize,
    /// Elements from one channel to the next.
    stride: usize,
    /// Channels along the axis: all, or with groups of a `ConvTranspose` those of one group.
    side: usize,
    /// Elements of one group.
    group: usize,
}

impl Channel {
    fn of(&self, index: usize) -> usize {
        index / self.group * self.side + index / self.stride % self.side
    }
}

/// The layouts of ONNX: `Conv` (M, C / group, k…), `ConvTranspose` (C, M / group, k…), `Gemm` (K, N) or (N, K).
fn channel_of(node: &NodeProto, sides: &[usize]) -> Option<Channel> {
    let all: usize = sides.iter().product();
    let (first, second) = (*sides.first()?, *sides.get(1)?);
    let inner: usize = sides.iter().skip(2).product();
    let int = |name: &str, default: i64| node.attribute(name).map_or(default, AttributeProto::i);
    let channel = match node.op_type() {
        "Conv" => Channel { channels: first, stride: second * inner, side: first, group: all },
        "ConvTranspose" => {
            let groups = usize::try_from(int("group", 1)).ok().filter(|groups| *groups > 0)?;
            Channel { channels: second * groups, stride: inner, side: second, group: all / groups }
        }
        "Gemm" => {
            if node.attribute("beta").is_some_and(|attribute| attribute.f().to_bits() != 1f32.to_bits()) {
                return None;
            }
            let (stride, side) = if int("transB", 0) == 0 { (1, second) } else { (second, first) };
            Channel { channels: side, stride, side, group: all }
        }
        _ => return None,
    };
    (channel.stride > 0 && channel.side > 0 && channel.group > 0).then_some(channel)
}
