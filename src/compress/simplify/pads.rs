//! `Pad` with zeros, folded into the convolutions behind it.

use super::editor::Editor;
use crate::compress::graph::proto::{AttributeProto, NodeProto, attribute_type};

/// Folds the `Pad` with this number if convolutions are all that uses it.
pub(super) fn fold(editor: &mut Editor<'_>, number: usize) -> bool {
    let Some(node) = editor.node(number).filter(|node| node.op_type() == "Pad") else { return false };
    let (Some(input), Some(output)) = (node.input.first().cloned(), node.output.first().cloned()) else {
        return false;
    };
    let Some(added) = spatial(editor, node) else { return false };
    let users = editor.consumers(&output).to_vec();
    let pads: Option<Vec<Vec<i64>>> = users
        .iter()
        .map(|user| {
            let conv = editor.node(user.node).filter(|_| user.input == 0)?;
            own_pads(conv, added.len()).map(|own| own.iter().zip(&added).map(|(a, b)| a + b).collect())
        })
        .collect();
    let Some(pads) = pads.filter(|pads| !pads.is_empty() && !editor.is_output(&output)) else { return false };
    for (user, pads) in users.iter().zip(pads) {
        if let Some(conv) = editor.node_mut(user.node) {
            conv.attribute.retain(|attribute| !matches!(attribute.name(), "pads" | "auto_pad"));
            conv.attribute.push(AttributeProto {
                name: Some("pads".to_owned()),
                ints: pads,
                r#type: Some(attribute_type::INTS),
                ..AttributeProto::default()
            });
            if let Some(first) = conv.input.first_mut() {
                input.clone_into(first);
            }
        }
    }
    editor.drop_node(number);
    true
}

/// What a `Pad` with zeros adds to all axes but the first two: begins, then ends. None where it does anything else.
fn spatial(editor: &Editor<'_>, node: &NodeProto) -> Option<Vec<i64>> {
    let constant = node.attribute("mode").is_none_or(|mode| mode.s() == b"constant");
    let given = |position: usize| node.input.get(position).filter(|name| !name.is_empty());
    let value = match (node.attribute("value"), given(2)) {
        (Some(value), _) => vec![value.f()],
        (None, Some(name)) => editor.floats(name)?,
        (None, None) => vec![0.0],
    };
    if !constant || given(3).is_some() || value.iter().any(|value| *value != 0.0) {
        return None;
    }
    let pads = match (node.attribute("pads"), given(1)) {
        (Some(pads), _) => pads.ints.clone(),
        (None, name) => editor.integers(name?)?,
    };
    let (begins, ends) = pads.split_at(pads.len() / 2);
    let outer = begins.iter().take(2).chain(ends.iter().take(2));
    if begins.len() != ends.len() || begins.len() < 3 || outer.copied().any(|pad| pad != 0) {
        return None;
    }
    let inner: Vec<i64> = begins.iter().skip(2).chain(ends.iter().skip(2)).copied().collect();
    inner.iter().all(|pad| *pad >= 0).then_some(inner)
}

/// The paddings of a `Conv`, if they are given as numbers; `count` is how many there should be.
fn own_pads(conv: &NodeProto, count: usize) -> Option<Vec<i64>> {
    let automatic = conv.attribute("auto_pad").map_or(&b"NOTSET"[..], |attribute| attribute.s());
    if conv.op_type() != "Conv" || !matches!(automatic, b"NOTSET" | b"VALID" | b"") {
        return None;
    }
    match conv.attribute("pads").filter(|pads| automatic != b"VALID" && !pads.ints.is_empty()) {
        Some(pads) => (pads.ints.len() == count).then(|| pads.ints.clone()),
        None => Some(vec![0; count]),
    }
}
