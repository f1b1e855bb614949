//! Random networks, and random channels taken out of them.

use proptest::prelude::*;

use super::net::{Case, Net, same};
use crate::compress::graph::build::ints;
use crate::compress::graph::proto::NodeProto;

/// Kinds of blocks.
const KINDS: u8 = 17;

/// Adds a block behind the tensors made so far; each is a name and its channels, all of 16 x 16 pixels.
fn block(net: &mut Net, made: &mut Vec<(String, i64)>, kind: u8, which: (u8, u8), keeps_zero: bool) {
    let number = made.len();
    let name = format!("b{number}");
    let sub = |what: &str| format!("{name}.{what}");
    let pick = |n: u8| made[made.len() - 1 - n as usize % made.len().min(3)].clone();
    let ((a, channels), (b, others)) = (pick(which.0), pick(which.1));
    let even = channels % 2 == 0;
    let result = match kind {
        0 => (
            net.conv(&name, &a, [4 + i64::from(which.1 % 5) * 2, channels, 3], 1),
            4 + i64::from(which.1 % 5) * 2,
        ),
        1 => {
            let times = 1 + i64::from(which.1 % 2);
            (net.conv(&name, &a, [channels * times, 1, 3], channels), channels * times)
        }
        2 => {
            let other = net.conv(&sub("conv"), &b, [channels, others, 1], 1);
            net.node("Add", &name, &[&a, &other]);
            (name.clone(), channels)
        }
        3 if channels + others < 40 => (net.concat(&name, &[&a, &b]), channels + others),
        4 if channels > 2 => {
            let first = 1 + i64::from(which.1) % (channels - 1);
            net.split(&[&sub("left"), &sub("right")], &a, &[first, channels - first]);
            let right = net.conv(&sub("conv"), &sub("right"), [6, channels - first, 1], 1);
            (net.concat(&name, &[&right, &sub("left")]), 6 + first)
        }
        5 if even => (net.conv(&name, &a, [8, channels / 2, 3], 2), 8),
        6 if even => (net.shuffle(&name, &a, channels, 2), channels),
        7 => {
            let operator = if keeps_zero { "LeakyRelu" } else { "Sigmoid" };
            net.node(operator, &name, &[&a]);
            (name.clone(), channels)
        }
        8 => (net.normalise(&name, &a, channels), channels),
        9 => {
            let node = NodeProto::new("MaxPool", &name, &[&a], &[&name]);
            let node = ints(ints(node, "kernel_shape", &[3, 3]), "pads", &[1; 4]);
            net.graph.node.push(node);
            (name.clone(), channels)
        }
        10 if channels > 3 => {
            let bounds = [[1], [channels - 1], [1]];
            let bounds: Vec<String> = ["starts", "ends", "axes"]
                .iter()
                .zip(bounds)
                .map(|(what, values)| net.integers(&sub(what), &values))
                .collect();
            net.node("Slice", &name, &[&a, &bounds[0], &bounds[1], &bounds[2]]);
            (name.clone(), channels - 2)
        }
        11 => {
            net.node("GlobalAveragePool", &sub("mean"), &[&a]);
            let less = net.conv(&sub("less"), &sub("mean"), [4, channels, 1], 1);
            net.node("Relu", &sub("relu"), &[&less]);
            let gate = net.conv(&sub("gate"), &sub("relu"), [channels, 4, 1], 1);
            net.node("Mul", &name, &[&a, &gate]);
            (name.clone(), channels)
        }
        12 => {
            let turned: Vec<i64> = (0..channels).rev().collect();
            let indices = net.integers(&sub("indices"), &turned);
            let node = NodeProto::new("Gather", &name, &[&a, &indices], &[&name]).with_int("axis", 1);
            net.graph.node.push(node);
            (name.clone(), channels)
        }
        13 => {
            let factor = net.floats(&sub("factor"), &[channels, 1, 1]);
            net.node("Mul", &name, &[&factor, &a]);
            (name.clone(), channels)
        }
        14 => {
            let weight = net.floats(&sub("weight"), &[channels, 6, 1, 1]);
            net.node("ConvTranspose", &name, &[&a, &weight]);
            (name.clone(), 6)
        }
        15 => {
            let rows = net.reshape(&sub("rows"), &a, &[0, 0, -1]);
            let rows = net.transpose(&sub("turned"), &rows, &[0, 2, 1]);
            let weight = net.floats(&sub("weight"), &[channels, 8]);
            net.node("MatMul", &sub("product"), &[&rows, &weight]);
            let back = net.transpose(&sub("back"), &sub("product"), &[0, 2, 1]);
            (net.reshape(&name, &back, &[1, 8, 16, 16]), 8)
        }
        _ => {
            let slope = net.floats(&sub("slope"), &[channels, 1, 1]);
            net.node("PRelu", &name, &[&a, &slope]);
            (name.clone(), channels)
        }
    };
    made.push(result);
}

fn network(blocks: &[(u8, (u8, u8))], keeps_zero: bool) -> crate::compress::graph::Model {
    let mut net = Net::new();
    let mut made = vec![(net.conv("b0", "images", [8, 3, 3], 1), 8)];
    for (kind, which) in blocks {
        block(&mut net, &mut made, *kind, *which, keeps_zero);
    }
    let (last, channels) = made.last().unwrap().clone();
    let head = net.conv("head", &last, [6, channels, 1], 1);
    net.node("GlobalAveragePool", "mean", &[&head]);
    net.node("Flatten", "flat", &["mean"]);
    let weight = net.floats("dense.weight", &[6, 5]);
    net.node("Gemm", "dense", &["flat", &weight]);
    let open = net.conv("open", &last, [3, channels, 1], 1);
    net.model(&["dense", &open])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn removing_what_is_zero_changes_nothing(
        blocks in proptest::collection::vec((0..KINDS, (any::<u8>(), any::<u8>())), 1..9),
        rate in 0.0f64..0.9,
        seed in 0usize..1000,
        read in any::<bool>(),
        multiple in prop_oneof![Just(1usize), Just(2), Just(4)],
    ) {
        let model = network(&blocks, !read);
        let case = Case::new(&model, multiple);
        let removed = case.some(rate, seed);
        prop_assert!(rate < 0.5 || multiple > 1 || !removed.is_empty());
        case.check(&removed, read);
        for (name, before, after) in case.channels(&removed) {
            prop_assert!(after > 0, "{name} has lost everything");
            prop_assert!(before % multiple != 0 || after % multiple == 0, "{name}: {after} of {before}");
        }
    }

    #[test]
    fn removing_nothing_changes_nothing(
        blocks in proptest::collection::vec((0..KINDS, (any::<u8>(), any::<u8>())), 1..6),
    ) {
        let mut model = network(&blocks, false);
        model.graph_mut().remove_dead();
        let case = Case::new(&model, 1);
        let pruned = case.without(&model, &std::collections::HashSet::new());
        prop_assert_eq!(pruned.graph(), model.graph());
        same(&model, &pruned);
    }
}
