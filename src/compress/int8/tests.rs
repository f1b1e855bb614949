use super::*;
use crate::compress::Reference;
use crate::compress::graph::build;
use crate::compress::graph::proto::{NodeProto, TensorProto};
use crate::compress::testing::{input, outputs, pictures};

fn options(calibration: Calibration) -> Options {
    Options { calibration, ..Options::default() }
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
        for method in [Calibration::Minmax, Calibration::Percentile, Calibration::Mse, Calibration::Entropy] {
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
    let mut options = options(Calibration::Minmax);
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
        let options = Options { exclude_worst, ..options(Calibration::Minmax) };
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
    let (small, report) =
        quantise(&model, &input(), &images, &options(Calibration::Minmax), &mut |_| ()).unwrap();
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
        || quantise(&model, &input(), &images, &options(Calibration::Mse), &mut |_| ()).unwrap().0.to_bytes();
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
    let error = quantise(&model, &input(), &images, &options(Calibration::Minmax), &mut |_| ())
        .unwrap_err()
        .to_string();
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
    let error = quantise(&model, &input(), &images, &options(Calibration::Minmax), &mut |_| ())
        .unwrap_err()
        .to_string();
    assert!(error.contains("broken.jpg"), "{error}");
}

#[test]
fn as_few_layers_as_needed_stay_in_float() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 6);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let base = build::model(&build::small());
    let calibrated = Calibrated::new(&base, &input(), &images, &Options::default(), &mut |_| ()).unwrap();
    assert_eq!(calibrated.layers(), ["first", "second", "third"]);
    let reference = Reference::new(&base, &input(), &images, 4).unwrap();
    let found = sensitivities(&calibrated, &reference, &mut |_| ()).unwrap();
    assert!(found.is_sorted_by(|a, b| a.error >= b.error), "{found:?}");
    assert!(found.iter().all(|layer| layer.error > 0.0 && layer.error < 0.1), "{found:?}");
    let all = reference.error(&calibrated.quantise(&[]).unwrap().0).unwrap();
    assert!(all > found[0].error, "all layers together lose more than one: {all} {found:?}");

    let asked = |limit: f64| {
        let mut counts = Vec::new();
        let found = search(&calibrated, &found, |model, count| {
            counts.push(count);
            Ok::<_, CompressError>(reference.error(model)? <= limit)
        });
        (found.unwrap(), counts)
    };
    let (free, counts) = asked(1.0);
    assert!(free.unwrap().float.is_empty() && counts == [0]);
    let (none, counts) = asked(0.0);
    assert!(none.is_none() && counts == [0, 1, 2], "{counts:?}");
    // what remains without the most sensitive one is allowed, and not more
    let one = [found[0].node.clone()];
    let limit = reference.error(&calibrated.quantise(&one).unwrap().0).unwrap();
    let mixed = asked(limit).0.unwrap();
    assert_eq!(mixed.float, one);
    assert_eq!(operators(&mixed.model, "Conv"), 3);
    assert!(mixed.report.float.contains(&one[0]) && mixed.report.nodes.len() == 2);
}
