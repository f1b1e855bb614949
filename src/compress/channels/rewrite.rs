//! Taking channels out of a graph.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Kept;
use super::atoms::Atom;
use super::sets::kept;
use super::trace::{Trace, axis_of, slicing};
use crate::compress::graph::proto::{AttributeProto, GraphProto, NodeProto, TensorProto, attribute_type};
use crate::compress::graph::{GraphError, Index, Names};
use crate::compress::shapes::Shapes;

/// Removes channels everywhere: rows and columns of constants, lists of sizes, numbers of groups, declared shapes.
/// Returns for each tensor whose channels got fewer which are left. Channels are on axis 1; of what `MatMul` makes, on the
/// last.
pub(super) fn rewrite(
    graph: &mut GraphProto,
    trace: &Trace,
    shapes: &Shapes,
    opset: i64,
    removed: &HashSet<Atom>,
) -> Result<Kept, GraphError> {
    let index = Index::new(graph);
    let mut work =
        Rewriter { trace, shapes, opset, removed, names: Names::new(graph), index, constants: Vec::new() };
    work.sizes(graph);
    work.cuts(graph)?;
    for (node, atoms) in &trace.depthwise {
        let count = kept(trace, atoms, removed).len();
        if let Some(node) = graph.node.get_mut(*node) {
            set_int(node, "group", count as i64);
        }
    }
    let products: HashSet<&String> =
        graph.node.iter().filter(|node| node.op_type() == "MatMul").flat_map(|node| &node.output).collect();
    let mut left = Kept::new();
    let mut sides: HashMap<String, Vec<(usize, i64)>> = HashMap::new();
    for (tensor, axes) in &trace.tensors {
        for (axis, atoms) in axes.iter().enumerate().filter_map(|(n, a)| Some((n, a.as_ref()?))) {
            let stays = kept(trace, atoms, removed);
            if stays.len() == atoms.len() {
                continue;
            }
            sides.entry(tensor.clone()).or_default().push((axis, stays.len() as i64));
            let channels = if products.contains(tensor) { axes.len().saturating_sub(1) } else { 1 };
            if axis == channels {
                left.insert(tensor.clone(), stays);
            }
        }
    }
    graph.initializer.append(&mut work.constants);
    for tensor in &graph.initializer {
        sides.insert(tensor.name().to_owned(), tensor.dims.iter().copied().enumerate().collect());
    }
    for value in graph.value_info.iter_mut().chain(&mut graph.input) {
        let changed = value.name.as_ref().and_then(|name| sides.get(name));
        let shape = value.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()?.shape.as_mut());
        let (Some(changed), Some(shape)) = (changed, shape) else { continue };
        for (axis, side) in changed {
            if let Some(dim) = shape.dim.get_mut(*axis) {
                dim.dim_value = Some(*side);
                dim.dim_param = None;
            }
        }
    }
    graph.remove_dead();
    Ok(left)
}

/// By axis, the indices that stay.
type Left = BTreeMap<usize, Vec<usize>>;

struct Rewriter<'a> {
    trace: &'a Trace,
    shapes: &'a Shapes,
    opset: i64,
    removed: &'a HashSet<Atom>,
    names: Names,
    index: Index,
    /// Copies of constants.
    constants: Vec<TensorProto>,
}

impl Rewriter<'_> {
    /// What is left of a tensor's axis that loses something.
    fn shorter(&self, tensor: &str, axis: usize) -> Option<Vec<usize>> {
        let atoms = self.trace.axis(tensor, axis)?;
        Some(kept(self.trace, atoms, self.removed)).filter(|stays| stays.len() < atoms.len())
    }

    /// Slices constants. One that is used in several places is copied where these do not lose the same.
    fn cuts(&mut self, graph: &mut GraphProto) -> Result<(), GraphError> {
        // by constant and use: what stays of its axes
        let mut uses: BTreeMap<usize, BTreeMap<(usize, usize), Left>> = BTreeMap::new();
        for cut in &self.trace.cuts {
            let name = graph.node.get(cut.node).and_then(|node| node.input.get(cut.input));
            let Some(number) = name.and_then(|name| self.index.initialiser(name)) else { continue };
            let stays = kept(self.trace, &cut.atoms, self.removed);
            if stays.len() < cut.atoms.len() {
                let place = uses.entry(number).or_default().entry((cut.node, cut.input)).or_default();
                place.insert(cut.axis, stays);
            }
        }
        for (number, uses) in uses {
            let Some(original) = graph.initializer.get(number).cloned() else { continue };
            let mut done: Vec<(Left, String)> = Vec::new();
            let all = self.index.consumers(original.name()).len();
            let alike = uses.values().collect::<HashSet<_>>().len() == 1 && uses.len() == all;
            for ((node, input), axes) in uses {
                if done.iter().all(|(known, _)| *known != axes) {
                    let mut tensor = original.clone();
                    for (axis, stays) in &axes {
                        tensor = tensor.select(*axis, stays)?;
                    }
                    let name =
                        if alike { original.name().to_owned() } else { self.names.take(original.name()) };
                    tensor.name = Some(name.clone());
                    match graph.initializer.get_mut(number).filter(|_| alike) {
                        Some(place) => *place = tensor,
                        None => self.constants.push(tensor),
                    }
                    done.push((axes.clone(), name));
                }
                let name = done.iter().find(|(known, _)| *known == axes).map(|(_, name)| name);
                let place = graph.node.get_mut(node).and_then(|node| node.input.get_mut(input));
                if let (Some(name), Some(place)) = (name, place) {
                    place.clone_from(name);
                }
            }
        }
        Ok(())
    }

    /// Lists of sizes and places that say how long channel axes are.
    fn sizes(&mut self, graph: &mut GraphProto) {
        for number in 0..graph.node.len() {
            let Some(node) = graph.node.get(number).cloned() else { continue };
            let edits = match node.op_type() {
                "Reshape" => self.reshape(graph, &node),
                "Resize" => self.resize(graph, &node),
                "Slice" => self.slice(graph, &node),
                "Gather" => self.gather(graph, &node),
                "Split" => {
                    self.split(graph, number, &node);
                    None
                }
                _ => None,
            };
            for (input, values) in edits.into_iter().flatten() {
                self.replace(graph, number, input, &values);
            }
        }
    }

    fn integers(&self, graph: &GraphProto, node: &NodeProto, input: usize) -> Option<Vec<i64>> {
        graph.initializer.get(self.index.initialiser(node.input.get(input)?)?)?.integers()
    }

    fn reshape(&self, graph: &GraphProto, node: &NodeProto) -> Option<Vec<(usize, Vec<i64>)>> {
        let mut target = self.integers(graph, node, 1)?;
        let before = target.clone();
        for (axis, side) in target.iter_mut().enumerate().filter(|(_, side)| **side != -1) {
            if let Some(stays) = self.shorter(node.output.first()?, axis) {
                *side = stays.len() as i64;
            } else if *side == 0 && self.shorter(node.input.first()?, axis).is_some() {
                // a copied side that gets shorter there but not here
                *side = *self.shapes.dims(node.output.first()?).get(axis)? as i64;
            }
        }
        (target != before).then(|| vec![(1, target)])
    }

    fn resize(&self, graph: &GraphProto, node: &NodeProto) -> Option<Vec<(usize, Vec<i64>)>> {
        let mut sizes = self.integers(graph, node, 3)?;
        let output = node.output.first()?;
        let rank = self.shapes.dims(output).len();
        let listed = node.attribute("axes").map(|attribute| attribute.ints.clone()).unwrap_or_default();
        for (number, size) in sizes.iter_mut().enumerate() {
            let axis = if listed.is_empty() { number } else { axis_of(*listed.get(number)?, rank)? };
            if let Some(stays) = self.shorter(output, axis) {
                *size = stays.len() as i64;
            }
        }
        Some(vec![(3, sizes)])
    }

    fn slice(&self, graph: &GraphProto, node: &NodeProto) -> Option<Vec<(usize, Vec<i64>)>> {
        let input = node.input.first()?;
        let dims = self.shapes.dims(input);
        let mut bounds = slicing(graph, &self.index, node, dims.len())?;
        let mut changed = false;
        for (number, (axis, _)) in bounds.axes.clone().into_iter().enumerate() {
            let Some(stays) = self.shorter(input, axis) else { continue };
            let (start, end) = bounds.range(number, *dims.get(axis)?)?;
            let before = |place: usize| stays.iter().filter(|kept| **kept < place).count() as i64;
            *bounds.starts.get_mut(number)? = before(start);
            *bounds.ends.get_mut(number)? = before(end);
            changed = true;
        }
        changed.then(|| vec![(1, bounds.starts), (2, bounds.ends)])
    }

    fn gather(&self, graph: &GraphProto, node: &NodeProto) -> Option<Vec<(usize, Vec<i64>)>> {
        let input = node.input.first()?;
        let rank = self.shapes.dims(input).len();
        let axis = axis_of(node.attribute("axis").map_or(0, AttributeProto::i), rank)?;
        let stays = self.shorter(input, axis)?;
        let side = *self.shapes.dims(input).get(axis)?;
        let indices = self.integers(graph, node, 1)?;
        let moved = indices.iter().filter_map(|index| {
            let old = axis_of(*index, side)?;
            stays.binary_search(&old).ok().map(|new| new as i64)
        });
        Some(vec![(1, moved.collect())])
    }

    fn split(&mut self, graph: &mut GraphProto, number: usize, node: &NodeProto) -> Option<()> {
        let input = node.input.first()?;
        let rank = self.shapes.dims(input).len();
        let axis = axis_of(node.attribute("axis").map_or(0, AttributeProto::i), rank)?;
        self.shorter(input, axis)?;
        let size = |output: &String| {
            let whole = self.shapes.dims(output).get(axis).copied().unwrap_or(0);
            self.shorter(output, axis).map_or(whole, |stays| stays.len()) as i64
        };
        let sizes: Vec<i64> = node.output.iter().map(size).collect();
        let listed = node.input.get(1).is_some_and(|name| !name.is_empty());
        let place = graph.node.get_mut(number)?;
        if let Some(attribute) = place.attribute.iter_mut().find(|attribute| attribute.name() == "split") {
            attribute.ints = sizes;
        } else if listed {
            self.replace(graph, number, 1, &sizes);
        } else if self.opset >= 13 {
            place.attribute.retain(|attribute| attribute.name() != "num_outputs");
            let base = format!("{}_split", node.output.first()?);
            let name = self.names.take(&base);
            self.constants.push(TensorProto::list(&name, &sizes));
            place.input.truncate(1);
            place.input.push(name);
        } else {
            place.attribute.push(AttributeProto {
                name: Some("split".to_owned()),
                ints: sizes,
                r#type: Some(attribute_type::INTS),
                ..AttributeProto::default()
            });
        }
        Some(())
    }

    /// Gives a node other integers, on a copy where other nodes use the same ones.
    fn replace(&mut self, graph: &mut GraphProto, number: usize, input: usize, values: &[i64]) {
        let name = graph.node.get(number).and_then(|node| node.input.get(input)).cloned();
        let Some(place) = name.as_ref().and_then(|name| self.index.initialiser(name)) else { return };
        let Some(tensor) = graph.initializer.get_mut(place) else { return };
        let changed = tensor.with_integers(values);
        if self.index.consumers(tensor.name()).len() == 1 {
            *tensor = changed;
            return;
        }
        let name = self.names.take(tensor.name());
        self.constants.push(TensorProto { name: Some(name.clone()), ..changed });
        if let Some(place) = graph.node.get_mut(number).and_then(|node| node.input.get_mut(input)) {
            *place = name;
        }
    }
}

fn set_int(node: &mut NodeProto, name: &str, value: i64) {
    if let Some(attribute) = node.attribute.iter_mut().find(|attribute| attribute.name() == name) {
        attribute.i = Some(value);
    }
}
