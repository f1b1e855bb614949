//! Nodes with weights, and those that work element by element.

use super::{Atom, Axis, Role, Tracer, data, has, int, made};
use crate::compress::graph::node_name;
use crate::compress::graph::proto::NodeProto;

impl Tracer<'_> {
    /// Weights (out, in per group, ...).
    pub(super) fn conv(&mut self, number: usize, node: &NodeProto) -> Option<()> {
        let (read, out, sides, group) = self.convolution(number, node)?;
        let [rows, columns] = sides;
        if group > 1 && columns == 1 && read.len == group {
            let Some(atoms) = read.atoms else { return Some(()) };
            let per_channel = rows / group;
            let made: Vec<Atom> =
                atoms.iter().flat_map(|atom| std::iter::repeat_n(*atom, per_channel)).collect();
            return self.convolved(number, node, 0, made, Some(atoms), out);
        }
        if let Some(atoms) = read.atoms {
            self.tie(&atoms, columns);
            let first = atoms.get(..columns)?.to_vec();
            self.cut(number, 1, 1, Role::Reads, &first);
            self.trace.readers.push(super::Reader { node: number, axis: 1, atoms });
        }
        let made = self.trace.atoms.fresh(rows);
        self.tie(&made, rows / group);
        self.convolved(number, node, 0, made, None, out)
    }

    /// Weights (in, out per group, ...).
    pub(super) fn conv_transpose(&mut self, number: usize, node: &NodeProto) -> Option<()> {
        let (read, out, sides, group) = self.convolution(number, node)?;
        let [rows, columns] = sides;
        if group > 1 && columns == 1 && rows == group {
            let Some(atoms) = read.atoms else { return Some(()) };
            return self.convolved(number, node, 0, atoms.clone(), Some(atoms), out);
        }
        if let Some(atoms) = read.atoms {
            self.tie(&atoms, rows / group);
            self.cut(number, 1, 0, Role::Reads, &atoms);
            self.trace.readers.push(super::Reader { node: number, axis: 1, atoms });
        }
        let made = self.trace.atoms.fresh(columns * group);
        self.tie(&made, columns);
        self.convolved(number, node, 1, made, None, out)
    }

    /// What both kinds have in common: the channels of the input, the output's rank, the weights' first sides, groups.
    fn convolution(&mut self, number: usize, node: &NodeProto) -> Option<(Input, usize, [usize; 2], usize)> {
        let weights = self.weights(node, 1)?;
        let [rows, columns, _, ..] = weights.dims.as_slice() else { return None };
        let sides = [usize::try_from(*rows).ok()?, usize::try_from(*columns).ok()?];
        let group = usize::try_from(int(node, "group", 1)).ok().filter(|group| *group > 0)?;
        let input = data(node)?;
        let len = *self.dims(input).get(1)?;
        let out = self.dims(made(node)?).len();
        let wanted = if node.op_type() == "Conv" { sides[1] * group } else { sides[0] };
        let bias = !has(node, 2) || self.weights(node, 2).is_some_and(|bias| bias.dims.len() == 1);
        if len != wanted || !sides[0].is_multiple_of(group) || !bias || self.computes_weights(number) {
            return None;
        }
        let mut axes = self.axes(input);
        let atoms = axes.get_mut(1)?.take();
        for axis in &axes {
            self.freeze(axis, &format!("`{}` moves along them", node_name(node)));
        }
        Some((Input { atoms, len }, out, sides, group))
    }

    /// A node that uses one tensor in several places is not understood.
    fn computes_weights(&self, number: usize) -> bool {
        let Some(node) = self.graph.node.get(number) else { return true };
        let mut named: Vec<&String> = node.input.iter().filter(|name| !name.is_empty()).collect();
        let count = named.len();
        named.sort();
        named.dedup();
        named.len() != count
    }

    fn convolved(
        &mut self,
        number: usize,
        node: &NodeProto,
        axis: usize,
        made: Vec<Atom>,
        depthwise: Option<Vec<Atom>>,
        rank: usize,
    ) -> Option<()> {
        let output = super::made(node)?;
        let side = usize::try_from(*self.weights(node, 1)?.dims.get(axis)?).ok()?;
        let rows = made.get(..side)?.to_vec();
        self.cut(number, 1, axis, Role::Makes, &rows);
        if has(node, 2) {
            self.cut(number, 2, 0, Role::Follows, &made);
        }
        if let Some(atoms) = depthwise {
            self.trace.depthwise.push((number, atoms));
        }
        let mut axes: Vec<Axis> = vec![None; rank];
        *axes.get_mut(1)? = Some(made);
        self.set(output, axes);
        Some(())
    }

    /// Every group of a grouped convolution loses the same.
    fn tie(&mut self, atoms: &[Atom], per_group: usize) {
        if let Some(first) = atoms.get(..per_group) {
            for group in atoms.chunks(per_group.max(1)).skip(1) {
                self.trace.atoms.unite_all(first, group);
            }
        }
    }

    pub(super) fn gemm(&mut self, number: usize, node: &NodeProto) -> Option<()> {
        let weights = self.weights(node, 1)?;
        let made_axis = usize::from(int(node, "transB", 0) == 0);
        let side = usize::try_from(*weights.dims.get(made_axis)?).ok()?;
        let plain = weights.dims.len() == 2 && int(node, "transA", 0) == 0;
        let bias = if has(node, 2) { Some(self.weights(node, 2)?.dims.clone()) } else { None };
        if !plain {
            return None;
        }
        let mut axes = self.axes(data(node)?);
        let made = self.dense(number, axes.pop()?, 1 - made_axis, made_axis, side);
        if let Some((axis, _)) =
            bias.iter().flatten().enumerate().last().filter(|(_, length)| **length == side as i64)
        {
            self.cut(number, 2, axis, Role::Follows, &made);
        }
        axes.push(Some(made));
        self.set(super::made(node)?, axes);
        Some(())
    }

    pub(super) fn matmul(&mut self, number: usize, node: &NodeProto) -> Option<()> {
        let weights = self.weights(node, 1)?;
        let [_, side] = weights.dims.as_slice() else { return None };
        let side = usize::try_from(*side).ok()?;
        let mut axes = self.axes(data(node)?);
        if axes.len() < 2 {
            return None;
        }
        let made = self.dense(number, axes.pop()?, 0, 1, side);
        axes.push(Some(made));
        self.set(super::made(node)?, axes);
        Some(())
    }

    fn dense(&mut self, node: usize, read: Axis, reads: usize, makes: usize, side: usize) -> Vec<Atom> {
        if let Some(atoms) = read {
            self.cut(node, 1, reads, Role::Reads, &atoms);
            let input = self.graph.node.get(node).and_then(data).unwrap_or_default();
            let axis = self.dims(input).len().saturating_sub(1);
            self.trace.readers.push(super::Reader { node, axis, atoms });
        }
        let made = self.trace.atoms.fresh(side);
        self.cut(node, 1, makes, Role::Makes, &made);
        made
    }

    /// One set of parameters for each channel.
    pub(super) fn normalise(&mut self, number: usize, node: &NodeProto) -> Option<()> {
        let output = made(node)?;
        let mut axes = self.axes(data(node)?);
        let parameters = 1..node.input.len();
        let channels = *self.dims(data(node)?).get(1)?;
        if !parameters.clone().all(|input| self.weights(node, input).is_some_and(|p| p.count() == channels)) {
            return None;
        }
        for (axis, atoms) in axes.iter_mut().enumerate().filter(|(axis, _)| *axis != 1) {
            // statistics of the training do not depend on what else is in the batch
            if axis > 0 || node.op_type() == "InstanceNormalization" {
                let atoms = atoms.take();
                self.freeze(&atoms, &format!("`{}` normalises over them", node_name(node)));
            }
        }
        if let Some(Some(atoms)) = axes.get(1).cloned() {
            for input in parameters {
                self.cut(number, input, 0, Role::Follows, &atoms);
            }
        }
        self.set(output, axes);
        Some(())
    }

    pub(super) fn unary(&mut self, node: &NodeProto) -> Option<()> {
        let input = data(node)?;
        // bounds of `Clip` and the like have no axes
        if node.input.iter().skip(1).any(|extra| !self.dims(extra).is_empty()) {
            return None;
        }
        let axes = self.axes(input);
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            self.set(output, axes.clone());
        }
        Some(())
    }

    /// Numpy's broadcasting: axes are aligned at the end, and a side of 1 fits any.
    pub(super) fn elementwise(&mut self, number: usize, node: &NodeProto) -> Option<()> {
        let output = made(node)?;
        let dims = self.dims(output).to_vec();
        let reason = format!("`{}` ({}) joins them with what stays", node_name(node), node.op_type());
        let mut axes = Vec::new();
        for (axis, side) in dims.iter().copied().enumerate() {
            let mut joined: Option<Axis> = None;
            let mut constants = Vec::new();
            for (position, input) in node.input.iter().enumerate() {
                let sides = self.dims(input);
                let Some(own) = (axis + sides.len()).checked_sub(dims.len()) else { continue };
                let constant = self.index.initialiser(input).is_some();
                let own_side = sides.get(own).copied();
                if constant && self.constant(input).is_some() {
                    if own_side == Some(side) && side > 1 {
                        constants.push((position, own));
                    }
                    continue;
                }
                let atoms = self.axes(input).get(own).cloned().flatten();
                if own_side != Some(side) {
                    self.freeze(&atoms, &reason);
                    continue;
                }
                joined = Some(match joined {
                    None => atoms,
                    Some(before) => self.join(before, atoms, &reason),
                });
            }
            let joined = joined.flatten();
            for (position, own) in constants {
                if let Some(atoms) = &joined {
                    self.cut(number, position, own, Role::Follows, atoms);
                }
            }
            axes.push(joined);
        }
        self.set(output, axes);
        Some(())
    }
}

/// The channels that a convolution reads.
struct Input {
    atoms: Axis,
    len: usize,
}
