use super::*;
use crate::compress::graph::build::{self, numbers};
use crate::compress::graph::proto::NodeProto;
use crate::compress::testing::outputs_for;

fn options(rate: f64, scope: Scope) -> Options {
    Options { rate, scope, exclude: Vec::new() }
}

fn values(model: &Model, name: &str) -> Vec<f32> {
    model.graph().initializer.iter().find(|tensor| tensor.name() == name).unwrap().f32_values().unwrap()
}

fn zeros(values: &[f32]) -> usize {
    values.iter().filter(|value| **value == 0.0).count()
}

#[test]
fn the_smallest_of_all_go() {
    let model = build::model(&build::small());
    let (pruned, report) = prune(&model, &options(0.5, Scope::Global)).unwrap();
    assert_eq!((report.weights, report.zeros), (216 + 64 + 32, 156));
    let names = ["first.weight", "second.weight", "third.weight"];
    let before: Vec<f32> = names.iter().flat_map(|name| values(&model, name)).collect();
    let after: Vec<f32> = names.iter().flat_map(|name| values(&pruned, name)).collect();
    let smallest_left = after.iter().filter(|v| **v != 0.0).fold(f32::MAX, |least, v| least.min(v.abs()));
    for (before, after) in before.iter().zip(&after) {
        assert!(*after == *before || (*after == 0.0 && before.abs() <= smallest_left));
    }
    assert_eq!(values(&pruned, "first.bias"), values(&model, "first.bias"));
    assert!(report.packed_after < report.packed_before, "{report:?}");
    assert_eq!(outputs_for(&pruned, &[1, 3, 16, 16], &numbers(768, 1.0)).len(), 2);
}

#[test]
fn every_layer_loses_the_same_share() {
    let model = build::model(&build::small());
    let (_, report) = prune(&model, &options(0.3, Scope::Layer)).unwrap();
    let counts: Vec<usize> = report.layers.iter().map(|layer| layer.zeros).collect();
    assert_eq!(counts, [65, 19, 10]);
}

#[test]
fn alike_weights_go_in_order() {
    let mut proto = build::small();
    let weights = &mut proto.graph.as_mut().unwrap().initializer[4];
    *weights = TensorProto::of_f32("third.weight", &[4, 8, 1, 1], &[1.0; 32]);
    let (pruned, _) = prune(&build::model(&proto), &options(0.25, Scope::Layer)).unwrap();
    let wanted: Vec<f32> = (0..32).map(|n| if n < 8 { 0.0 } else { 1.0 }).collect();
    assert_eq!(values(&pruned, "third.weight"), wanted);
}

#[test]
fn two_of_four_stay_along_the_input_channels() {
    let model = build::model(&build::small());
    let (pruned, report) = prune(&model, &options(0.0, Scope::Pattern { keep: 2, group: 4 })).unwrap();
    for name in ["second.weight", "third.weight"] {
        let (before, after) = (values(&model, name), values(&pruned, name));
        for (before, after) in before.chunks(4).zip(after.chunks(4)) {
            assert_eq!(zeros(after), 2);
            let left = after.iter().filter(|v| **v != 0.0).fold(f32::MAX, |least, v| least.min(v.abs()));
            let gone = before.iter().zip(after).filter(|(_, after)| **after == 0.0);
            assert!(gone.map(|(before, _)| before.abs()).all(|gone| gone <= left));
        }
    }
    let left = report.layers[0].left.as_ref().unwrap();
    assert!(left.contains("3 input channels"), "{left}");
    assert_eq!(values(&pruned, "first.weight"), values(&model, "first.weight"));
}

#[test]
fn patterns_go_along_the_channels_of_kernels_and_matrices() {
    let mut proto = build::small();
    let graph = proto.graph.as_mut().unwrap();
    graph.initializer[4] = TensorProto::of_f32("third.weight", &[4, 8, 3, 3], &numbers(288, 1.0));
    graph.node[5] = build::ints(graph.node[5].clone(), "pads", &[1; 4]);
    graph.node[5].attribute.retain(|attribute| attribute.name() != "kernel_shape");
    graph.node.push(NodeProto::new("MatMul", "dense", &["third", "dense.weight"], &["dense"]));
    graph.initializer.push(TensorProto::of_f32("dense.weight", &[8, 3], &numbers(24, 1.0)));
    graph.output.push(build::value("dense", &[1, 4, 8, 3]));
    let model = build::model(&proto);
    let (pruned, _) = prune(&model, &options(0.0, Scope::Pattern { keep: 1, group: 4 })).unwrap();
    let kernel = values(&pruned, "third.weight");
    for (row, half, place) in (0..4).flat_map(|r| (0..2).flat_map(move |h| (0..9).map(move |p| (r, h, p)))) {
        let group: Vec<f32> = (0..4).map(|n| kernel[row * 72 + (half * 4 + n) * 9 + place]).collect();
        assert_eq!(zeros(&group), 3);
    }
    let dense = values(&pruned, "dense.weight");
    for (half, column) in (0..2).flat_map(|half| (0..3).map(move |column| (half, column))) {
        let group: Vec<f32> = (0..4).map(|n| dense[(half * 4 + n) * 3 + column]).collect();
        assert_eq!(zeros(&group), 3);
    }
}

#[test]
fn what_is_excluded_stays_and_what_is_wrong_is_told() {
    let model = build::model(&build::small());
    let exclude = vec!["first".to_owned()];
    let some = Options { exclude, ..options(0.9, Scope::Global) };
    let (pruned, report) = prune(&model, &some).unwrap();
    assert_eq!(values(&pruned, "first.weight"), values(&model, "first.weight"));
    assert_eq!(report.layers[0].left.as_deref(), Some("excluded"));
    let error = |options: Options| prune(&model, &options).unwrap_err().to_string();
    assert!(error(options(1.0, Scope::Global)).contains("a rate of 0 to 0.99, found 1"));
    let pattern = error(options(0.0, Scope::Pattern { keep: 4, group: 4 }));
    assert!(pattern.contains("4:4"), "{pattern}");
    let unknown = error(Options { exclude: vec!["frist".to_owned()], ..options(0.1, Scope::Global) });
    assert!(unknown.contains("did you mean `first`"), "{unknown}");
    let all = ["first", "second", "third"].map(str::to_owned).to_vec();
    let nothing = error(Options { exclude: all, ..options(0.1, Scope::Global) });
    assert!(nothing.contains("nothing to prune"), "{nothing}");
    let (same, _) = prune(&model, &options(0.0, Scope::Global)).unwrap();
    assert_eq!(same.graph(), model.graph());
}
