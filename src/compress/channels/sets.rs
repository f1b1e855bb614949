//! Channels that are removed together, in groups of like ones, and what has to be left.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::atoms::Atom;
use super::trace::{Role, Trace};
use crate::compress::graph::proto::GraphProto;

/// Channels that only go together, by the atom that stands for them.
#[derive(Debug, Clone)]
pub(super) struct ChannelSet {
    pub(super) root: Atom,
    /// By number of the cut that makes them: which of its indices.
    pub(super) made: BTreeMap<usize, Vec<usize>>,
    /// By number of the reader: which of its input's indices.
    pub(super) read: BTreeMap<usize, Vec<usize>>,
}

/// Channel sets that the same layers make and read, as many channels of each.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) sets: Vec<ChannelSet>,
    /// So many sets are removed at a time, for the sake of multiples.
    pub(super) step: usize,
}

impl Group {
    /// Numbers of the cuts that make its channels.
    pub(super) fn makers(&self) -> Vec<usize> {
        self.sets.first().map_or_else(Vec::new, |set| set.made.keys().copied().collect())
    }

    /// Numbers of its readers.
    pub(super) fn readers(&self) -> Vec<usize> {
        self.sets.first().map_or_else(Vec::new, |set| set.read.keys().copied().collect())
    }

    /// How many sets a share of them is, in whole steps.
    pub(super) fn part(&self, wanted: f64) -> usize {
        let step = self.step as f64;
        let number = (wanted / step).round().max(0.0) * step;
        // the last step that fits
        (number as usize).min(self.sets.len() / self.step * self.step)
    }
}

/// All that can be removed.
#[derive(Debug, Clone, Default)]
pub(super) struct Prunable {
    pub(super) groups: Vec<Group>,
    /// By axis of the graph, alike ones once: how many indices each root has there.
    spans: Vec<HashMap<Atom, usize>>,
    /// By root: the axes that it is part of.
    places: HashMap<Atom, Vec<usize>>,
}

impl Prunable {
    /// Of what hangs together in a graph.
    pub(super) fn new(trace: &Trace, multiple: usize) -> Self {
        let mut sets: BTreeMap<Atom, ChannelSet> = BTreeMap::new();
        let mut note = |atom: Atom, number: usize, place: usize, makes: bool| {
            if trace.atoms.reason(atom).is_some() {
                return;
            }
            let root = trace.atoms.root(atom);
            let set = sets.entry(root).or_insert_with(|| ChannelSet {
                root,
                made: BTreeMap::new(),
                read: BTreeMap::new(),
            });
            let side = if makes { &mut set.made } else { &mut set.read };
            side.entry(number).or_default().push(place);
        };
        for (number, cut) in trace.cuts.iter().enumerate().filter(|(_, cut)| cut.role == Role::Makes) {
            for (place, atom) in cut.atoms.iter().enumerate() {
                note(*atom, number, place, true);
            }
        }
        for (number, reader) in trace.readers.iter().enumerate() {
            for (place, atom) in reader.atoms.iter().enumerate() {
                note(*atom, number, place, false);
            }
        }
        let counts = |side: &BTreeMap<usize, Vec<usize>>| -> Vec<(usize, usize)> {
            side.iter().map(|(number, places)| (*number, places.len())).collect()
        };
        let mut grouped: BTreeMap<_, Vec<ChannelSet>> = BTreeMap::new();
        for set in sets.into_values().filter(|set| !set.made.is_empty()) {
            grouped.entry((counts(&set.made), counts(&set.read))).or_default().push(set);
        }
        let groups = grouped.into_iter().map(|((made, _), mut sets)| {
            // in the order of the first layer's channels
            sets.sort_by(|a, b| a.made.values().next().cmp(&b.made.values().next()));
            let steps = made.iter().map(|(cut, count)| {
                let channels = trace.cuts.get(*cut).map_or(1, |cut| cut.atoms.len());
                if channels.is_multiple_of(multiple) { multiple / gcd(multiple, *count) } else { 1 }
            });
            Group { sets, step: steps.fold(1, |a, b| a / gcd(a, b) * b) }
        });
        let mut result = Self { groups: groups.collect(), ..Self::default() };
        result.note_axes(trace);
        result
    }

    fn note_axes(&mut self, trace: &Trace) {
        let mut known: HashSet<Vec<Atom>> = HashSet::new();
        let axes = trace.tensors.values().flatten().flatten().chain(trace.cuts.iter().map(|cut| &cut.atoms));
        for axis in axes {
            let roots: Vec<Atom> = axis.iter().map(|atom| trace.atoms.root(*atom)).collect();
            if known.contains(&roots) {
                continue;
            }
            let mut span: HashMap<Atom, usize> = HashMap::new();
            for root in &roots {
                *span.entry(*root).or_default() += 1;
            }
            for root in span.keys() {
                self.places.entry(*root).or_default().push(self.spans.len());
            }
            self.spans.push(span);
            known.insert(roots);
        }
    }

    /// What goes when each group loses the wanted share of its sets, those of the least importance first. What a group
    /// loses too much or too little for the sake of whole numbers the next one makes up for. Every axis keeps something.
    ///
    /// `importance` and `rates` are by group (and set).
    pub(super) fn select(&self, importance: &[Vec<f64>], rates: &[f64]) -> HashSet<Atom> {
        let mut left: Vec<usize> = self.spans.iter().map(|span| span.values().sum()).collect();
        let mut removed = HashSet::new();
        let mut carry = 0.0;
        for ((group, importance), rate) in self.groups.iter().zip(importance).zip(rates) {
            if *rate <= 0.0 {
                continue;
            }
            let wanted = rate.mul_add(group.sets.len() as f64, carry);
            let count = group.part(wanted);
            let mut order: Vec<(f64, Atom)> =
                importance.iter().copied().zip(group.sets.iter().map(|set| set.root)).collect();
            order.sort_by(|a, b| a.0.total_cmp(&b.0)); // stable: ties go by the channels' order
            let mut taken = Vec::new();
            for (_, root) in order {
                if taken.len() == count {
                    break;
                }
                if self.take(root, &mut left) {
                    taken.push(root);
                }
            }
            for root in taken.split_off(taken.len() / group.step * group.step) {
                self.give_back(root, &mut left);
            }
            // what cannot be removed here is not looked for elsewhere
            carry = if taken.len() == count {
                (wanted - count as f64).clamp(-(group.step as f64), group.step as f64)
            } else {
                0.0
            };
            removed.extend(taken);
        }
        removed
    }

    fn counts(&self, root: Atom) -> impl Iterator<Item = (usize, usize)> {
        let places = self.places.get(&root).map_or(&[][..], Vec::as_slice);
        places.iter().map(move |place| {
            (*place, self.spans.get(*place).and_then(|span| span.get(&root)).copied().unwrap_or(0))
        })
    }

    fn take(&self, root: Atom, left: &mut [usize]) -> bool {
        let stays = |(place, count): (usize, usize)| left.get(place).is_some_and(|left| *left > count);
        if !self.counts(root).all(stays) {
            return false;
        }
        for (place, count) in self.counts(root) {
            if let Some(left) = left.get_mut(place) {
                *left -= count;
            }
        }
        true
    }

    fn give_back(&self, root: Atom, left: &mut [usize]) {
        for (place, count) in self.counts(root) {
            if let Some(left) = left.get_mut(place) {
                *left += count;
            }
        }
    }
}

/// Multiply-accumulates for one input, of all convolutions and matrix products, when `removed` are gone.
pub(super) fn macs(
    graph: &GraphProto,
    trace: &Trace,
    shapes: &crate::compress::Shapes,
    removed: &HashSet<Atom>,
) -> u64 {
    let mut cuts: HashMap<(usize, usize), usize> = HashMap::new();
    for cut in trace.cuts.iter().filter(|cut| cut.input == 1) {
        cuts.insert((cut.node, cut.axis), kept(trace, &cut.atoms, removed).len());
    }
    let mut total = 0u64;
    for (number, node) in graph.node.iter().enumerate() {
        let (Some(input), Some(weight), Some(output)) =
            (node.input.first(), node.input.get(1), node.output.first())
        else {
            continue;
        };
        let (input, weight, output) = (shapes.dims(input), shapes.dims(weight), shapes.dims(output));
        let all = |dims: &[usize]| dims.iter().product::<usize>();
        let last = |dims: &[usize]| dims.last().copied().unwrap_or(1).max(1);
        // how often each weight is used
        let times = match node.op_type() {
            "Conv" => all(output) / output.get(1).copied().unwrap_or(1).max(1),
            "ConvTranspose" => all(input) / input.get(1).copied().unwrap_or(1).max(1),
            "Gemm" => all(output) / last(output),
            "MatMul" if weight.len() == 2 => all(output) / last(output),
            "MatMul" => {
                total += (all(output) * last(input)) as u64;
                continue;
            }
            _ => continue,
        };
        let sides = weight.iter().enumerate();
        let weights: usize =
            sides.map(|(axis, side)| cuts.get(&(number, axis)).copied().unwrap_or(*side)).product();
        total += times as u64 * weights as u64;
    }
    total
}

/// The places of an axis that stay.
pub(super) fn kept(trace: &Trace, atoms: &[Atom], removed: &HashSet<Atom>) -> Vec<usize> {
    let stays = |atom: &Atom| !removed.contains(&trace.atoms.root(*atom));
    atoms.iter().enumerate().filter(|(_, atom)| stays(atom)).map(|(place, _)| place).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}
