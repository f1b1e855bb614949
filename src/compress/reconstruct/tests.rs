use super::*;
use crate::compress::Reference;
use crate::compress::graph::build;
use crate::compress::graph::proto::{GraphProto, NodeProto};
use crate::compress::testing::{input, pictures};

fn images(count: usize) -> (tempfile::TempDir, CalibrationImages) {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), count);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    (folder, images)
}

fn weights<'a>(model: &'a mut Model, name: &str) -> &'a mut TensorProto {
    model.graph_mut().initializer.iter_mut().find(|tensor| tensor.name() == name).unwrap()
}

fn set(model: &mut Model, name: &str, dims: &[i64], values: &[f32]) {
    *weights(model, name) = TensorProto::of_f32(name, dims, values);
}

fn fit(base: &Model, pruned: &Model, kept: &Kept, what: Reconstruct) -> (Model, Report, f64, f64) {
    let (_folder, images) = images(12);
    let (fitted, report) = reconstruct(base, pruned, kept, &input(), &images, what, &mut |_| ()).unwrap();
    let reference = Reference::new(base, &input(), &images, 12).unwrap();
    let (before, after) = (reference.error(pruned).unwrap(), reference.error(&fitted).unwrap());
    (fitted, report, before, after)
}

/// Windows of all kinds, groups, and what follows them.
fn geometry() -> Model {
    let mut proto = build::small();
    let node = NodeProto::new;
    let ints = build::ints;
    let graph = GraphProto {
        node: vec![
            ints(
                ints(node("Conv", "strided", &["images", "w0", "b0"], &["strided"]), "strides", &[2, 1]),
                "pads",
                &[0, 1, 1, 2],
            ),
            node("Relu", "relu", &["strided"], &["relu"]),
            ints(
                ints(node("Conv", "depthwise", &["relu", "w1"], &["depthwise"]), "dilations", &[1, 2]),
                "pads",
                &[1, 2, 1, 2],
            )
            .with_int("group", 8),
            node("Conv", "grouped", &["depthwise", "w2", "b2"], &["grouped"]).with_int("group", 2),
            node("GlobalAveragePool", "mean", &["grouped"], &["mean"]),
            node("Flatten", "flat", &["mean"], &["flat"]),
            node("Gemm", "gemm", &["flat", "w3", "b3"], &["gemm"]).with_int("transB", 1),
            node("Relu", "relu_2", &["gemm"], &["relu_2"]),
            node("MatMul", "matmul", &["relu_2", "w4"], &["scores"]),
        ],
        initializer: vec![
            TensorProto::of_f32("w0", &[8, 3, 3, 3], &build::numbers(216, 0.4)),
            TensorProto::of_f32("b0", &[8], &build::numbers(8, 0.2)),
            TensorProto::of_f32("w1", &[8, 1, 3, 3], &build::numbers(72, 0.7)),
            TensorProto::of_f32("w2", &[6, 4, 1, 1], &build::numbers(24, 0.7)),
            TensorProto::of_f32("b2", &[6], &build::numbers(6, 0.5)),
            TensorProto::of_f32("w3", &[5, 6], &build::numbers(30, 0.7)),
            TensorProto::of_f32("b3", &[5], &build::numbers(5, 2.0)),
            TensorProto::of_f32("w4", &[5, 3], &build::numbers(15, 0.7)),
        ],
        input: vec![build::value("images", &[1, 3, 16, 16])],
        output: vec![build::value("scores", &[1, 3])],
        ..GraphProto::default()
    };
    proto.graph = Some(graph);
    build::model(&proto)
}

#[test]
fn an_unpruned_model_is_seen_as_it_computes_and_stays() {
    let model = geometry();
    let (fitted, report, ..) = fit(&model, &model, &Kept::new(), Reconstruct::Weights);
    let names: Vec<&str> = report.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["strided", "depthwise", "grouped", "gemm", "matmul"]);
    for layer in &report.layers {
        // windows read at the wrong place would be off by the whole variance
        assert!(layer.error_before < 1e-4 && layer.steps == 0, "{layer:?}");
    }
    assert_eq!(fitted.to_bytes(), model.to_bytes());
}

#[test]
fn what_zeroed_weights_did_is_taken_over_by_the_others() {
    let base = geometry();
    let mut pruned = base.clone();
    for (name, every) in [("w0", 3), ("w1", 2), ("w2", 2), ("w3", 3)] {
        let tensor = weights(&mut pruned, name);
        let mut values = tensor.f32_values().unwrap();
        values.iter_mut().step_by(every).for_each(|value| *value = 0.0);
        *tensor = TensorProto::of_f32(name, &tensor.dims.clone(), &values);
    }
    let (mut fitted, report, before, after) = fit(&base, &pruned, &Kept::new(), Reconstruct::Weights);
    assert!(after < 0.3 * before, "{before} {after}");
    assert!(report.layers.iter().all(|layer| layer.error_after <= layer.error_before), "{report:#?}");
    for name in ["w0", "w1", "w2", "w3"] {
        let zeros = |model: &mut Model| -> Vec<bool> {
            weights(model, name).f32_values().unwrap().iter().map(|value| *value == 0.0).collect()
        };
        assert_eq!(zeros(&mut fitted), zeros(&mut pruned), "{name}");
    }
    let (_, _, _, bias_only) = fit(&base, &pruned, &Kept::new(), Reconstruct::Bias);
    assert!(bias_only < before && after < bias_only, "{before} {bias_only} {after}");
}

#[test]
fn a_removed_channel_that_had_a_twin_is_not_missed() {
    let mut base = build::model(&build::small());
    let mut first = weights(&mut base, "first.weight").f32_values().unwrap();
    let twin: Vec<f32> = first[6 * 27..7 * 27].iter().map(|value| value * 2.0).collect();
    first[7 * 27..].copy_from_slice(&twin);
    let mut bias = weights(&mut base, "first.bias").f32_values().unwrap();
    bias[7] = bias[6] * 2.0;
    set(&mut base, "first.weight", &[8, 3, 3, 3], &first);
    set(&mut base, "first.bias", &[8], &bias);
    let mut pruned = base.clone();
    set(&mut pruned, "first.weight", &[7, 3, 3, 3], &first[..7 * 27]);
    set(&mut pruned, "first.bias", &[7], &bias[..7]);
    let second = weights(&mut base, "second.weight").f32_values().unwrap();
    let rows: Vec<f32> = second.chunks(8).flat_map(|row| row[..7].to_vec()).collect();
    set(&mut pruned, "second.weight", &[8, 7, 1, 1], &rows);
    let left: Vec<usize> = (0..7).collect();
    let kept: Kept = ["first", "leaky", "pool"].map(|name| (name.to_owned(), left.clone())).into();
    let (_, report, before, after) = fit(&base, &pruned, &kept, Reconstruct::Weights);
    assert!(before > 1e-2 && after < 1e-5, "{before} {after} {report:#?}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let base = build::model(&build::small());
    let (_folder, images) = images(2);
    let wrong = |base: &Model, kept: Kept| {
        let pruned = build::model(&build::small());
        let done = reconstruct(base, &pruned, &kept, &input(), &images, Reconstruct::Bias, &mut |_| ());
        done.unwrap_err().to_string()
    };
    // a tensor of which it is not known what is left
    let kept = Kept::from([("second".to_owned(), vec![0, 1])]);
    let done = reconstruct(&base, &base, &kept, &input(), &images, Reconstruct::Bias, &mut |_| ());
    assert_eq!(done.unwrap().1.left, ["second"]);
    let message = wrong(&geometry(), Kept::new());
    assert!(message.contains("`first`") && message.contains("no such node"), "{message}");
}
