//! Nodes that do nothing, and pairs that are one.

use super::editor::Editor;
use crate::compress::graph::proto::{AttributeProto, NodeProto, attribute_type};

/// Removes the node with this number if its output is its input.
pub(super) fn remove(editor: &mut Editor<'_>, number: usize) -> bool {
    let idle = editor.node(number).is_some_and(|node| is_idle(editor, node));
    idle && editor.bypass(number)
}

fn is_idle(editor: &Editor<'_>, node: &NodeProto) -> bool {
    let (Some(input), Some(output)) = (node.input.first(), node.output.first()) else { return false };
    let unused = |output: &String| {
        output.is_empty() || (editor.consumers(output).is_empty() && !editor.is_output(output))
    };
    if !node.output.iter().skip(1).all(unused) {
        return false;
    }
    let same_shape = || match (editor.facts.fixed_dims(input), editor.facts.fixed_dims(output)) {
        (Some(before), Some(after)) => before == after,
        _ => false,
    };
    let all = |name: &str, wanted: f32| {
        editor
            .floats(name)
            .is_some_and(|values| values.iter().all(|value| value.to_bits() == wanted.to_bits()))
    };
    let second = || node.input.get(1).map_or("", String::as_str);
    match node.op_type() {
        "Identity" => true,
        "Dropout" => match node.input.get(2).filter(|name| !name.is_empty()) {
            None => true,
            Some(training) => editor.constant(training).is_some_and(|training| training.zeros() == (1, 1)),
        },
        "Cast" => {
            let to = node.attribute("to").map(AttributeProto::i);
            editor.facts.get(input).is_some_and(|fact| Some(i64::from(fact.data_type)) == to)
        }
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Expand" => same_shape(),
        "Transpose" => {
            let idle = |perm: Vec<i64>| perm.iter().enumerate().all(|(axis, from)| axis as i64 == *from);
            editor.facts.get(input).and_then(|fact| permutation(node, fact.dims.len())).is_some_and(idle)
        }
        "Slice" => {
            let steps = node.input.get(4).filter(|name| !name.is_empty());
            let forward =
                |name: &String| editor.integers(name).is_some_and(|steps| steps.iter().all(|step| *step > 0));
            same_shape() && steps.is_none_or(forward)
        }
        "Concat" => node.input.len() == 1,
        "Pad" => {
            let pads = match node.attribute("pads") {
                Some(pads) => Some(pads.ints.clone()),
                None => editor.integers(second()),
            };
            pads.is_some_and(|pads| pads.iter().all(|pad| *pad == 0))
        }
        "Mul" | "Div" => same_shape() && all(second(), 1.0),
        "Add" | "Sub" => same_shape() && (all(second(), 0.0) || all(second(), -0.0)),
        _ => false,
    }
}

/// Joins the node with this number and the one before it, where both only transpose or both only reshape.
pub(super) fn join(editor: &mut Editor<'_>, number: usize) -> bool {
    let Some(node) = editor.node(number) else { return false };
    let Some(between) = node.input.first() else { return false };
    let Some(first) = editor.producer(between).and_then(|producer| editor.node(producer)) else {
        return false;
    };
    let Some(input) = first.input.first().cloned() else { return false };
    let rank = editor.facts.get(between).map_or(0, |fact| fact.dims.len());
    match (first.op_type(), node.op_type()) {
        ("Transpose", "Transpose") => {
            let (Some(before), Some(after)) = (permutation(first, rank), permutation(node, rank)) else {
                return false;
            };
            let both: Option<Vec<i64>> = after
                .iter()
                .map(|axis| usize::try_from(*axis).ok().and_then(|axis| before.get(axis).copied()))
                .collect();
            let Some(both) = both else { return false };
            let Some(node) = editor.node_mut(number) else { return false };
            node.attribute.retain(|attribute| attribute.name() != "perm");
            node.attribute.push(AttributeProto {
                name: Some("perm".to_owned()),
                ints: both,
                r#type: Some(attribute_type::INTS),
                ..AttributeProto::default()
            });
        }
        ("Reshape" | "Flatten" | "Squeeze" | "Unsqueeze", "Reshape") => {
            // a 0 takes its side from the input, which will be another
            let shape = node.input.get(1).and_then(|shape| editor.integers(shape));
            if shape.is_none_or(|shape| shape.contains(&0)) {
                return false;
            }
        }
        _ => return false,
    }
    if let Some(first) = editor.node_mut(number).and_then(|node| node.input.first_mut()) {
        *first = input;
    }
    true
}

/// Which axis of its input each axis of a `Transpose`'s output is; without the attribute they are reversed.
fn permutation(node: &NodeProto, rank: usize) -> Option<Vec<i64>> {
    let perm = match node.attribute("perm") {
        Some(perm) => perm.ints.clone(),
        None => (0..rank as i64).rev().collect(),
    };
    (perm.len() == rank && rank > 0).then_some(perm)
}
