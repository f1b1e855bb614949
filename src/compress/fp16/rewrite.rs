//! The graph in half precision: weights, casts, described types.

use std::collections::{HashMap, HashSet};

use super::plan::Plan;
use super::{Underflow, float};
use crate::compress::CompressError;
use crate::compress::facts::Facts;
use crate::compress::graph::proto::{GraphProto, NodeProto, TensorProto, data_type};
use crate::compress::graph::{Index, Names};

pub(super) struct Rewritten {
    pub(super) casts: usize,
    pub(super) weights: Vec<Underflow>,
}

pub(super) fn rewrite(
    graph: &mut GraphProto,
    plan: &Plan,
    index: &Index,
    facts: &Facts,
) -> Result<Rewritten, CompressError> {
    let mut names = Names::new(graph);
    let weights = weights(graph, plan, index, &mut names)?;
    let made = graph.node.iter().flat_map(|node| &node.output);
    let tensors = graph.input.iter().filter_map(|value| value.name.as_ref()).chain(made);
    let is_float =
        |tensor: &&String| facts.get(tensor).is_some_and(|fact| fact.data_type == data_type::FLOAT);
    let tensors: Vec<String> =
        tensors.filter(is_float).filter(|name| index.initialiser(name).is_none()).cloned().collect();
    let mut casts = Vec::new();
    for tensor in &tensors {
        casts.extend(cast(graph, plan, index, &mut names, tensor));
    }
    let half: HashSet<&String> = tensors.iter().filter(|tensor| plan.is_half(index, tensor)).collect();
    for (node, half) in graph.node.iter_mut().zip(&plan.half) {
        let to = node.attribute.iter_mut().find(|attribute| attribute.name() == "to");
        if let Some(to) = to.filter(|to| *half && to.i() == i64::from(data_type::FLOAT)) {
            to.i = Some(i64::from(data_type::FLOAT16));
        }
    }
    for value in &mut graph.value_info {
        let is_half = value.name.as_ref().is_some_and(|name| half.contains(name));
        let kind = value.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut());
        if let Some(kind) = kind.filter(|_| is_half) {
            kind.elem_type = Some(data_type::FLOAT16);
        }
    }
    let count = casts.len();
    graph.node.append(&mut casts);
    graph.sort()?;
    Ok(Rewritten { casts: count, weights })
}

/// Stores constants in the types that their uses ask for.
fn weights(
    graph: &mut GraphProto,
    plan: &Plan,
    index: &Index,
    names: &mut Names,
) -> Result<Vec<Underflow>, CompressError> {
    let mut done = Vec::new();
    let mut copies: Vec<TensorProto> = Vec::new();
    let mut renamed: HashMap<String, String> = HashMap::new();
    let mut constants = std::mem::take(&mut graph.initializer);
    for tensor in constants.iter_mut().filter(|tensor| tensor.is_f32()) {
        let wants = |wanted: bool| {
            let mut users = index.consumers(tensor.name()).iter();
            users.any(|user| plan.wants(graph, *user) == Some(wanted))
        };
        if !wants(true) {
            continue;
        }
        let shared = wants(false) || index.is_output(tensor.name());
        let (half, counts) = halve(tensor)?;
        done.push(counts);
        if shared {
            let name = names.take(&format!("{}_f16", tensor.name()));
            renamed.insert(tensor.name().to_owned(), name.clone());
            copies.push(TensorProto { name: Some(name), ..half });
        } else {
            *tensor = half;
        }
    }
    constants.append(&mut copies);
    graph.initializer = constants;
    for (tensor, copy) in &renamed {
        let users = index.consumers(tensor).iter();
        let users: Vec<_> = users.filter(|user| plan.wants(graph, **user) == Some(true)).collect();
        for user in users {
            set_input(graph, user.node, user.input, copy);
        }
    }
    Ok(done)
}

fn halve(tensor: &TensorProto) -> Result<(TensorProto, Underflow), CompressError> {
    let values = tensor.f32_values()?;
    let bits: Vec<u16> = values.iter().map(|value| float::to_bits(*value)).collect();
    let small = values.iter().filter(|value| **value != 0.0 && value.abs() < float::MIN_POSITIVE).count();
    let zeroed = values.iter().zip(&bits).filter(|(value, bits)| **value != 0.0 && **bits << 1 == 0).count();
    let counts = Underflow {
        tensor: tensor.name().to_owned(),
        elements: values.len(),
        subnormal: small.saturating_sub(zeroed),
        zeroed,
    };
    Ok((TensorProto::of_f16_bits(tensor.name(), &tensor.dims, &bits), counts))
}

/// The cast that a tensor needs, if any, with its uses and, for outputs of the model, its names set.
fn cast(
    graph: &mut GraphProto,
    plan: &Plan,
    index: &Index,
    names: &mut Names,
    tensor: &str,
) -> Option<NodeProto> {
    let half = plan.is_half(index, tensor);
    let output = half && index.is_output(tensor);
    let users = index.consumers(tensor);
    let other: Vec<_> =
        users.iter().filter(|user| plan.wants(graph, **user).is_some_and(|wanted| wanted != half)).collect();
    if other.is_empty() && !output {
        return None;
    }
    let (suffix, kind) = if half { ("f32", data_type::FLOAT) } else { ("f16", data_type::FLOAT16) };
    let node = names.take(&format!("{tensor}_to_{suffix}"));
    let (from, to) = if output {
        // the output keeps its name and type; what is made before it gets another
        let inner = names.take(&format!("{tensor}_f16"));
        let producer = index.producer(tensor).and_then(|number| graph.node.get_mut(number));
        for made in producer.into_iter().flat_map(|node| &mut node.output).filter(|made| *made == tensor) {
            inner.clone_into(made);
        }
        for user in users.iter().filter(|user| !other.iter().any(|known| known == user)) {
            set_input(graph, user.node, user.input, &inner);
        }
        (inner, tensor.to_owned())
    } else {
        let made = names.take(&format!("{tensor}_{suffix}"));
        for user in other {
            set_input(graph, user.node, user.input, &made);
        }
        (tensor.to_owned(), made)
    };
    Some(NodeProto::new("Cast", &node, &[&from], &[&to]).with_int("to", i64::from(kind)))
}

fn set_input(graph: &mut GraphProto, node: usize, place: usize, name: &str) {
    if let Some(input) = graph.node.get_mut(node).and_then(|node| node.input.get_mut(place)) {
        name.clone_into(input);
    }
}
