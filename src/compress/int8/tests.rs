use std::path::Path;

use super::*;
use crate::compress::graph::build;
use crate::compress::graph::proto::{NodeProto, TensorProto};
use crate::compress::images::Loader;
use crate::detector::manifest::{Colour, Interpolation, Layout, Resize};
use crate::detector::probe::Probe;

fn input() -> InputSpec {
    InputSpec {
        width: 16,
        height: 16,
        layout: Layout::Nchw,
        colour: Colour::Rgb,
        mean: [127.0; 3],
        std: [64.0; 3],
        resize: Resize::Stretch,
        pad_value: 0,
        interpolation: Interpolation::Linear,
    }
}

/// A folder of noisy PNG files.
fn pictures(folder: &Path, count: usize) {
    for number in 0..count {
        let file = std::fs::File::create(folder.join(format!("{number:03}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, 16, 16);
        encoder.set_color(png::ColorType::Rgb);
        let pixels: Vec<u8> = (0..768).map(|n| (((n * 37 + number * 101) * 7919) >> 4) as u8).collect();
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }
}

fn options(method: Method) -> Options {
    Options { method, activations: Activations::Uint8, exclude: Vec::new(), exclude_worst: 0 }
}

/// All outputs of a model on one picture.
fn outputs(model: &Model, picture: &Path) -> Vec<(String, Vec<f32>)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    model.save(&path).unwrap();
    let mut probe = Probe::open(&path, &input()).unwrap();
    Loader::new(&input()).load(picture, probe.input_mut()).unwrap();
    let mut found = Vec::new();
    probe.run(|name, values| found.push((name.to_owned(), values.to_vec()))).unwrap();
    found
}

fn operators(model: &Model, operator: &str) -> usize {
    model.graph().node.iter().filter(|node| node.op_type() == operator).count()
}

#[test]
fn a_quantised_model_computes_nearly_the_same() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 8);
    let images = CalibrationImages::open(folder.path(), Some(6)).unwrap();
    assert_eq!(images.paths().len(), 6);
    let model = build::model(&build::small());
    for activations in [Activations::Uint8, Activations::Int8] {
        for method in [Method::MinMax, Method::Percentile(99.99), Method::Mse, Method::Entropy] {
            let options = Options { activations, ..options(method) };
            let (small, report) = quantise(&model, &input(), &images, &options, &mut |_| ()).unwrap();
            assert_eq!(report.nodes.len(), 3);
            assert_eq!(report.through, ["leaky", "pool", "relu"]);
            assert_eq!(report.float, ["sigmoid"]);
            // images, first, leaky, pool, relu, third
            assert_eq!((report.tensors, operators(&small, "QuantizeLinear")), (6, 6));
            let picture = folder.path().join("007.png");
            for ((name, float), (same, integer)) in
                outputs(&model, &picture).iter().zip(outputs(&small, &picture))
            {
                assert_eq!(*name, same);
                let largest = float.iter().fold(0f32, |largest, value| largest.max(value.abs()));
                let off =
                    float.iter().zip(&integer).map(|(a, b)| (a - b).abs()).sum::<f32>() / float.len() as f32;
                assert!(off < 0.04 * largest, "{method} {activations:?} {name}: {off} of {largest}");
            }
        }
    }
}

#[test]
fn excluded_nodes_stay_in_float() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 2);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let model = build::model(&build::small());
    let mut options = options(Method::MinMax);
    options.exclude = vec!["third".to_owned(), "first".to_owned()];
    let (small, report) = quantise(&model, &input(), &images, &options, &mut |_| ()).unwrap();
    assert_eq!(report.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["second"]);
    assert!(small.graph().initializer.iter().any(|tensor| tensor.name() == "first.weight"));

    options.exclude = vec!["secnd".to_owned()];
    let error = quantise(&model, &input(), &images, &options, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("did you mean `second`"), "{error}");
    options.exclude = ["first", "second", "third"].map(str::to_owned).to_vec();
    let error = quantise(&model, &input(), &images, &options, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("found none that is not excluded"), "{error}");
}

#[test]
fn the_worst_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 2);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let model = build::model(&build::small());
    let run = |exclude_worst| {
        let options = Options { exclude_worst, ..options(Method::MinMax) };
        quantise(&model, &input(), &images, &options, &mut |_| ()).unwrap().1.nodes
    };
    let all = run(0);
    let best = all.iter().max_by(|a, b| a.sqnr_db.total_cmp(&b.sqnr_db)).unwrap();
    let left = run(2);
    assert_eq!(left.iter().map(|node| &node.name).collect::<Vec<_>>(), [&best.name]);
}

/// Conv -> SiLU, a constant added, joined with itself, flattened, Gemm -> Clip -> MatMul -> Relu.
fn varied() -> Model {
    let mut proto = build::small();
    let graph = proto.graph.as_mut().unwrap();
    graph.node.truncate(1);
    graph.node.extend([
        NodeProto::new("Sigmoid", "gate", &["first"], &["gate"]),
        NodeProto::new("Mul", "silu", &["first", "gate"], &["silu"]),
        NodeProto::new("Add", "shift", &["silu", "shift.by"], &["shift"]),
        NodeProto::new("Concat", "join", &["shift", "silu"], &["join"]).with_int("axis", 1),
        NodeProto::new("GlobalAveragePool", "mean", &["join"], &["mean"]),
        NodeProto::new("Flatten", "flat", &["mean"], &["flat"]),
        NodeProto::new("Gemm", "dense", &["flat", "dense.weight", "dense.bias"], &["dense"])
            .with_int("transB", 1),
        NodeProto::new("Clip", "clip", &["dense", "low", "high"], &["clip"]),
        NodeProto::new("MatMul", "last", &["clip", "last.weight"], &["last"]),
        NodeProto::new("Relu", "relu", &["last"], &["result"]),
    ]);
    graph.initializer.truncate(2);
    graph.initializer.extend([
        TensorProto::of_f32("shift.by", &[1, 8, 1, 1], &build::numbers(8, 0.5)),
        TensorProto::of_f32("dense.weight", &[6, 16], &build::numbers(96, 1.0)),
        TensorProto::of_f32("dense.bias", &[6], &build::numbers(6, 0.5)),
        TensorProto::of_f32("low", &[], &[0.0]),
        TensorProto::of_f32("high", &[], &[6.0]),
        TensorProto::of_f32("last.weight", &[6, 5], &build::numbers(30, 1.0)),
    ]);
    graph.output = vec![build::value("result", &[1, 5])];
    build::model(&proto)
}

#[test]
fn other_operators_are_quantised_too() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 4);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let model = varied();
    let (small, report) = quantise(&model, &input(), &images, &options(Method::MinMax), &mut |_| ()).unwrap();
    let names: Vec<&str> = report.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["first", "dense", "last"]);
    assert_eq!(report.through, ["gate", "silu", "shift", "join", "mean", "flat", "clip", "relu"]);
    let picture = folder.path().join("002.png");
    let (float, integer) = (outputs(&model, &picture), outputs(&small, &picture));
    let largest = float[0].1.iter().copied().fold(0.1f32, f32::max);
    for (a, b) in float[0].1.iter().zip(&integer[0].1) {
        assert!((a - b).abs() < 0.05 * largest, "{float:?} {integer:?}");
    }
}

#[test]
fn the_same_twice_is_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 2);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let model = build::model(&build::small());
    let bytes =
        || quantise(&model, &input(), &images, &options(Method::Mse), &mut |_| ()).unwrap().0.to_bytes();
    assert_eq!(bytes(), bytes());
}

#[test]
fn old_operators_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 1);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let mut proto = build::small();
    proto.opset_import[0].version = Some(11);
    let model = build::model(&proto);
    let error =
        quantise(&model, &input(), &images, &options(Method::MinMax), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("found opset 11"), "{error}");
}

#[test]
fn images_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = CalibrationImages::open(folder.path(), None).unwrap_err().to_string();
    assert!(error.contains("expected images") && error.contains("found none"), "{error}");
    let broken = folder.path().join("broken.jpg");
    std::fs::write(&broken, b"\xff\xd8\xff no picture").unwrap();
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let model = build::model(&build::small());
    let error =
        quantise(&model, &input(), &images, &options(Method::MinMax), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("broken.jpg"), "{error}");
}
