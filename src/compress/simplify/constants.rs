//! Constants: out of nodes, worked out ahead, kept once.

use std::collections::HashMap;

use prost::Message as _;

use super::editor::Editor;
use crate::compress::graph::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};

/// A result may be larger by so much than what it is made of; beyond that the file keeps the node.
const MAX_GROWTH: usize = 1 << 20;

/// Turns `Constant` nodes into initialisers of the same name. Returns their number.
pub(in crate::compress) fn lift(graph: &mut GraphProto) -> usize {
    let before = graph.node.len();
    let outputs: Vec<String> = graph.output.iter().map(|value| value.name().to_owned()).collect();
    let mut lifted = Vec::new();
    graph.node.retain(|node| {
        match value(node).filter(|tensor| !outputs.iter().any(|name| name == tensor.name())) {
            Some(tensor) => {
                lifted.push(tensor);
                false
            }
            None => true,
        }
    });
    graph.initializer.append(&mut lifted);
    before - graph.node.len()
}

/// What a `Constant` holds; text and sparse tensors are left where they are.
fn value(node: &NodeProto) -> Option<TensorProto> {
    if node.op_type() != "Constant" || !matches!(node.domain(), "" | "ai.onnx") {
        return None;
    }
    let name = node.output.first()?;
    let [attribute] = node.attribute.as_slice() else { return None };
    let AttributeProto { f, i, floats, ints, .. } = attribute;
    match attribute.name() {
        "value" => attribute.t.clone().map(|tensor| TensorProto { name: Some(name.clone()), ..tensor }),
        "value_float" => Some(TensorProto::of_f32(name, &[], &[(*f)?])),
        "value_int" => Some(TensorProto::of_i64(name, &[], &[(*i)?])),
        "value_floats" => Some(TensorProto::of_f32(name, &[floats.len() as i64], floats)),
        "value_ints" => Some(TensorProto::of_i64(name, &[ints.len() as i64], ints)),
        _ => None,
    }
}

/// Replaces a node by its result where that is constant and does not blow the file up.
pub(super) fn fold(editor: &mut Editor<'_>, number: usize) -> bool {
    let Some(node) = editor.node(number) else { return false };
    let made: Vec<&String> = node.output.iter().filter(|output| !output.is_empty()).collect();
    if made.iter().any(|output| editor.is_output(output)) {
        return false;
    }
    let inputs: usize = node.input.iter().map(|input| editor.facts.bytes(input)).sum();
    let outputs: usize = made.iter().map(|output| editor.facts.bytes(output)).sum();
    if outputs > inputs + MAX_GROWTH {
        return false;
    }
    let values: Option<Vec<TensorProto>> =
        made.iter().map(|output| editor.facts.value(output).cloned()).collect();
    let Some(values) = values.filter(|values| !values.is_empty()) else { return false };
    for value in values {
        editor.add_constant(value);
    }
    editor.drop_node(number);
    true
}

/// Keeps one of several equal constants of one element. Larger ones stay with their nodes: weights and shapes of different
/// nodes that are equal by chance are not when channels are taken away. Returns how many went.
pub(super) fn merge(graph: &mut GraphProto) -> usize {
    let outputs: Vec<String> = graph.output.iter().map(|value| value.name().to_owned()).collect();
    let mut kept: HashMap<Vec<u8>, String> = HashMap::new();
    let mut same: HashMap<String, String> = HashMap::new();
    graph.initializer.retain(|tensor| {
        if tensor.elements() != Some(1) || outputs.iter().any(|output| output == tensor.name()) {
            return true;
        }
        let content = TensorProto { name: None, doc_string: None, ..tensor.clone() }.encode_to_vec();
        if let Some(other) = kept.get(&content) {
            same.insert(tensor.name().to_owned(), other.clone());
            return false;
        }
        kept.insert(content, tensor.name().to_owned());
        true
    });
    for input in graph.node.iter_mut().flat_map(|node| &mut node.input) {
        if let Some(other) = same.get(input) {
            other.clone_into(input);
        }
    }
    same.len()
}
