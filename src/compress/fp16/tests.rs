use super::*;
use crate::compress::graph::build::{self, numbers, value};
use crate::compress::graph::proto::{NodeProto, TensorProto, ValueInfo, data_type};
use crate::compress::testing::{input, outputs, outputs_for, pictures};

const SHAPE: [i64; 4] = [1, 3, 16, 16];

fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(operator, output, inputs, &[output])
}

fn floats(name: &str, dims: &[i64], spread: f32) -> TensorProto {
    TensorProto::of_f32(name, dims, &numbers(dims.iter().product::<i64>() as usize, spread))
}

fn model(nodes: Vec<NodeProto>, constants: Vec<TensorProto>, names: &[&str]) -> Model {
    let mut proto = build::small();
    let graph = proto.graph.as_mut().unwrap();
    graph.node = nodes;
    graph.initializer = constants;
    let untyped = |name: &&str| ValueInfo { name: Some((*name).to_owned()), ..ValueInfo::default() };
    graph.output = names.iter().map(untyped).collect();
    build::model(&proto)
}

fn without_images(model: &Model, options: &Options) -> (Model, Report) {
    convert(model, &input(), None, options, &mut |_| ()).unwrap()
}

fn reasons(report: &Report) -> Vec<(&str, &Reason)> {
    report.islands.iter().map(|island| (island.node.as_str(), &island.reason)).collect()
}

/// Compares the outputs on some numbers, relative to their largest.
fn check(before: &Model, after: &Model, tolerance: f32) {
    let input = numbers(768, 2.0);
    let (before, after) = (outputs_for(before, &SHAPE, &input), outputs_for(after, &SHAPE, &input));
    assert_eq!(before.len(), after.len());
    for ((name, wanted), (same, found)) in before.iter().zip(&after) {
        assert_eq!((name, wanted.len()), (same, found.len()));
        let largest = wanted.iter().fold(0f32, |largest, value| largest.max(value.abs()));
        for (wanted, found) in wanted.iter().zip(found) {
            assert!((wanted - found).abs() <= tolerance * largest, "{name}: {wanted} {found} of {largest}");
        }
    }
}

#[test]
fn a_model_in_half_precision_computes_nearly_the_same() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 3);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let base = build::model(&build::small());
    let mut runs = Vec::new();
    let (half, report) = convert(&base, &input(), Some(&images), &Options::default(), &mut |progress| {
        runs.push((progress.what, progress.done, progress.total));
    })
    .unwrap();
    assert_eq!(runs, [("ranges", 1, 3), ("ranges", 2, 3), ("ranges", 3, 3)]);
    assert_eq!(report.half, ["first", "leaky", "pool", "second", "relu", "third"]);
    // `third` is put out in float32 anyway
    assert_eq!(reasons(&report), [("sigmoid", &Reason::FewerCasts)]);
    assert_eq!(report.checked_runs, 3);
    // the input, and the output `third`
    assert_eq!((report.casts, half.graph().node.len()), (2, 9));
    assert_eq!((report.weights, report.zeroed), (332, 0));
    assert!(half.graph().initializer.iter().all(|tensor| tensor.data_type() == data_type::FLOAT16));
    assert_eq!((&half.graph().input, &half.graph().output), (&base.graph().input, &base.graph().output));
    let picture = folder.path().join("001.png");
    for ((name, wanted), (same, found)) in outputs(&base, &picture).iter().zip(&outputs(&half, &picture)) {
        assert_eq!(name, same);
        let most = wanted.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(most > 0.0 && most < 5e-3, "{name}: {most}");
    }
    let (tensor, largest) = report.largest.unwrap();
    let seen = outputs_for(&base, &SHAPE, &[0.0]);
    assert!(largest > 0.0 && largest < 100.0 && !seen.is_empty(), "{tensor} {largest}");
}

#[test]
fn excluded_nodes_stay() {
    let base = build::model(&build::small());
    let options = Options { exclude: vec!["second".to_owned()], ..Options::default() };
    let (half, report) = without_images(&base, &options);
    assert_eq!(reasons(&report)[0], ("second", &Reason::Excluded));
    assert_eq!(report.casts, 4);
    let kind = |name: &str| {
        half.graph().initializer.iter().find(|tensor| tensor.name() == name).unwrap().data_type()
    };
    assert_eq!((kind("second.weight"), kind("first.weight")), (data_type::FLOAT, data_type::FLOAT16));
    check(&base, &half, 2e-3);
    let options = Options { exclude: vec!["secnd".to_owned()], ..Options::default() };
    let error = convert(&base, &input(), None, &options, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("did you mean `second`"), "{error}");
}

#[test]
fn what_overflows_on_the_images_stays() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 2);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    // pixels are within ±2, so `large` is within ±40000: in range, but not by a factor of two
    let nodes = vec![
        node("Conv", &["images", "w"], "first"),
        node("Mul", &["images", "factor"], "large"),
        node("Mul", &["large", "inverse"], "back"),
        node("Concat", &["first", "back"], "out").with_int("axis", 1),
    ];
    let constants = vec![
        floats("w", &[2, 3, 1, 1], 1.0),
        TensorProto::of_f32("factor", &[], &[20000.0]),
        TensorProto::of_f32("inverse", &[], &[5e-5]),
    ];
    let base = model(nodes, constants, &["out"]);
    let run = |options: &Options| convert(&base, &input(), Some(&images), options, &mut |_| ()).unwrap();
    let (half, report) = run(&Options::default());
    // joining float32 with float32 takes one cast less
    let [
        ("large", Reason::Range { tensor, largest }),
        ("back", Reason::Range { .. }),
        ("out", Reason::FewerCasts),
    ] = reasons(&report)[..]
    else {
        panic!("{report:?}");
    };
    assert_eq!((tensor.as_str(), *largest > 32752.0, *largest < 65504.0), ("large", true, true));
    assert_eq!(report.largest.as_ref().map(|(tensor, _)| tensor.as_str()), Some("large"));
    assert_eq!(report.half, ["first"]);
    check(&base, &half, 2e-3);
    assert!(run(&Options { margin: 1.0, ..Options::default() }).1.islands.is_empty(), "in range");
    assert!(without_images(&base, &Options::default()).1.islands.is_empty());
}

#[test]
fn weights_that_float16_does_not_have_are_told() {
    let nodes = vec![
        node("Mul", &["images", "tiny"], "small"),
        node("Conv", &["small", "w"], "conv"),
        node("Mul", &["conv", "huge"], "out"),
    ];
    let constants = vec![
        TensorProto::of_f32("tiny", &[2, 1, 1, 1], &[1e-5, 1e-9]),
        floats("w", &[2, 3, 1, 1], 1.0),
        TensorProto::of_f32("huge", &[], &[7e4]),
    ];
    let (half, report) = without_images(&model(nodes, constants, &["out"]), &Options::default());
    let huge = Reason::Range { tensor: "huge".to_owned(), largest: 7e4 };
    assert_eq!(reasons(&report), [("out", &huge)]);
    assert_eq!((report.weights, report.zeroed, report.subnormal), (8, 1, 1));
    let told = Underflow { tensor: "tiny".to_owned(), elements: 2, subnormal: 1, zeroed: 1 };
    assert_eq!(report.underflows, [told]);
    assert!(!half.graph().initializer.iter().any(|tensor| tensor.name() == "huge" && !tensor.is_f32()));
}

#[test]
fn operators_without_half_precision_stay_and_what_is_between_them() {
    let nodes = vec![
        node("Conv", &["images", "w"], "conv"),
        NodeProto::new("TopK", "top", &["conv", "k"], &["most", "places"]),
        node("Relu", &["most"], "relu"),
        NodeProto::new("TopK", "again", &["relu", "k"], &["more", "where"]),
        node("Cast", &["where"], "index").with_int("to", 1),
        node("Add", &["index", "more"], "sum"),
        node("Sqrt", &["sum"], "root"),
        node("Conv", &["root", "v"], "out"),
    ];
    let constants = vec![
        floats("w", &[2, 3, 1, 1], 1.0),
        floats("v", &[2, 2, 1, 1], 1.0),
        TensorProto::of_i64("k", &[1], &[4]),
    ];
    let base = model(nodes, constants, &["out"]);
    let (half, report) = without_images(&base, &Options::default());
    let found = reasons(&report);
    let wanted = [
        ("top", &Reason::Operator),
        ("relu", &Reason::FewerCasts),
        ("again", &Reason::Operator),
        ("index", &Reason::Integers),
        ("sum", &Reason::FewerCasts),
        ("root", &Reason::FewerCasts),
    ];
    assert_eq!(found, wanted);
    assert_eq!(report.half, ["conv", "out"]);
    // input, before `top`, after `root`, output
    assert_eq!(report.casts, 4);
    check(&base, &half, 2e-3);
}

#[test]
fn resize_keeps_its_scales_and_shapes_are_looked_at_as_they_are() {
    let nodes = vec![
        node("Conv", &["images", "w"], "conv"),
        node("Resize", &["conv", "", "scales"], "up"),
        node("Shape", &["up"], "shape"),
        node("Reshape", &["up", "shape"], "out"),
    ];
    let constants =
        vec![floats("w", &[2, 3, 1, 1], 1.0), TensorProto::of_f32("scales", &[4], &[1.0, 1.0, 2.0, 2.0])];
    let base = model(nodes, constants, &["out"]);
    let (half, report) = without_images(&base, &Options::default());
    assert_eq!(report.half, ["conv", "up", "out"]);
    assert_eq!(report.casts, 2);
    assert!(half.graph().initializer.iter().any(|tensor| tensor.name() == "scales" && tensor.is_f32()));
    check(&base, &half, 2e-3);
}

#[test]
fn a_weight_of_both_is_stored_in_both() {
    let nodes = vec![node("Conv", &["images", "w"], "a"), node("Conv", &["a", "w"], "out")];
    let base = model(nodes, vec![floats("w", &[3, 3, 1, 1], 1.0)], &["out"]);
    let options = Options { exclude: vec!["a".to_owned()], ..Options::default() };
    let (half, _) = without_images(&base, &options);
    let kinds: Vec<i32> = half.graph().initializer.iter().map(TensorProto::data_type).collect();
    assert_eq!(kinds, [data_type::FLOAT, data_type::FLOAT16]);
    check(&base, &half, 2e-3);
}

#[test]
fn described_types_follow() {
    let mut base = build::model(&build::small());
    base.graph_mut().value_info = vec![value("leaky", &[1, 8, 16, 16]), value("second", &[1, 8, 8, 8])];
    let options = Options { exclude: ["second", "relu"].map(str::to_owned).to_vec(), ..Options::default() };
    let (half, _) = without_images(&base, &options);
    let kind = |value: &ValueInfo| value.r#type.as_ref()?.tensor_type.as_ref()?.elem_type;
    let kinds: Vec<Option<i32>> = half.graph().value_info.iter().map(kind).collect();
    assert_eq!(kinds, [Some(data_type::FLOAT16), Some(data_type::FLOAT)]);
    check(&base, &half, 2e-3);
}

#[test]
fn integers_stay_integers() {
    let nodes = vec![
        node("QuantizeLinear", &["images", "s", "z"], "q"),
        node("DequantizeLinear", &["q", "s", "z"], "d"),
        node("Conv", &["d", "w"], "conv"),
    ];
    let constants = vec![
        TensorProto::of_f32("s", &[], &[0.02]),
        TensorProto::of_u8("z", &[], &[128]),
        floats("w", &[2, 3, 1, 1], 1.0),
    ];
    let base = model(nodes.clone(), constants.clone(), &["conv"]);
    let error = convert(&base, &input(), None, &Options::default(), &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("can compute in float16"), "{error}");
    let mut more = nodes;
    more.push(node("Relu", &["conv"], "relu"));
    more.push(node("Conv", &["relu", "v"], "out"));
    let mut weights = constants;
    weights.push(floats("v", &[2, 2, 1, 1], 1.0));
    let base = model(more, weights, &["out"]);
    let (half, report) = without_images(&base, &Options::default());
    assert_eq!(report.half, ["relu", "out"]);
    assert!(report.islands.iter().all(|island| island.reason == Reason::Quantised));
    check(&base, &half, 2e-3);
}

#[test]
fn operators_run_in_half_precision() {
    let operators = [
        "Abs",
        "Ceil",
        "Cos",
        "Elu",
        "Erf",
        "Exp",
        "Floor",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "LogSoftmax",
        "Neg",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceSum",
        "Relu",
        "Round",
        "Selu",
        "Sigmoid",
        "Sign",
        "Sin",
        "Softmax",
        "Softplus",
        "Softsign",
        "Tanh",
        "ThresholdedRelu",
    ];
    for operator in operators {
        let nodes = vec![
            node("Conv", &["images", "w"], "conv"),
            node(operator, &["conv"], "made"),
            node("Mul", &["made", "v"], "out"),
        ];
        let base = model(nodes, vec![floats("w", &[2, 3, 1, 1], 1.0), floats("v", &[1], 1.0)], &["out"]);
        let (half, report) = without_images(&base, &Options::default());
        assert_eq!(report.half, ["conv", "made", "out"], "{operator}");
        assert_eq!(report.casts, 2);
        let found = outputs_for(&half, &SHAPE, &numbers(768, 2.0));
        assert!(found[0].1.iter().all(|value| value.is_finite()), "{operator}");
    }
}
