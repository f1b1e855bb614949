mod random;

use super::*;
use crate::compress::graph::build::{self, ints, numbers, value};
use crate::compress::graph::proto::{
    AttributeProto, ModelProto, NodeProto, TensorProto, attribute_type, data_type,
};
use crate::compress::testing::outputs_for;

const SHAPE: [i64; 4] = [1, 3, 8, 8];

/// A model of these nodes and constants; its input is `images`, its outputs are `names`.
fn model(nodes: Vec<NodeProto>, constants: Vec<TensorProto>, names: &[&str]) -> Model {
    let mut proto: ModelProto = build::small();
    let graph = proto.graph.as_mut().unwrap();
    graph.node = nodes;
    graph.initializer = constants;
    graph.input = vec![value("images", &SHAPE)];
    let untyped = |name: &&str| crate::compress::graph::proto::ValueInfo {
        name: Some((*name).to_owned()),
        ..Default::default()
    };
    graph.output = names.iter().map(untyped).collect();
    build::model(&proto)
}

fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(operator, output, inputs, &[output])
}

fn float(mut node: NodeProto, name: &str, value: f32) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        f: Some(value),
        r#type: Some(attribute_type::FLOAT),
        ..AttributeProto::default()
    });
    node
}

fn constant(tensor: TensorProto) -> NodeProto {
    let mut node = node("Constant", &[], tensor.name());
    node.attribute.push(AttributeProto {
        name: Some("value".to_owned()),
        t: Some(TensorProto { name: None, ..tensor }),
        r#type: Some(attribute_type::TENSOR),
        ..AttributeProto::default()
    });
    node
}

fn floats(name: &str, dims: &[i64], spread: f32) -> TensorProto {
    let count = dims.iter().product::<i64>() as usize;
    TensorProto::of_f32(name, dims, &numbers(count, spread))
}

fn positive(name: &str, count: i64) -> TensorProto {
    let values: Vec<f32> = numbers(count as usize, 0.8).iter().map(|value| value.abs() + 0.1).collect();
    TensorProto::of_f32(name, &[count], &values)
}

fn batch_norm(name: &str, input: &str, channels: i64) -> (NodeProto, Vec<TensorProto>) {
    let part = |what: &str| format!("{name}.{what}");
    let (scale, bias, mean, variance) = (part("scale"), part("bias"), part("mean"), part("variance"));
    let node = node("BatchNormalization", &[input, &scale, &bias, &mean, &variance], name);
    let constants = vec![
        floats(&scale, &[channels], 1.5),
        floats(&bias, &[channels], 0.5),
        floats(&mean, &[channels], 0.7),
        positive(&variance, channels),
    ];
    (float(node, "epsilon", 1e-3), constants)
}

/// Cleans up and compares the outputs on some numbers, and what a second time changes.
fn check(model: &Model) -> (Model, Report) {
    let (clean, report) = simplify(model, &SHAPE).unwrap();
    let input = numbers(192, 2.0);
    let (before, after) = (outputs_for(model, &SHAPE, &input), outputs_for(&clean, &SHAPE, &input));
    assert_eq!(before.len(), after.len());
    for ((name, wanted), (same, found)) in before.iter().zip(&after) {
        assert_eq!((name, wanted.len()), (same, found.len()));
        let largest = wanted.iter().fold(1e-6f32, |largest, value| largest.max(value.abs()));
        for (wanted, found) in wanted.iter().zip(found) {
            assert!((wanted - found).abs() <= 1e-5 * largest, "{name}: {wanted} {found} of {largest}");
        }
    }
    let (again, second) = simplify(&clean, &SHAPE).unwrap();
    assert_eq!(second.changes(), 0, "{second:?}");
    assert_eq!(again, clean);
    (clean, report)
}

fn operators(model: &Model) -> Vec<&str> {
    model.graph().node.iter().map(NodeProto::op_type).collect()
}

#[test]
fn a_clean_model_stays_as_it_is() {
    let small = build::model(&build::small());
    let shape = small.input_shape().unwrap();
    let (clean, report) = simplify(&small, &shape).unwrap();
    assert_eq!(clean, small);
    assert_eq!((report.changes(), report.nodes_before, report.nodes_after), (0, 7, 7));
}

#[test]
fn weights_leave_constant_nodes() {
    let mut gain = node("Constant", &[], "gain");
    gain = float(gain, "value_float", 2.5);
    let nodes = vec![
        constant(floats("w", &[4, 3, 1, 1], 1.0)),
        gain,
        node("Conv", &["images", "w"], "conv"),
        node("Mul", &["gain", "conv"], "scaled"),
        node("Relu", &["scaled"], "out"),
    ];
    let (clean, report) = check(&model(nodes, Vec::new(), &["out"]));
    assert_eq!(operators(&clean), ["Conv", "Relu"]);
    assert_eq!((report.lifted, report.affine), (2, 1));
    let weight = clean.graph().initializer.iter().find(|tensor| tensor.name() == "w").unwrap();
    assert_eq!(weight.f32_values().unwrap()[1].to_bits(), (numbers(2, 1.0)[1] * 2.5).to_bits());
}

#[test]
fn arithmetic_on_shapes_is_done_ahead() {
    // flatten the way PyTorch exports it: Shape -> Gather -> Unsqueeze -> Concat -> Reshape
    let nodes = vec![
        node("Conv", &["images", "w"], "conv"),
        node("Shape", &["conv"], "shape"),
        node("Gather", &["shape", "zero"], "batch").with_int("axis", 0),
        node("Unsqueeze", &["batch", "axes"], "row"),
        node("Concat", &["row", "rest"], "wanted").with_int("axis", 0),
        node("Reshape", &["conv", "wanted"], "flat"),
        node("Relu", &["flat"], "out"),
    ];
    let constants = vec![
        floats("w", &[2, 3, 1, 1], 1.0),
        TensorProto::of_i64("zero", &[], &[0]),
        TensorProto::of_i64("axes", &[1], &[0]),
        TensorProto::of_i64("rest", &[1], &[-1]),
    ];
    let (clean, report) = check(&model(nodes, constants, &["out"]));
    assert_eq!(operators(&clean), ["Conv", "Reshape", "Relu"]);
    assert_eq!(report.folded, 4);
}

#[test]
fn what_would_blow_the_file_up_stays() {
    let nodes = vec![
        node("Expand", &["small", "to"], "large"),
        node("ReduceMax", &["large"], "most"),
        node("Mul", &["images", "most"], "out"),
    ];
    let constants = vec![floats("small", &[1], 1.0), TensorProto::of_i64("to", &[2], &[600, 600])];
    let whole = model(nodes, constants, &["out"]);
    let (clean, _) = check(&whole);
    // the large tensor is not stored, the one number made of it is
    assert_eq!(operators(&clean), ["Mul"]);
    let mut graph = whole.clone();
    graph.graph_mut().output.push(value("seen", &[600, 600]));
    graph.graph_mut().node.push(node("Neg", &["large"], "seen"));
    let (clean, _) = check(&graph);
    assert_eq!(operators(&clean), ["Expand", "Mul", "Neg"]);
    assert!(clean.to_bytes().len() < 4096);
}

#[test]
fn shapes_that_depend_on_the_image_are_not_folded() {
    let nodes = vec![
        node("Relu", &["images"], "relu"),
        node("NonZero", &["relu"], "places"),
        node("Shape", &["places"], "shape"),
        node("Cast", &["shape"], "out").with_int("to", 1),
    ];
    let (clean, report) = check(&model(nodes, Vec::new(), &["out"]));
    assert_eq!((operators(&clean).len(), report.folded), (4, 0));
}

#[test]
fn batch_normalisation_goes_into_what_is_before_it() {
    let (bn, mut constants) = batch_norm("bn", "conv", 6);
    let nodes = vec![node("Conv", &["images", "w", "b"], "conv"), bn, node("Relu", &["bn"], "out")];
    constants.extend([floats("w", &[6, 3, 1, 1], 1.0), floats("b", &[6], 1.0)]);
    let (clean, report) = check(&model(nodes, constants, &["out", "bn"]));
    assert_eq!(operators(&clean), ["Conv", "Relu"]);
    assert_eq!(clean.graph().node[0].name(), "conv");
    let gamma: Vec<f32> = numbers(6, 1.5).iter().map(|value| value.abs()).collect();
    assert_eq!(report.scales["bn"], gamma);

    let (bn, mut constants) = batch_norm("bn", "up", 4);
    let up = ints(node("ConvTranspose", &["images2", "w"], "up").with_int("group", 2), "strides", &[2, 2]);
    let first = node("Conv", &["images", "w0"], "images2");
    constants.extend([floats("w0", &[6, 3, 1, 1], 1.0), floats("w", &[6, 2, 2, 2], 1.0)]);
    let (clean, _) = check(&model(vec![first, up, bn], constants, &["bn"]));
    assert_eq!(operators(&clean), ["Conv", "ConvTranspose"]);

    for transposed in [0, 1] {
        let (bn, mut constants) = batch_norm("bn", "dense", 5);
        let dims = if transposed == 1 { [5, 192] } else { [192, 5] };
        let dense = node("Gemm", &["flat", "w"], "dense").with_int("transB", transposed);
        constants.push(floats("w", &dims, 0.3));
        let nodes = vec![node("Flatten", &["images"], "flat"), dense, bn];
        let (clean, _) = check(&model(nodes, constants, &["bn"]));
        assert_eq!(operators(&clean), ["Flatten", "Gemm"]);
    }
}

#[test]
fn batch_normalisation_stays_where_others_look_at_what_is_before_it() {
    let (bn, mut constants) = batch_norm("bn", "conv", 6);
    constants.push(floats("w", &[6, 3, 1, 1], 1.0));
    let nodes = vec![node("Conv", &["images", "w"], "conv"), bn];
    let (clean, report) = check(&model(nodes, constants, &["bn", "conv"]));
    assert_eq!((operators(&clean).len(), report.batch_norms), (2, 0));
    assert!(report.scales.is_empty());
}

#[test]
fn shared_weights_are_not_changed_for_both() {
    let (bn, mut constants) = batch_norm("bn", "a", 3);
    constants.push(floats("w", &[3, 3, 1, 1], 1.0));
    let nodes = vec![node("Conv", &["images", "w"], "a"), bn, node("Conv", &["bn", "w"], "out")];
    let (clean, _) = check(&model(nodes, constants, &["out"]));
    assert_eq!(operators(&clean), ["Conv", "Conv"]);
}

#[test]
fn arithmetic_by_channel_goes_into_what_is_before_it() {
    let conv = || node("Conv", &["images", "w"], "conv");
    let run = |node: NodeProto, dims: &[i64]| {
        let values: Vec<f32> = numbers(dims.iter().product::<i64>() as usize, 3.0)
            .iter()
            .map(|value| value.abs() + 0.5)
            .collect();
        let shift = TensorProto::of_f32("c", dims, &values);
        let (clean, _) =
            check(&model(vec![conv(), node], vec![floats("w", &[8, 3, 1, 1], 1.0), shift], &["out"]));
        clean.graph().node.len()
    };
    for operator in ["Add", "Sub", "Mul", "Div"] {
        assert_eq!(run(node(operator, &["conv", "c"], "out"), &[8, 1, 1]), 1, "{operator}");
        assert_eq!(run(node(operator, &["conv", "c"], "out"), &[1]), 1, "{operator}");
        let reversed = usize::from(operator == "Div");
        assert_eq!(run(node(operator, &["c", "conv"], "out"), &[1, 8, 1, 1]), 1 + reversed, "{operator}");
        // along a row of pixels, and to another batch
        assert_eq!(run(node(operator, &["conv", "c"], "out"), &[8]), 2, "{operator}");
        assert_eq!(run(node(operator, &["conv", "c"], "out"), &[2, 8, 1, 1]), 2, "{operator}");
    }
}

#[test]
fn padding_with_zeros_goes_into_convolutions() {
    let run = |pad: NodeProto, pads: &[i64], value: f32| {
        let conv = ints(node("Conv", &["pad", "w"], "out"), "pads", &[1, 0, 0, 2]);
        let constants = vec![
            TensorProto::of_i64("p", &[8], pads),
            TensorProto::of_f32("v", &[], &[value]),
            floats("w", &[2, 3, 3, 3], 1.0),
        ];
        let (clean, _) = check(&model(vec![pad, conv], constants, &["out"]));
        let pads = clean.graph().node.last().unwrap().attribute("pads").unwrap().ints.clone();
        (clean.graph().node.len(), pads)
    };
    let pad = || node("Pad", &["images", "p", "v"], "pad");
    assert_eq!(run(pad(), &[0, 0, 1, 2, 0, 0, 3, 4], 0.0), (1, vec![2, 2, 3, 6]));
    assert_eq!(run(pad(), &[0, 0, 1, 2, 0, 0, 3, 4], 1.0).0, 2);
    assert_eq!(run(pad(), &[0, 0, -1, 2, 0, 0, 3, 4], 0.0).0, 2);
    let mut reflect = pad();
    reflect.attribute.push(AttributeProto {
        name: Some("mode".to_owned()),
        s: Some(b"reflect".to_vec()),
        r#type: Some(3),
        ..AttributeProto::default()
    });
    assert_eq!(run(reflect, &[0, 0, 1, 2, 0, 0, 3, 4], 0.0).0, 2);
}

#[test]
fn nodes_that_do_nothing_go() {
    let ints64 = |name: &str, values: &[i64]| TensorProto::of_i64(name, &[values.len() as i64], values);
    let nodes = vec![
        node("Identity", &["images"], "a"),
        node("Cast", &["a"], "b").with_int("to", 1),
        node("Dropout", &["b"], "c"),
        node("Reshape", &["c", "shape"], "d"),
        ints(node("Transpose", &["d"], "e"), "perm", &[0, 1, 2, 3]),
        node("Slice", &["e", "starts", "ends"], "f"),
        node("Pad", &["f", "pads"], "g"),
        node("Mul", &["g", "one"], "h"),
        node("Relu", &["h"], "i"),
        node("Identity", &["i"], "out"),
    ];
    let constants = vec![
        ints64("shape", &[1, 3, 8, 8]),
        ints64("starts", &[0, 0, 0, 0]),
        ints64("ends", &[9, 9, 9, 9]),
        ints64("pads", &[0; 8]),
        TensorProto::of_f32("one", &[], &[1.0]),
    ];
    let (clean, report) = check(&model(nodes, constants, &["out"]));
    assert_eq!((operators(&clean), report.idle), (vec!["Relu"], 9));
    assert_eq!(clean.graph().node[0].name(), "i");
    assert!(clean.graph().initializer.is_empty());
}

#[test]
fn nodes_that_only_look_idle_stay() {
    let ints64 = |name: &str, values: &[i64]| TensorProto::of_i64(name, &[values.len() as i64], values);
    let nodes = vec![
        node("Slice", &["images", "starts", "ends", "axes", "steps"], "mirrored"),
        node("Pad", &["mirrored", "pads"], "shifted"),
        ints(node("Transpose", &["shifted"], "turned"), "perm", &[0, 1, 3, 2]),
        node("Mul", &["turned", "minus"], "scaled"),
        node("Expand", &["scaled", "two"], "out"),
    ];
    let constants = vec![
        ints64("starts", &[-1]),
        ints64("ends", &[-100]),
        ints64("axes", &[3]),
        ints64("steps", &[-1]),
        ints64("pads", &[0, 0, 0, 1, 0, 0, 0, -1]),
        TensorProto::of_f32("minus", &[], &[-1.0]),
        ints64("two", &[2, 3, 8, 8]),
    ];
    let (clean, _) = check(&model(nodes, constants, &["out"]));
    assert_eq!(clean.graph().node.len(), 5);
}

#[test]
fn outputs_keep_their_names() {
    // two outputs of one value, and an input that is put out
    let nodes = vec![
        node("Relu", &["images"], "a"),
        node("Identity", &["a"], "b"),
        node("Identity", &["images"], "c"),
    ];
    let (clean, _) = check(&model(nodes, Vec::new(), &["b", "a", "c"]));
    assert_eq!(clean.graph().node.len(), 3);
}

#[test]
fn transpositions_and_reshapes_are_joined() {
    let turn =
        |input: &str, output: &str, perm: &[i64]| ints(node("Transpose", &[input], output), "perm", perm);
    let nodes = vec![
        turn("images", "a", &[0, 2, 3, 1]),
        turn("a", "b", &[0, 3, 1, 2]),
        node("Relu", &["b"], "c"),
        turn("c", "d", &[0, 2, 3, 1]),
        turn("d", "e", &[0, 2, 1, 3]),
        node("Reshape", &["e", "flat"], "f"),
        node("Reshape", &["f", "rows"], "out"),
    ];
    let constants =
        vec![TensorProto::of_i64("flat", &[2], &[1, -1]), TensorProto::of_i64("rows", &[2], &[-1, 24])];
    let (clean, _) = check(&model(nodes, constants, &["out"]));
    assert_eq!(operators(&clean), ["Relu", "Transpose", "Reshape"]);
    assert_eq!(clean.graph().node[1].attribute("perm").unwrap().ints, [0, 3, 2, 1]);
}

#[test]
fn equal_numbers_are_kept_once_and_unused_ones_not_at_all() {
    let names = ["a", "b", "c", "d"];
    let mut nodes = Vec::new();
    let mut input = "images";
    for (name, output) in names.iter().zip(["x", "y", "z", "out"]) {
        nodes.push(node("Mul", &[input, name], output));
        input = output;
    }
    let number = |name: &str| TensorProto::of_f32(name, &[], &[3.0]);
    let constants =
        vec![number("a"), number("b"), floats("c", &[8], 1.0), floats("d", &[8], 1.0), number("unused")];
    let (clean, report) = check(&model(nodes, constants, &["out"]));
    let left: Vec<&str> = clean.graph().initializer.iter().map(TensorProto::name).collect();
    assert_eq!((left, report.duplicates), (vec!["a", "c", "d"], 1));
}

#[test]
fn weights_of_integers_stay() {
    let nodes = vec![node("DequantizeLinear", &["q", "s"], "w"), node("Conv", &["images", "w"], "out")];
    let constants =
        vec![TensorProto::of_i8("q", &[1, 3, 1, 1], &[3, -4, 5]), TensorProto::of_f32("s", &[], &[0.1])];
    let (clean, _) = check(&model(nodes, constants, &["out"]));
    assert_eq!(operators(&clean), ["DequantizeLinear", "Conv"]);
}

#[test]
fn constants_that_are_inputs_too_are_constants_only() {
    let mut with =
        model(vec![node("Conv", &["images", "w"], "out")], vec![floats("w", &[1, 3, 1, 1], 1.0)], &["out"]);
    with.graph_mut().input.push(value("w", &[1, 3, 1, 1]));
    let free = value("images", &[-1, 3, -1, -1]);
    with.graph_mut().input[0] = free;
    let (clean, _) = simplify(&with, &SHAPE).unwrap();
    assert_eq!(clean.input_shape().unwrap(), SHAPE);
    assert_eq!(clean.graph().input.len(), 1);
    assert!(clean.ir_version() >= Some(4));
    assert_eq!(data_type::name(clean.graph().initializer[0].data_type()), "float32");
}
