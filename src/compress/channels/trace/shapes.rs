//! Nodes that only move elements around.

use super::axes::{fold, slicing};
use super::{Atom, Axis, Tracer, axis_of, data, has, int, made};
use crate::compress::graph::node_name;
use crate::compress::graph::proto::NodeProto;

impl Tracer<'_> {
    /// Carries the axes on for which `carry` holds.
    fn carry(&mut self, node: &NodeProto, carry: impl Fn(usize) -> bool) -> Option<()> {
        let (input, output) = (data(node)?, made(node)?);
        let reason = format!("`{}` ({}) moves along them", node_name(node), node.op_type());
        let mut axes = self.axes(input);
        for (number, axis) in axes.iter_mut().enumerate().filter(|(number, _)| !carry(*number)) {
            let (side, kept) = (self.dims(input).get(number), self.dims(output).get(number));
            let stays = axis.take();
            // a side of 1 cannot be gone through
            if side != Some(&1) || kept != Some(&1) {
                self.freeze(&stays, &reason);
            }
        }
        self.set(output, axes);
        Some(())
    }

    pub(super) fn pool(&mut self, node: &NodeProto) -> Option<()> {
        self.carry(node, |axis| axis < 2)
    }

    /// `Softmax` and the like: from an axis on (all of them before ONNX 13) every element depends on every other.
    pub(super) fn over_axes(&mut self, node: &NodeProto) -> Option<()> {
        let rank = self.dims(data(node)?).len();
        let softmax = node.op_type() != "LayerNormalization";
        let axis = axis_of(int(node, "axis", if softmax && self.opset < 13 { 1 } else { -1 }), rank)?;
        let one = softmax && self.opset >= 13;
        let reason = format!("`{}` ({}) goes over them", node_name(node), node.op_type());
        let mut axes = self.axes(data(node)?);
        for (_, fixed) in axes.iter_mut().enumerate().filter(|(n, _)| *n == axis || (!one && *n > axis)) {
            let fixed = fixed.take();
            self.freeze(&fixed, &reason);
        }
        self.set(made(node)?, axes);
        Some(())
    }

    pub(super) fn reduce(&mut self, node: &NodeProto) -> Option<()> {
        let rank = self.dims(data(node)?).len();
        let listed = match node.attribute("axes") {
            Some(attribute) => attribute.ints.clone(),
            None if has(node, 1) => self.integers(node, 1)?,
            None if int(node, "noop_with_empty_axes", 0) != 0 => return None,
            None => Vec::new(),
        };
        let reduced: Vec<usize> = if listed.is_empty() {
            (0..rank).collect()
        } else {
            listed.iter().map(|axis| axis_of(*axis, rank)).collect::<Option<_>>()?
        };
        let keep = int(node, "keepdims", 1) != 0;
        let reason = format!("`{}` ({}) goes over them", node_name(node), node.op_type());
        let mut axes = Vec::new();
        for (number, axis) in self.axes(data(node)?).into_iter().enumerate() {
            if !reduced.contains(&number) {
                axes.push(axis);
                continue;
            }
            self.freeze(&axis, &reason);
            if keep {
                axes.push(None);
            }
        }
        self.set(made(node)?, axes);
        Some(())
    }

    pub(super) fn concat(&mut self, node: &NodeProto) -> Option<()> {
        let output = made(node)?;
        let rank = self.dims(output).len();
        let along = axis_of(node.attribute("axis")?.i(), rank)?;
        let reason = format!("`{}` (Concat) joins them with what stays", node_name(node));
        let inputs: Vec<Vec<Axis>> = node.input.iter().map(|input| self.axes(input)).collect();
        let mut axes = Vec::new();
        for axis in 0..rank {
            let parts = inputs.iter().map(|input| input.get(axis).cloned().flatten());
            if axis != along {
                let joined = parts.reduce(|before, part| self.join(before, part, &reason));
                axes.push(joined.flatten());
                continue;
            }
            let parts: Vec<Axis> = parts.collect();
            if parts.iter().all(Option::is_none) {
                axes.push(None);
                continue;
            }
            let mut whole: Vec<Atom> = Vec::new();
            for (part, input) in parts.into_iter().zip(&node.input) {
                if let Some(atoms) = part {
                    whole.extend(atoms);
                    continue;
                }
                let side = *self.dims(input).get(axis)?;
                let fixed = self.trace.atoms.fresh(side);
                self.trace.atoms.freeze(&fixed, &reason);
                whole.extend(fixed);
            }
            axes.push(Some(whole));
        }
        self.set(output, axes);
        Some(())
    }

    pub(super) fn split(&mut self, node: &NodeProto) -> Option<()> {
        let input = data(node)?;
        let along = axis_of(int(node, "axis", 0), self.dims(input).len())?;
        if (has(node, 1) && self.integers(node, 1).is_none()) || node.output.iter().any(String::is_empty) {
            return None;
        }
        let axes = self.axes(input);
        let mut start = 0;
        for output in &node.output {
            let side = *self.dims(output).get(along)?;
            let mut axes = axes.clone();
            if let Some(axis) = axes.get_mut(along) {
                *axis = axis.as_ref().and_then(|atoms| Some(atoms.get(start..start + side)?.to_vec()));
            }
            self.set(output, axes);
            start += side;
        }
        Some(())
    }

    pub(super) fn slice(&mut self, node: &NodeProto) -> Option<()> {
        let input = data(node)?;
        let dims = self.dims(input).to_vec();
        let bounds = slicing(self.graph, self.index, node, dims.len())?;
        let mut axes = self.axes(input);
        for (number, (axis, step)) in bounds.axes.iter().copied().enumerate() {
            let Some(atoms) = axes.get(axis).cloned().flatten() else { continue };
            let range = bounds.range(number, *dims.get(axis)?);
            let part = range.filter(|_| step == 1).and_then(|(start, end)| atoms.get(start..end));
            if part.is_none() {
                self.trace.atoms.freeze(&atoms, &format!("`{}` (Slice) takes some of them", node_name(node)));
            }
            *axes.get_mut(axis)? = part.filter(|part| !part.is_empty()).map(<[Atom]>::to_vec);
        }
        self.set(made(node)?, axes);
        Some(())
    }

    /// With a constant list of indices.
    pub(super) fn gather(&mut self, node: &NodeProto) -> Option<()> {
        let input = data(node)?;
        let dims = self.dims(input).to_vec();
        let along = axis_of(int(node, "axis", 0), dims.len())?;
        let indices = self.integers(node, 1)?;
        let mut axes = self.axes(input);
        let picked = axes.get(along)?.clone();
        let is_list = self.dims(node.input.get(1)?).len() == 1;
        if !is_list {
            self.freeze(&picked, &format!("`{}` (Gather) takes some of them", node_name(node)));
            let rank = self.dims(node.input.get(1)?).len();
            axes.splice(along..=along, std::iter::repeat_n(None, rank));
        } else if let Some(atoms) = picked {
            let pick = indices.iter().map(|index| atoms.get(axis_of(*index, atoms.len())?).copied());
            *axes.get_mut(along)? = Some(pick.collect::<Option<Vec<Atom>>>()?);
        }
        self.set(made(node)?, axes);
        Some(())
    }

    pub(super) fn transpose(&mut self, node: &NodeProto) -> Option<()> {
        let axes = self.axes(data(node)?);
        let order: Vec<usize> = match node.attribute("perm") {
            Some(attribute) => {
                attribute.ints.iter().map(|axis| axis_of(*axis, axes.len())).collect::<Option<_>>()?
            }
            None => (0..axes.len()).rev().collect(),
        };
        let moved = order.iter().map(|axis| axes.get(*axis).cloned()).collect::<Option<Vec<Axis>>>()?;
        self.set(made(node)?, moved);
        Some(())
    }

    pub(super) fn reshape(&mut self, node: &NodeProto) -> Option<()> {
        self.integers(node, 1)?;
        if int(node, "allowzero", 0) != 0 {
            return None;
        }
        self.fold(node)
    }

    /// The same elements in the same order, with other sides.
    pub(super) fn fold(&mut self, node: &NodeProto) -> Option<()> {
        let (input, output) = (data(node)?, made(node)?);
        let reason = format!("`{}` ({}) mixes them with other axes", node_name(node), node.op_type());
        let (from, to) = (self.dims(input).to_vec(), self.dims(output).to_vec());
        let axes = self.axes(input);
        let axes = fold(&mut self.trace.atoms, &axes, &from, &to, &reason);
        self.set(output, axes);
        Some(())
    }

    /// Axes that keep their length are not resized.
    pub(super) fn resize(&mut self, node: &NodeProto) -> Option<()> {
        if has(node, 3) && self.integers(node, 3).is_none() {
            return None;
        }
        let (from, to) = (self.dims(data(node)?).to_vec(), self.dims(made(node)?).to_vec());
        self.carry(node, |axis| from.get(axis) == to.get(axis))
    }

    /// Axes without padding are carried on.
    pub(super) fn pad(&mut self, node: &NodeProto) -> Option<()> {
        let rank = self.dims(data(node)?).len();
        let pads = match node.attribute("pads") {
            Some(attribute) => attribute.ints.clone(),
            None => self.integers(node, 1)?,
        };
        if has(node, 3) || pads.len() != 2 * rank {
            return None;
        }
        self.carry(node, |axis| pads.get(axis) == Some(&0) && pads.get(axis + rank) == Some(&0))
    }
}
