//! What happens to axes when a tensor is folded to another shape or cut into pieces.

use super::super::atoms::{Atom, Atoms};
use super::{Axis, axis_of};
use crate::compress::graph::Index;
use crate::compress::graph::proto::{GraphProto, NodeProto, TensorProto};

/// The axes of a tensor of `from` when its elements, in the same order, get the sides `to`.
///
/// Runs of axes whose products agree are looked at one by one: one axis that stays one, one that is split (it is then the
/// longest part that can lose channels, the same in every row of the others), or several that are merged, one of which
/// has channels. All else is fixed.
pub(super) fn fold(
    atoms: &mut Atoms,
    axes: &[Axis],
    from: &[usize],
    to: &[usize],
    reason: &str,
) -> Vec<Axis> {
    let mut result: Vec<Axis> = vec![None; to.len()];
    let (mut i, mut j) = (0, 0);
    while let (Some(first), Some(second)) = (from.get(i).copied(), to.get(j).copied()) {
        let (mut ends, mut products) = ((i + 1, j + 1), (first, second));
        if first != second && first.min(second) == 1 {
            // a side of 1 that comes or goes
            ends = if first == 1 { (i + 1, j) } else { (i, j + 1) };
        } else {
            while products.0 != products.1 {
                let (side, end, product) = if products.0 < products.1 {
                    (from.get(ends.0), &mut ends.0, &mut products.0)
                } else {
                    (to.get(ends.1), &mut ends.1, &mut products.1)
                };
                let Some(side) = side else { break };
                *product *= side;
                *end += 1;
            }
        }
        let old = axes.get(i..ends.0).unwrap_or_default();
        let sides = (from.get(i..ends.0).unwrap_or_default(), to.get(j..ends.1).unwrap_or_default());
        let new = if products.0 == products.1 { run(atoms, old, sides.0, sides.1) } else { None };
        match new {
            Some(new) => {
                for (place, axis) in result.iter_mut().skip(j).zip(new) {
                    *place = axis;
                }
            }
            None => freeze(atoms, old, reason),
        }
        (i, j) = ends;
    }
    freeze(atoms, axes.get(i..).unwrap_or_default(), reason);
    result
}

fn freeze(atoms: &mut Atoms, axes: &[Axis], reason: &str) {
    for axis in axes.iter().flatten() {
        atoms.freeze(axis, reason);
    }
}

fn run(atoms: &mut Atoms, axes: &[Axis], from: &[usize], to: &[usize]) -> Option<Vec<Axis>> {
    if axes.iter().all(Option::is_none) {
        return Some(vec![None; to.len()]);
    }
    match (axes, to) {
        ([axis], [_]) => Some(vec![axis.clone()]),
        ([Some(whole)], [_, _, ..]) => {
            let largest = to.iter().copied().enumerate().max_by_key(|(_, side)| *side)?;
            let behind: usize = to.iter().skip(largest.0 + 1).product();
            let mut part: Vec<Option<Atom>> = vec![None; largest.1];
            for (place, atom) in whole.iter().enumerate() {
                let index = place / behind.max(1) % largest.1;
                match part.get_mut(index)? {
                    Some(first) => atoms.unite(*first, *atom),
                    empty => *empty = Some(*atom),
                }
            }
            let mut result = vec![None; to.len()];
            *result.get_mut(largest.0)? = Some(part.into_iter().collect::<Option<Vec<Atom>>>()?);
            Some(result)
        }
        ([_, _, ..], [side]) => {
            let mut with = axes.iter().enumerate().filter_map(|(axis, a)| Some((axis, a.as_ref()?)));
            let (Some((axis, part)), None) = (with.next(), with.next()) else { return None };
            let behind: usize = from.iter().skip(axis + 1).product();
            let whole = (0..*side).map(|place| part.get(place / behind.max(1) % part.len().max(1)).copied());
            Some(vec![Some(whole.collect::<Option<Vec<Atom>>>()?)])
        }
        _ => None,
    }
}

/// The constant bounds of a `Slice`.
#[derive(Debug, Clone)]
pub(in super::super) struct Slicing {
    pub(in super::super) starts: Vec<i64>,
    pub(in super::super) ends: Vec<i64>,
    /// By bound: the axis and the step.
    pub(in super::super) axes: Vec<(usize, i64)>,
}

/// Reads the bounds from a node's inputs (operators from 10 on).
pub(in super::super) fn slicing(
    graph: &GraphProto,
    index: &Index,
    node: &NodeProto,
    rank: usize,
) -> Option<Slicing> {
    let list = |input: usize| -> Option<Option<Vec<i64>>> {
        let Some(name) = node.input.get(input).filter(|name| !name.is_empty()) else { return Some(None) };
        let tensor: &TensorProto = graph.initializer.get(index.initialiser(name)?)?;
        Some(Some(tensor.integers()?))
    };
    let (starts, ends) = (list(1)??, list(2)??);
    let axes = list(3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return None;
    }
    let axes = axes.iter().zip(steps).map(|(axis, step)| Some((axis_of(*axis, rank)?, step)));
    Some(Slicing { starts, ends, axes: axes.collect::<Option<Vec<_>>>()? })
}

impl Slicing {
    /// First and one-past-last index of a bound on an axis of `side`.
    pub(in super::super) fn range(&self, number: usize, side: usize) -> Option<(usize, usize)> {
        let side = side as i64;
        let place = |value: i64| if value < 0 { value.saturating_add(side) } else { value }.clamp(0, side);
        let (start, end) = (place(*self.starts.get(number)?), place(*self.ends.get(number)?));
        (start <= end).then_some((start as usize, end as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(from: &[usize], channel: usize, to: &[usize]) -> (Atoms, Vec<Atom>, Vec<Axis>) {
        let mut atoms = Atoms::default();
        let made = atoms.fresh(from[channel]);
        let mut axes = vec![None; from.len()];
        axes[channel] = Some(made.clone());
        let result = fold(&mut atoms, &axes, from, to, "folded");
        (atoms, made, result)
    }

    #[test]
    fn channels_split_into_groups_go_together() {
        let (atoms, made, axes) = folded(&[1, 6, 4, 4], 1, &[1, 2, 3, 4, 4]);
        assert_eq!(axes.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, false, false]);
        assert_eq!(axes[2].as_ref().unwrap(), &made[..3]);
        assert_eq!(atoms.root(made[1]), atoms.root(made[4]));
        assert_ne!(atoms.root(made[0]), atoms.root(made[1]));
    }

    #[test]
    fn flattened_channels_are_blocks() {
        let (_, made, axes) = folded(&[1, 2, 1, 3], 1, &[1, 6]);
        assert_eq!(axes[1].as_ref().unwrap(), &[made[0], made[0], made[0], made[1], made[1], made[1]]);
        let (_, made, axes) = folded(&[1, 3, 2], 2, &[6]);
        assert_eq!(axes[0].as_ref().unwrap(), &[made[0], made[1], made[0], made[1], made[0], made[1]]);
    }

    #[test]
    fn sides_of_one_come_and_go() {
        let (_, made, axes) = folded(&[1, 5, 1, 1], 1, &[5, 1]);
        assert_eq!((axes[0].as_ref(), axes[1].as_ref()), (Some(&made), None));
        let (_, made, axes) = folded(&[5], 0, &[1, 5, 1]);
        assert_eq!(axes[1].as_ref(), Some(&made));
    }

    #[test]
    fn what_is_mixed_stays() {
        let (atoms, made, axes) = folded(&[1, 6, 4], 1, &[1, 4, 6]);
        assert!(axes.iter().all(Option::is_none));
        assert_eq!(atoms.reason(made[3]), Some("folded"));
    }
}
