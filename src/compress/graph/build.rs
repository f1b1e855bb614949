//! Small graphs for tests.

use std::path::Path;

use super::Model;
use super::proto::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetId, Shape, TensorProto,
    TensorType, TypeProto, ValueInfo, attribute_type, data_type,
};
use prost::Message as _;

/// A float32 tensor of a graph's interface; a negative side is free.
pub(crate) fn value(name: &str, dims: &[i64]) -> ValueInfo {
    let dim = |side: &i64| Dimension {
        dim_value: (*side >= 0).then_some(*side),
        dim_param: (*side < 0).then(|| "free".to_owned()),
        ..Dimension::default()
    };
    let shape = Shape { dim: dims.iter().map(dim).collect() };
    let tensor_type = TensorType { elem_type: Some(data_type::FLOAT), shape: Some(shape) };
    ValueInfo {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type), denotation: None }),
        ..ValueInfo::default()
    }
}

/// Numbers around zero, always the same.
pub(crate) fn numbers(count: usize, spread: f32) -> Vec<f32> {
    (0..count).map(|n| ((n as f32 * 12.9898).sin() * 43758.547).fract() * spread).collect()
}

pub(crate) fn ints(mut node: NodeProto, name: &str, values: &[i64]) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        ints: values.to_vec(),
        r#type: Some(attribute_type::INTS),
        ..AttributeProto::default()
    });
    node
}

/// 1 x 3 x 16 x 16 -> Conv 3x3 -> LeakyRelu -> MaxPool -> Conv 1x1 -> Relu -> Sigmoid, and its logits.
pub(crate) fn small() -> ModelProto {
    let conv = |name: &str, input: &str, side: i64| {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let node = NodeProto::new("Conv", name, &[input, &weight, &bias], &[name]);
        ints(node, "kernel_shape", &[side, side])
    };
    let graph = GraphProto {
        name: Some("small".to_owned()),
        node: vec![
            ints(conv("first", "images", 3), "pads", &[1, 1, 1, 1]),
            NodeProto::new("LeakyRelu", "leaky", &["first"], &["leaky"]),
            ints(
                ints(NodeProto::new("MaxPool", "pool", &["leaky"], &["pool"]), "kernel_shape", &[2, 2]),
                "strides",
                &[2, 2],
            ),
            conv("second", "pool", 1),
            NodeProto::new("Relu", "relu", &["second"], &["relu"]),
            conv("third", "relu", 1),
            NodeProto::new("Sigmoid", "sigmoid", &["third"], &["scores"]),
        ],
        initializer: vec![
            TensorProto::of_f32("first.weight", &[8, 3, 3, 3], &numbers(216, 0.4)),
            TensorProto::of_f32("first.bias", &[8], &numbers(8, 0.2)),
            TensorProto::of_f32("second.weight", &[8, 8, 1, 1], &numbers(64, 0.6)),
            TensorProto::of_f32("second.bias", &[8], &numbers(8, 0.3)),
            TensorProto::of_f32("third.weight", &[4, 8, 1, 1], &numbers(32, 0.6)),
            TensorProto::of_f32("third.bias", &[4], &numbers(4, 0.3)),
        ],
        input: vec![value("images", &[1, 3, 16, 16])],
        output: vec![value("scores", &[1, 4, 8, 8]), value("third", &[1, 4, 8, 8])],
        ..GraphProto::default()
    };
    ModelProto {
        ir_version: Some(8),
        graph: Some(graph),
        opset_import: vec![OperatorSetId { domain: Some(String::new()), version: Some(17) }],
        ..ModelProto::default()
    }
}

pub(crate) fn model(proto: &ModelProto) -> Model {
    Model::from_bytes(&proto.encode_to_vec(), Path::new("small.onnx"), String::new()).unwrap()
}
