use roadproof::compress::graph::Model;
use roadproof::compress::graph::proto::{NodeProto, TensorProto};

use crate::engine::testing::{declared, model};
use crate::engine::{Net, Parameters, Role};

fn load(model: &Model) -> Result<(Net, Parameters), String> {
    Net::load(model, &[1, 2, 2, 2], &|name| name.starts_with("frozen")).map_err(|error| error.to_string())
}

fn of(nodes: Vec<NodeProto>, constants: Vec<TensorProto>, output: &str) -> Model {
    model(17, &[1, 2, 2, 2], nodes, constants, &[output])
}

fn refused(model: &Model) -> String {
    load(model).map(|_| ()).unwrap_err()
}

#[test]
fn all_nodes_that_cannot_be_trained_are_named_at_once() {
    let nodes = vec![
        NodeProto::new("Hardmax", "one", &["images"], &["a"]),
        NodeProto::new("Relu", "fine", &["a"], &["b"]),
        NodeProto::new("Shrink", "two", &["b"], &["c"]),
    ];
    let message = refused(&of(nodes, Vec::new(), "c"));
    assert!(message.starts_with("test.onnx cannot be trained: node \"one\" (Hardmax): "), "{message}");
    assert!(message.contains("; node \"two\" (Shrink): ") && !message.contains("fine"), "{message}");
}

#[test]
fn eight_bit_and_half_precision_models_are_told_what_to_do() {
    let scale = TensorProto::of_f32("scale", &[], &[0.1]);
    let zero = TensorProto::of_u8("zero", &[], &[0]);
    let nodes = vec![
        NodeProto::new("QuantizeLinear", "q", &["images", "scale", "zero"], &["a"]),
        NodeProto::new("DequantizeLinear", "dq", &["a", "scale", "zero"], &["b"]),
    ];
    let message = refused(&of(nodes, vec![scale, zero], "b"));
    assert!(message.contains("node \"q\" (QuantizeLinear): 8-bit models cannot be trained"), "{message}");
    assert!(message.contains("node \"dq\" (DequantizeLinear)"), "{message}");

    let half = TensorProto::of_f16_bits("half", &[1], &[0x3c00]);
    let nodes = vec![
        NodeProto::new("Cast", "to16", &["images"], &["a"]).with_int("to", 10),
        NodeProto::new("Mul", "times", &["a", "half"], &["b"]),
        NodeProto::new("Cast", "to32", &["b"], &["c"]).with_int("to", 1),
    ];
    let message = refused(&of(nodes, vec![half], "c"));
    assert!(message.contains("found half precision in \"half\""), "{message}");
    assert!(message.contains("before `--fp16`"), "{message}");
}

#[test]
fn broken_graphs_are_refused() {
    let missing = of(vec![NodeProto::new("Add", "sum", &["images", "nowhere"], &["a"])], Vec::new(), "a");
    assert!(refused(&missing).contains("`nowhere`"), "{}", refused(&missing));

    let row = TensorProto::of_f32("row", &[3], &[1.0; 3]);
    let wrong = of(vec![NodeProto::new("Add", "sum", &["images", "row"], &["a"])], vec![row], "a");
    assert!(refused(&wrong).contains("sum"), "{}", refused(&wrong));

    let mut two = of(vec![NodeProto::new("Add", "sum", &["images", "other"], &["a"])], Vec::new(), "a");
    two.graph_mut().input.push(declared("other", &[1, 2, 2, 2]));
    assert!(refused(&two).contains("expected one input, found 2"), "{}", refused(&two));

    let shape = of(vec![NodeProto::new("Relu", "relu", &["images"], &["a"])], Vec::new(), "a");
    let error = Net::load(&shape, &[1, 2, 3, 3, 3], &|_| false).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("test.onnx"), "{error}");
}

#[test]
fn weights_get_their_roles_and_frozen_ones_stay_constants() {
    let row = |name: &str, value: f32| TensorProto::of_f32(name, &[2], &[value; 2]);
    let constants = vec![
        row("scale", 1.0),
        row("bias", 0.0),
        row("mean", 0.0),
        row("variance", 1.0),
        row("frozen.scale", 1.0),
        TensorProto::of_f32("slope", &[2, 1, 1], &[0.1; 2]),
        row("offset", 1.0),
    ];
    let nodes = vec![
        NodeProto::new("BatchNormalization", "bn", &["images", "scale", "bias", "mean", "variance"], &["a"]),
        NodeProto::new(
            "BatchNormalization",
            "cold",
            &["a", "frozen.scale", "bias", "mean", "variance"],
            &["b"],
        ),
        NodeProto::new("PRelu", "prelu", &["b", "slope"], &["c"]),
        // what is added to something that is no matrix product is no bias
        NodeProto::new("Add", "add", &["c", "offset"], &["d"]),
    ];
    let (_, parameters) = load(&of(nodes, constants, "d")).unwrap();
    let found: Vec<(&str, Role)> =
        parameters.items.iter().map(|parameter| (parameter.name.as_str(), parameter.role)).collect();
    assert_eq!(found, [("scale", Role::Scale), ("bias", Role::Bias), ("slope", Role::Scale)]);
    assert_eq!(parameters.of_graph, 3);
}

#[test]
fn truth_values_are_integers() {
    let condition = TensorProto::of_bool("condition", &[2], &[true, false]);
    let zero = TensorProto::of_f32("zero", &[], &[0.0]);
    let nodes = vec![NodeProto::new("Where", "where", &["condition", "images", "zero"], &["a"])];
    let (net, parameters) = load(&of(nodes, vec![condition, zero], "a")).unwrap();
    let image = crate::tensor::Tensor::from_fn(&[1, 2, 2, 2], |index| index as f32 + 1.0);
    let tape = net.forward(&parameters, image).unwrap();
    let output = tape.tensor(net.outputs()[0]).unwrap();
    assert_eq!(output.data(), [1.0, 0.0, 3.0, 0.0, 5.0, 0.0, 7.0, 0.0]);
}
