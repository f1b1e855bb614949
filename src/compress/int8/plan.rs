//! Which nodes and tensors of a graph are quantised.

use std::collections::{HashMap, HashSet};

use crate::compress::graph::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::compress::graph::{Index, node_name};

/// What happens to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It stays in float.
    Float,
    /// Its weights are quantised.
    Core,
    /// Its output has the range of its input.
    SameRange,
    /// Its output has a range of its own.
    OwnRange,
    /// It only cuts off what the node before it makes; that node's output is not quantised, only what is left.
    Cut,
}

/// What is quantised.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// By index of the node.
    pub(super) roles: Vec<Role>,
    /// The tensors, in the graph's order, and for each the one whose range it has.
    pub(super) tensors: Vec<(String, String)>,
}

impl Plan {
    /// Plans for a sorted graph; nodes named in `excluded` stay in float.
    pub(super) fn new(graph: &GraphProto, index: &Index, excluded: &HashSet<String>) -> Self {
        let mut roles: Vec<Role> = graph.node.iter().map(|node| candidate(graph, index, node)).collect();
        for (role, node) in roles.iter_mut().zip(&graph.node) {
            if excluded.contains(node_name(node)) {
                *role = Role::Float;
            }
        }
        keep_what_leads_to_core(graph, index, &mut roles);
        for number in 0..roles.len() {
            if roles.get(number) == Some(&Role::Cut) && !cuts(graph, index, &roles, number) {
                set_float(&mut roles, number);
            }
        }
        let tensors = tensors(graph, index, &roles);
        Self { roles, tensors }
    }
}

fn set_float(roles: &mut [Role], number: usize) {
    if let Some(role) = roles.get_mut(number) {
        *role = Role::Float;
    }
}

/// The inputs of a node that carry activations.
pub(super) fn data_inputs(node: &NodeProto, role: Role) -> &[String] {
    match role {
        Role::Float => &[],
        Role::OwnRange => &node.input,
        Role::Core | Role::SameRange | Role::Cut => node.input.get(..1).unwrap_or_default(),
    }
}

fn candidate(graph: &GraphProto, index: &Index, node: &NodeProto) -> Role {
    let constant = |position: usize| {
        let name = node.input.get(position)?;
        graph
            .initializer
            .get(index.initialiser(name)?)
            .filter(|tensor| tensor.is_f32() && tensor.dims.iter().all(|side| *side > 0))
    };
    let absent = |position: usize| node.input.get(position).is_none_or(String::is_empty);
    let int = |name: &str, default: i64| node.attribute(name).map_or(default, AttributeProto::i);
    let one =
        |name: &str| node.attribute(name).is_none_or(|attribute| (attribute.f() - 1.0).abs() < f32::EPSILON);
    if !node.domain().is_empty() && node.domain() != "ai.onnx" {
        return Role::Float;
    }
    let computed = |name: &String| !name.is_empty() && index.initialiser(name).is_none();
    let role = match node.op_type() {
        "Conv" if constant(1).is_some_and(|w| w.dims.len() > 2) && (absent(2) || constant(2).is_some()) => {
            Role::Core
        }
        "MatMul" if constant(1).is_some_and(|w| w.dims.len() == 2) => Role::Core,
        "Gemm"
            if constant(1).is_some_and(|w| w.dims.len() == 2)
                && (absent(2) || constant(2).is_some_and(|bias| bias.dims.len() == 1))
                && int("transA", 0) == 0
                && one("alpha")
                && one("beta") =>
        {
            Role::Core
        }
        "MaxPool" | "Resize" | "Transpose" | "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Split" => {
            Role::SameRange
        }
        "LeakyRelu" | "Sigmoid" | "AveragePool" | "GlobalAveragePool" | "Add" | "Mul" | "Concat" => {
            Role::OwnRange
        }
        "Relu" | "Clip" => Role::Cut,
        _ => Role::Float,
    };
    let all_f32 = node.input.iter().all(|name| {
        index
            .initialiser(name)
            .is_none_or(|number| graph.initializer.get(number).is_some_and(TensorProto::is_f32))
    });
    match role {
        Role::OwnRange if !all_f32 || !node.input.iter().any(computed) => Role::Float,
        Role::SameRange if node.op_type() == "MaxPool" && node.output.len() > 1 => Role::Float,
        _ if !node.input.first().is_some_and(computed) && role != Role::OwnRange => Role::Float,
        role => role,
    }
}

/// Between the last core node and the outputs nothing is gained by quantising, and accuracy lost.
fn keep_what_leads_to_core(graph: &GraphProto, index: &Index, roles: &mut [Role]) {
    for number in (0..roles.len()).rev() {
        let (Some(role), Some(node)) = (roles.get(number).copied(), graph.node.get(number)) else { continue };
        if matches!(role, Role::Float | Role::Core) {
            continue;
        }
        let uses = node.output.iter().flat_map(|output| index.consumers(output));
        let leads = uses
            .map(|consumer| {
                (roles.get(consumer.node).copied(), graph.node.get(consumer.node), consumer.input)
            })
            .any(|(role, node, input)| match (role, node) {
                (Some(role), Some(node)) => input < data_inputs(node, role).len(),
                _ => false,
            });
        // what cuts off right behind a core node costs nothing
        let behind_core = role == Role::Cut
            && node.input.first().and_then(|input| index.producer(input)).and_then(|made| roles.get(made))
                == Some(&Role::Core);
        if !leads && !behind_core {
            set_float(roles, number);
        }
    }
}

/// Whether a node that cuts off is the only one to use what a quantised node makes.
fn cuts(graph: &GraphProto, index: &Index, roles: &[Role], number: usize) -> bool {
    let Some(input) = graph.node.get(number).and_then(|node| node.input.first()) else { return false };
    let producer = index.producer(input).and_then(|made| roles.get(made));
    matches!(producer, Some(Role::Core | Role::OwnRange))
        && index.consumers(input).len() == 1
        && !index.is_output(input)
}

fn tensors(graph: &GraphProto, index: &Index, roles: &[Role]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut roots: HashMap<String, String> = HashMap::new();
    for (node, role) in graph.node.iter().zip(roles) {
        if *role == Role::Float {
            continue;
        }
        if *role != Role::Cut {
            for input in data_inputs(node, *role) {
                if !roots.contains_key(input) {
                    roots.insert(input.clone(), input.clone());
                    found.push((input.clone(), input.clone()));
                }
            }
        }
        for output in node.output.iter().filter(|name| !name.is_empty()) {
            let cut_next =
                matches!(index.consumers(output), [only] if roles.get(only.node) == Some(&Role::Cut));
            if cut_next {
                continue;
            }
            let root = match role {
                Role::SameRange => node.input.first().and_then(|input| roots.get(input)).unwrap_or(output),
                _ => output,
            };
            let root = root.clone();
            roots.insert(output.clone(), root.clone());
            found.push((output.clone(), root));
        }
    }
    found
}
