//! Small networks, put together layer by layer.

use std::collections::HashSet;

use super::super::atoms::Atom;
use super::super::sets::Prunable;
use super::super::trace::{Role, Trace};
use crate::compress::graph::build::{ints, model, value};
use crate::compress::graph::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetId, TensorProto, ValueInfo,
};
use crate::compress::graph::{Index, Model};
use crate::compress::shapes::Shapes;
use crate::compress::testing::outputs_for;

/// Of the tests' input.
pub(super) const SHAPE: [i64; 4] = [1, 3, 16, 16];

/// A network in the making; every node makes a tensor of its own name.
pub(super) struct Net {
    pub(super) graph: GraphProto,
    pub(super) opset: i64,
    seed: usize,
}

impl Net {
    pub(super) fn new() -> Self {
        let graph = GraphProto {
            name: Some("net".to_owned()),
            input: vec![value("images", &SHAPE)],
            ..GraphProto::default()
        };
        Self { graph, opset: 17, seed: 0 }
    }

    /// Numbers around zero, others each time.
    fn numbers(&mut self, count: usize, spread: f32) -> Vec<f32> {
        let start = self.seed;
        self.seed += count;
        (start..self.seed).map(|n| ((n as f32 * 12.9898).sin() * 43758.547).fract() * spread).collect()
    }

    pub(super) fn floats(&mut self, name: &str, dims: &[i64]) -> String {
        let count = dims.iter().product::<i64>() as usize;
        let inputs = dims.iter().skip(1).product::<i64>().max(1) as f32;
        let values = self.numbers(count, (3.0 / inputs).sqrt().max(0.2));
        self.graph.initializer.push(TensorProto::of_f32(name, dims, &values));
        name.to_owned()
    }

    pub(super) fn integers(&mut self, name: &str, values: &[i64]) -> String {
        self.graph.initializer.push(TensorProto::list(name, values));
        name.to_owned()
    }

    pub(super) fn node(&mut self, operator: &str, name: &str, inputs: &[&str]) -> &mut NodeProto {
        self.graph.node.push(NodeProto::new(operator, name, inputs, &[name]));
        self.graph.node.last_mut().unwrap()
    }

    /// With padding that keeps the sides; weights (out, in per group, side, side) and a bias.
    pub(super) fn conv(&mut self, name: &str, input: &str, dims: [i64; 3], group: i64) -> String {
        let [out, per_group, side] = dims;
        let weight = self.floats(&format!("{name}.weight"), &[out, per_group, side, side]);
        let bias = self.floats(&format!("{name}.bias"), &[out]);
        let node = NodeProto::new("Conv", name, &[input, &weight, &bias], &[name]).with_int("group", group);
        self.graph.node.push(ints(node, "pads", &[side / 2; 4]));
        name.to_owned()
    }

    pub(super) fn reshape(&mut self, name: &str, input: &str, target: &[i64]) -> String {
        let target = self.integers(&format!("{name}.shape"), target);
        self.node("Reshape", name, &[input, &target]);
        name.to_owned()
    }

    pub(super) fn transpose(&mut self, name: &str, input: &str, perm: &[i64]) -> String {
        self.graph.node.push(ints(NodeProto::new("Transpose", name, &[input], &[name]), "perm", perm));
        name.to_owned()
    }

    /// ShuffleNet's.
    pub(super) fn shuffle(&mut self, name: &str, input: &str, channels: i64, groups: i64) -> String {
        let part = self.reshape(&format!("{name}.part"), input, &[1, groups, channels / groups, 16, 16]);
        let swap = self.transpose(&format!("{name}.swap"), &part, &[0, 2, 1, 3, 4]);
        self.reshape(name, &swap, &[0, -1, 16, 16])
    }

    pub(super) fn split(&mut self, names: &[&str], input: &str, sizes: &[i64]) {
        let sizes = self.integers(&format!("{}.sizes", names[0]), sizes);
        let node = NodeProto::new("Split", names[0], &[input, &sizes], names).with_int("axis", 1);
        self.graph.node.push(node);
    }

    pub(super) fn concat(&mut self, name: &str, inputs: &[&str]) -> String {
        self.graph.node.push(NodeProto::new("Concat", name, inputs, &[name]).with_int("axis", 1));
        name.to_owned()
    }

    pub(super) fn normalise(&mut self, name: &str, input: &str, channels: i64) -> String {
        let mut inputs = vec![input.to_owned()];
        for what in ["scale", "shift", "mean"] {
            inputs.push(self.floats(&format!("{name}.{what}"), &[channels]));
        }
        let variance: Vec<f32> = (0..channels).map(|n| 0.5 + n as f32 * 0.1).collect();
        let tensor = TensorProto::of_f32(&format!("{name}.variance"), &[channels], &variance);
        inputs.push(tensor.name().to_owned());
        self.graph.initializer.push(tensor);
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        self.node("BatchNormalization", name, &inputs);
        name.to_owned()
    }

    pub(super) fn model(&self, outputs: &[&str]) -> Model {
        let mut graph = self.graph.clone();
        let bare = |name: &&str| ValueInfo { name: Some((*name).to_owned()), ..ValueInfo::default() };
        graph.output = outputs.iter().map(bare).collect();
        model(&ModelProto {
            ir_version: Some(8),
            graph: Some(graph),
            opset_import: vec![OperatorSetId { domain: Some(String::new()), version: Some(self.opset) }],
            ..ModelProto::default()
        })
    }
}

/// A model, what hangs together in it, and what can go.
pub(super) struct Case {
    pub(super) model: Model,
    pub(super) shapes: Shapes,
    pub(super) trace: Trace,
    pub(super) groups: Prunable,
}

impl Case {
    pub(super) fn new(model: &Model, multiple: usize) -> Self {
        let shapes = Shapes::of(model, &SHAPE).unwrap();
        let index = Index::new(model.graph());
        let trace = Trace::new(model.graph(), &index, &shapes, model.opset(), &[]);
        let groups = Prunable::new(&trace, multiple);
        Self { model: model.clone(), shapes, trace, groups }
    }

    /// Some of the sets of every group, by a rule that is always the same.
    pub(super) fn some(&self, rate: f64, seed: usize) -> HashSet<Atom> {
        let mix = |n: usize| (((n + seed) as f64 * 78.233).sin() * 43758.547).fract();
        let sets = self.groups.groups.iter().map(|group| group.sets.iter());
        let importance: Vec<Vec<f64>> = sets.map(|sets| sets.map(|set| mix(set.root)).collect()).collect();
        self.groups.select(&importance, &vec![rate; importance.len()])
    }

    /// The model with zeros where what is removed is made, or where it is read.
    pub(super) fn zeroed(&self, removed: &HashSet<Atom>, read: bool) -> Model {
        let mut model = self.model.clone();
        let graph = model.graph_mut();
        for cut in self.trace.cuts.iter().filter(|cut| (cut.role == Role::Reads) == read) {
            let name = graph.node[cut.node].input[cut.input].clone();
            let tensor = graph.initializer.iter_mut().find(|tensor| tensor.name() == name).unwrap();
            let mut values = tensor.f32_values().unwrap();
            let behind: usize = tensor.dims[cut.axis + 1..].iter().product::<i64>() as usize;
            for (number, element) in values.iter_mut().enumerate() {
                let place = number / behind % cut.atoms.len();
                if removed.contains(&self.trace.atoms.root(cut.atoms[place])) {
                    *element = 0.0;
                }
            }
            *tensor = TensorProto::of_f32(&name, &tensor.dims, &values);
        }
        model
    }

    /// The model without what is removed.
    pub(super) fn without(&self, model: &Model, removed: &HashSet<Atom>) -> Model {
        let mut pruned = model.clone();
        super::super::rewrite::rewrite(pruned.graph_mut(), &self.trace, &self.shapes, model.opset(), removed)
            .unwrap();
        pruned
    }

    /// Removing what is zero changes nothing.
    pub(super) fn check(&self, removed: &HashSet<Atom>, read: bool) {
        let zeroed = self.zeroed(removed, read);
        let pruned = self.without(&zeroed, removed);
        same(&zeroed, &pruned);
    }

    /// By layer: output channels before and after.
    pub(super) fn channels(&self, removed: &HashSet<Atom>) -> Vec<(String, usize, usize)> {
        let layers = super::super::report::layers(self.model.graph(), &self.trace, removed);
        layers.into_iter().map(|layer| (layer.name, layer.before, layer.after)).collect()
    }

    /// Why the channels of a layer have to stay.
    pub(super) fn reasons(&self, layer: &str) -> Vec<String> {
        let layers = super::super::report::layers(self.model.graph(), &self.trace, &HashSet::new());
        layers.into_iter().find(|found| found.name == layer).unwrap().reasons
    }
}

/// Two models put out the same.
pub(super) fn same(a: &Model, b: &Model) {
    let image: Vec<f32> = (0..769).map(|n| (n as f32 * 0.37).sin()).collect();
    let (a, b) = (outputs_for(a, &SHAPE, &image), outputs_for(b, &SHAPE, &image));
    assert_eq!(a.len(), b.len());
    for ((name, a), (_, b)) in a.iter().zip(&b) {
        assert_eq!(a.len(), b.len(), "{name}");
        let largest = a.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
        assert!(a.iter().any(|value| value.abs() > 1e-4), "{name} says nothing");
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() <= 1e-5 * largest, "{name}: {a} and {b}");
        }
    }
}

pub(super) fn text(mut node: NodeProto, name: &str, value: &str) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        s: Some(value.as_bytes().to_vec()),
        r#type: Some(3),
        ..AttributeProto::default()
    });
    node
}
