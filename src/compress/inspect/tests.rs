use super::*;
use crate::compress::graph::build::{self, ints, numbers, value};
use crate::compress::graph::proto::{NodeProto, ValueInfo};
use crate::compress::int8::{self, Options};
use crate::compress::testing::{input, pictures};
use crate::compress::{CalibrationImages, fp16};
use crate::detector::Provider;

const SHAPE: [i64; 4] = [1, 3, 16, 16];

fn node(operator: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto::new(operator, output, inputs, &[output])
}

fn floats(name: &str, dims: &[i64]) -> TensorProto {
    TensorProto::of_f32(name, dims, &numbers(dims.iter().product::<i64>() as usize, 1.0))
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

#[test]
fn a_small_model_is_counted() {
    let found = inspect(&build::model(&build::small()), &SHAPE).unwrap();
    assert_eq!((found.opset, found.ir_version, found.nodes), (17, Some(8), 7));
    assert_eq!((found.operators["Conv"], found.operators["MaxPool"]), (3, 1));
    assert_eq!(found.inputs[0].shape, [1, 3, 16, 16]);
    assert_eq!(
        (found.outputs[0].name.as_str(), found.outputs[0].shape.as_slice()),
        ("scores", &[1, 4, 8, 8][..])
    );
    let parameters = 216 + 8 + 64 + 8 + 32 + 4;
    assert_eq!((found.parameters.elements, found.parameters.bytes), (parameters, 4 * parameters));
    // the first of `numbers` is 0: one zero in every tensor
    assert_eq!(found.parameters.zeros, 6);
    let macs: Vec<u64> = found.layers.iter().map(|layer| layer.macs).collect();
    assert_eq!(macs, [8 * 256 * 27, 0, 0, 8 * 64 * 8, 0, 4 * 64 * 8, 0]);
    assert_eq!(found.macs, macs.iter().sum::<u64>());
    assert!(found.layers.iter().all(|layer| layer.precision == Some("float32")));
    // images 768, first and leaky 2048 each, pool to third 512, 512, 512, 256, scores 256 floats
    assert_eq!(found.memory.total_bytes, 4 * (768 + 2 * 2048 + 3 * 512 + 2 * 256));
    // leaky runs: its input and output; the image is no longer needed
    assert_eq!((found.memory.peak_bytes, found.memory.peak_node.as_deref()), (4 * 2 * 2048, Some("leaky")));
}

#[test]
fn every_linear_operator_is_counted_by_its_formula() {
    let nodes = vec![
        ints(node("Conv", &["images", "w"], "conv").with_int("group", 3), "strides", &[2, 2]),
        ints(node("ConvTranspose", &["conv", "up.w"], "up").with_int("group", 2), "strides", &[2, 2]),
        node("Reshape", &["up", "rows"], "left"),
        ints(node("Transpose", &["left"], "right"), "perm", &[0, 2, 1]),
        node("MatMul", &["left", "right"], "attention"),
        node("GlobalAveragePool", &["up"], "mean"),
        node("Reshape", &["mean", "column"], "column2"),
        node("Gemm", &["column2", "g.w"], "dense").with_int("transA", 1).with_int("transB", 1),
    ];
    let constants = vec![
        floats("w", &[6, 1, 2, 2]),
        floats("up.w", &[6, 2, 2, 2]),
        floats("g.w", &[7, 4]),
        TensorProto::of_i64("rows", &[3], &[1, 4, 256]),
        TensorProto::of_i64("column", &[2], &[4, 1]),
    ];
    let found = inspect(&model(nodes, constants, &["attention", "dense"]), &SHAPE).unwrap();
    let macs = |name: &str| found.layers.iter().find(|layer| layer.node == name).unwrap().macs;
    // 6 x 8 x 8 outputs of 1 x 2 x 2 weights
    assert_eq!(macs("conv"), 384 * 4);
    // 6 x 8 x 8 inputs, each spread over 2 channels x 2 x 2
    assert_eq!(macs("up"), 384 * 8);
    assert_eq!(macs("attention"), 4 * 4 * 256);
    assert_eq!(macs("dense"), 7 * 4);
    assert_eq!(found.parameters.elements, 24 + 48 + 28);
    assert_eq!(found.constants["int64"].elements, 5);
}

#[test]
fn zeros_and_constant_nodes_are_seen() {
    let mut weights = vec![0.0; 12];
    weights[3] = 1.0;
    weights[4] = -0.0;
    let nodes = vec![node("Conv", &["images", "w", "b"], "out")];
    let constants =
        vec![TensorProto::of_f32("w", &[4, 3, 1, 1], &weights), TensorProto::of_f32("b", &[4], &[0.0; 4])];
    let found = inspect(&model(nodes, constants, &["out"]), &SHAPE).unwrap();
    let layer = &found.layers[0];
    assert_eq!((layer.parameters.zeros, layer.parameters.elements), (15, 16));
    assert_eq!((layer.weights.zeros, layer.weights.elements, layer.weight_type), (11, 12, Some("float32")));
    assert!((layer.weights.sparsity() - 11.0 / 12.0).abs() < 1e-12);
}

#[test]
fn precision_is_told_by_layer() {
    let folder = tempfile::tempdir().unwrap();
    pictures(folder.path(), 2);
    let images = CalibrationImages::open(folder.path(), None).unwrap();
    let base = build::model(&build::small());
    let options = Options { exclude: vec!["second".to_owned()], ..Options::default() };
    let (small, _) = int8::quantise(&base, &input(), &images, &options, &mut |_| ()).unwrap();
    let found = inspect(&small, &SHAPE).unwrap();
    let layer = |name: &str| found.layers.iter().find(|layer| layer.node == name).unwrap();
    assert_eq!((layer("first").precision, layer("first").weight_type), (Some("int8"), Some("int8")));
    assert_eq!((layer("second").precision, layer("second").weight_type), (Some("float32"), Some("float32")));
    assert_eq!(layer("sigmoid").precision, Some("float32"));
    assert_eq!((layer("first").macs, layer("first").weights.elements), (8 * 256 * 27, 216));
    assert_eq!((layer("leaky").precision, layer("third").precision), (Some("float32"), Some("int8")));
    // integers of images, first, relu and third; floats of images, what `leaky` reads, leaky, pool, second, relu, the outputs
    let (integers, floats) = (768 + 2048 + 512 + 256, 768 + 2 * 2048 + 3 * 512 + 2 * 256);
    assert_eq!(found.memory.total_bytes, integers + 4 * floats);
    // what is dequantised for `leaky`, and what it makes
    assert_eq!((found.memory.peak_bytes, found.memory.peak_node.as_deref()), (4 * 4096, Some("leaky")));
    assert_eq!(found.constants["int8"].bytes, 216 + 32 + layer_zero_points(&small));
    let options = fp16::Options { exclude: vec!["second".to_owned()], ..fp16::Options::default() };
    let (half, _) = fp16::convert(&base, &input(), None, &options, &mut |_| ()).unwrap();
    let found = inspect(&half, &SHAPE).unwrap();
    let layer = |name: &str| found.layers.iter().find(|layer| layer.node == name).unwrap();
    assert_eq!((layer("first").precision, layer("second").precision), (Some("float16"), Some("float32")));
    assert_eq!(layer("third").parameters.bytes, 2 * 36);
    // 256 floats to halves and back count where they are made
    assert_eq!(found.constants["float16"].elements + found.constants["float32"].elements, 332);
}

/// int8 constants of a model that are no weights.
fn layer_zero_points(model: &Model) -> usize {
    let constants = model.graph().initializer.iter();
    constants
        .filter(|tensor| tensor.data_type() == data_type::INT8 && tensor.dims.len() < 2)
        .map(|t| t.zeros().1)
        .sum()
}

#[test]
fn the_processor_takes_everything() {
    let base = build::model(&build::small());
    let mut confused = base.clone();
    confused.graph_mut().node[1].name = None;
    confused.graph_mut().node[2].name = Some("first".to_owned());
    let placed = Placement::of(&confused, &SHAPE, Provider::Cpu).unwrap();
    assert_eq!(placed, Placement { provider: Provider::Cpu, taken: 7, elsewhere: Vec::new(), copies: 0 });
    let kernels =
        crate::detector::placement::kernels(&base.to_bytes(), &SHAPE, base.path(), Provider::Cpu).unwrap();
    assert_eq!(kernels.len(), 7);
    assert!(kernels.iter().all(|kernel| kernel.provider == "CPUExecutionProvider"), "{kernels:?}");
    assert_eq!((kernels[0].node.as_str(), kernels[0].operator.as_str()), ("first", "Conv"));
}

#[test]
fn a_free_shape_is_no_shape() {
    let mut base = build::model(&build::small());
    base.graph_mut().input[0] = value("images", &[1, 3, -1, 16]);
    let error = base.input_shape().unwrap_err().to_string();
    assert!(error.contains("axis 2") && error.contains("export it with a fixed size"), "{error}");
    assert_eq!(inspect(&base, &SHAPE).unwrap().outputs[0].shape, [1, 4, 8, 8]);
}
