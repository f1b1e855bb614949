//! What was done, for the report.

use std::collections::HashSet;

use super::atoms::Atom;
use super::sets::{kept, macs};
use super::spread::Traced;
use super::trace::{Role, Trace};
use super::{Change, Layer, PrunedGroup, Report};
use crate::compress::graph::proto::GraphProto;
use crate::compress::graph::{Model, node_name};

pub(super) fn report(
    traced: &Traced<'_>,
    pruned: &Model,
    removed: &HashSet<Atom>,
    errors: &[Option<f64>],
) -> Report {
    let (graph, trace) = (traced.model.graph(), traced.trace);
    let macs = |removed: &HashSet<Atom>| macs(graph, trace, traced.shapes, removed);
    let name = |node: usize| graph.node.get(node).map_or_else(String::new, |node| node_name(node).to_owned());
    let mut groups = Vec::new();
    for (number, group) in traced.groups.groups.iter().enumerate() {
        let layers = group.makers().into_iter().filter_map(|cut| Some(name(trace.cuts.get(cut)?.node)));
        let readers =
            group.readers().into_iter().filter_map(|read| Some(name(trace.readers.get(read)?.node)));
        let importance = traced.importance.get(number).map_or(&[][..], Vec::as_slice);
        let gone = |root: &Atom| removed.contains(root);
        let sets = || importance.iter().zip(group.sets.iter().map(|set| &set.root));
        let lost: f64 = sets().filter(|(_, root)| gone(root)).map(|(importance, _)| importance).sum();
        groups.push(PrunedGroup {
            layers: layers.collect(),
            readers: readers.collect(),
            before: group.sets.len(),
            after: group.sets.iter().filter(|set| !gone(&set.root)).count(),
            importance_removed: lost / importance.iter().sum::<f64>().max(f64::MIN_POSITIVE),
            error: errors.get(number).copied().flatten(),
        });
    }
    Report {
        parameters: Change { before: parameters(graph), after: parameters(pruned.graph()) },
        macs: Change { before: macs(&HashSet::new()), after: macs(removed) },
        groups,
        layers: layers(graph, trace, removed),
    }
}

pub(super) fn layers(graph: &GraphProto, trace: &Trace, removed: &HashSet<Atom>) -> Vec<Layer> {
    let mut layers = Vec::new();
    for cut in trace.cuts.iter().filter(|cut| cut.role == Role::Makes) {
        let Some(node) = graph.node.get(cut.node) else { continue };
        let frozen: Vec<&str> = cut.atoms.iter().filter_map(|atom| trace.atoms.reason(*atom)).collect();
        let mut reasons: Vec<String> = Vec::new();
        for reason in &frozen {
            if !reasons.iter().any(|known| known == reason) {
                reasons.push((*reason).to_owned());
            }
        }
        layers.push(Layer {
            name: node_name(node).to_owned(),
            operator: node.op_type().to_owned(),
            before: cut.atoms.len(),
            after: kept(trace, &cut.atoms, removed).len(),
            frozen: frozen.len(),
            reasons,
        });
    }
    layers
}

fn parameters(graph: &GraphProto) -> u64 {
    graph.initializer.iter().filter(|tensor| tensor.is_f32()).map(|tensor| tensor.count() as u64).sum()
}
