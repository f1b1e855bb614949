//! How much each channel set matters.

use std::collections::HashMap;

use super::sets::{ChannelSet, Prunable};
use super::trace::{Reader, Trace};
use super::{Importance, Scales};
use crate::compress::graph::proto::{AttributeProto, GraphProto, TensorProto};
use crate::compress::graph::{GraphError, Index, Model};
use crate::compress::runner::Runner;
use crate::compress::shapes::Shapes;
use crate::compress::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;

/// By group and set, from the weights that make the channels (mean over the layers where several do).
pub(super) fn of_weights(
    graph: &GraphProto,
    trace: &Trace,
    groups: &Prunable,
    kind: Importance,
    scales: &Scales,
) -> Result<Vec<Vec<f64>>, GraphError> {
    let index = Index::new(graph);
    let mut result = Vec::new();
    for group in &groups.groups {
        let mut magnitudes: HashMap<usize, Vec<f64>> = HashMap::new();
        let mut factors: HashMap<usize, Vec<f64>> = HashMap::new();
        for number in group.makers() {
            let Some(cut) = trace.cuts.get(number) else { continue };
            let node = graph.node.get(cut.node);
            let weights = node.and_then(|node| node.input.get(cut.input)).map(String::as_str);
            let Some(weights) = weights.and_then(|name| tensor(graph, &index, name)) else { continue };
            let of = |value: f64| if kind == Importance::L1 { value.abs() } else { value * value };
            magnitudes.insert(number, along(&weights.f32_values()?, &weights.dims, cut.axis, of));
            if kind != Importance::Scale {
                continue;
            }
            let made = node.and_then(|node| node.output.first()).map_or("", String::as_str);
            let values = match factor(graph, &index, made) {
                Some(factor) => factor.f32_values()?,
                None => scales.get(made).cloned().unwrap_or_default(),
            };
            if values.len() == cut.atoms.len() {
                factors.insert(number, values.iter().map(|value| f64::from(value.abs())).collect());
            }
        }
        let root = |sum: f64| if kind == Importance::L1 { sum } else { sum.sqrt() };
        let of_set = |set: &ChannelSet| {
            if factors.is_empty() { mean(set, &magnitudes, root) } else { mean(set, &factors, |sum| sum) }
        };
        result.push(group.sets.iter().map(of_set).collect());
    }
    Ok(result)
}

fn mean(set: &ChannelSet, values: &HashMap<usize, Vec<f64>>, of_sum: impl Fn(f64) -> f64) -> f64 {
    let mut found = Vec::new();
    for (number, places) in &set.made {
        if let Some(values) = values.get(number) {
            found.push(of_sum(places.iter().filter_map(|place| values.get(*place)).sum()));
        }
    }
    found.iter().sum::<f64>() / found.len().max(1) as f64
}

fn tensor<'a>(graph: &'a GraphProto, index: &Index, name: &str) -> Option<&'a TensorProto> {
    graph.initializer.get(index.initialiser(name)?)
}

/// The factors of a batch normalisation right behind a tensor.
fn factor<'a>(graph: &'a GraphProto, index: &Index, made: &str) -> Option<&'a TensorProto> {
    let nodes = index.consumers(made).iter().filter(|consumer| consumer.input == 0);
    let mut nodes = nodes.filter_map(|consumer| graph.node.get(consumer.node));
    let node = nodes.find(|node| node.op_type() == "BatchNormalization")?;
    tensor(graph, index, node.input.get(1)?)
}

/// By index of an axis, the sum of what `of` makes of the elements.
fn along(values: &[f32], dims: &[i64], axis: usize, of: impl Fn(f64) -> f64) -> Vec<f64> {
    let side = dims.get(axis).map_or(1, |side| usize::try_from(*side).unwrap_or(0)).max(1);
    let behind: usize = dims.iter().skip(axis + 1).map(|side| usize::try_from(*side).unwrap_or(0)).product();
    let mut sums = vec![0.0; side];
    for (number, row) in values.chunks(behind.max(1)).enumerate() {
        if let Some(sum) = sums.get_mut(number % side) {
            *sum += row.iter().map(|value| of(f64::from(*value))).sum::<f64>();
        }
    }
    sums
}

/// By group and set, what the layers that read the channels get from them: the mean square of each channel on the images
/// times its squared weights, as a share of all that the layer gets; summed over the layers.
pub(super) fn of_activations(
    model: &Model,
    (trace, groups, shapes): (&Trace, &Prunable, &Shapes),
    input: &InputSpec,
    images: &CalibrationImages,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Vec<f64>>, CompressError> {
    let graph = model.graph();
    let read = |reader: &Reader| graph.node.get(reader.node)?.input.first().map(String::as_str);
    let mut squares: HashMap<(&str, usize), Vec<f64>> = HashMap::new();
    for reader in &trace.readers {
        if let Some(tensor) = read(reader) {
            squares.insert((tensor, reader.axis), vec![0.0; reader.atoms.len()]);
        }
    }
    let mut runner = Runner::new(model, &input.shape(), squares.keys().map(|(tensor, _)| *tensor))?;
    runner.run_on(images, input, ("activations", progress), |_, name, dims, values| {
        for ((_, axis), sums) in squares.iter_mut().filter(|((tensor, _), _)| *tensor == name) {
            for (sum, more) in sums.iter_mut().zip(along(values, dims, *axis, |value| value * value)) {
                *sum += more;
            }
            if sums.iter().any(|sum| !sum.is_finite()) {
                return Err(values.iter().copied().find(|value| !value.is_finite()).unwrap_or(f32::INFINITY));
            }
        }
        Ok(())
    })?;
    let index = Index::new(graph);
    let mut shares = Vec::new();
    for reader in &trace.readers {
        let weights = columns(graph, &index, reader, shapes)?;
        let squares = read(reader).and_then(|tensor| squares.get(&(tensor, reader.axis)));
        let products = squares.into_iter().flatten().zip(&weights).map(|(square, weight)| square * weight);
        let products: Vec<f64> = products.collect();
        let total = products.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        shares.push(products.into_iter().map(|product| product / total).collect::<Vec<f64>>());
    }
    let of_set = |set: &ChannelSet| -> f64 {
        let reads = set.read.iter().filter_map(|(number, places)| Some((shares.get(*number)?, places)));
        reads.map(|(shares, places)| places.iter().filter_map(|place| shares.get(*place)).sum::<f64>()).sum()
    };
    Ok(groups.groups.iter().map(|group| group.sets.iter().map(of_set).collect()).collect())
}

/// By channel that a layer reads, the sum of its squared weights.
pub(super) fn columns(
    graph: &GraphProto,
    index: &Index,
    reader: &Reader,
    shapes: &Shapes,
) -> Result<Vec<f64>, GraphError> {
    let square = |value: f64| value * value;
    let Some(node) = graph.node.get(reader.node) else { return Ok(Vec::new()) };
    let Some(name) = node.input.get(1) else { return Ok(Vec::new()) };
    let Some(weights) = tensor(graph, index, name) else { return Ok(Vec::new()) };
    let (values, dims) = (weights.f32_values()?, &weights.dims);
    let transposed = node.attribute("transB").is_some_and(|attribute| attribute.i() != 0);
    match node.op_type() {
        "Conv" => {
            let group = node.attribute("group").map_or(1, AttributeProto::i).max(1) as usize;
            let sides = shapes.dims(name);
            let per_group = values.len() / group;
            let mut found = Vec::new();
            for part in values.chunks(per_group.max(1)) {
                let mut dims = dims.clone();
                if let (Some(rows), Some(all)) = (dims.first_mut(), sides.first()) {
                    *rows = (all / group) as i64;
                }
                found.extend(along(part, &dims, 1, square));
            }
            Ok(found)
        }
        "Gemm" if transposed => Ok(along(&values, dims, 1, square)),
        _ => Ok(along(&values, dims, 0, square)),
    }
}
