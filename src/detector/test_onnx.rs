//! Writes small ONNX files for tests: constant outputs, whatever comes in, or the input's elements as rows.
//!
//! Field numbers are those of onnx/onnx.proto3 (ONNX IR version 8).

use std::path::Path;

const F32: u64 = 1;
const I64: u64 = 7;
/// `TensorProto.DataType.UINT8`
pub(crate) const U8: u64 = 2;

/// A model whose outputs do not depend on its input.
pub(crate) struct ConstantModel {
    /// Inputs: name, element type, dimensions (negative: free).
    pub(crate) inputs: Vec<(String, u64, Vec<i64>)>,
    /// Outputs: name, dimensions, elements.
    pub(crate) outputs: Vec<(String, Vec<i64>, Vec<f32>)>,
    /// Also put the input out again, under the name `echo`.
    pub(crate) echo: bool,
}

impl ConstantModel {
    pub(crate) fn new(input: &[i64]) -> Self {
        Self { inputs: vec![("images".to_owned(), F32, input.to_vec())], outputs: vec![], echo: false }
    }

    pub(crate) fn output(mut self, name: &str, shape: &[i64], data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<i64>() as usize, data.len());
        self.outputs.push((name.to_owned(), shape.to_vec(), data));
        self
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.to_bytes()).unwrap();
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut graph = Vec::new();
        for (name, shape, data) in &self.outputs {
            let value = format!("{name}_value");
            message(&mut graph, 1, &node("Identity", &[&value], name));
            let raw: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
            message(&mut graph, 5, &constant(&value, F32, shape, &raw));
            message(&mut graph, 12, &value_info(name, F32, shape));
        }
        message(&mut graph, 2, b"constant");
        for (name, kind, shape) in &self.inputs {
            message(&mut graph, 11, &value_info(name, *kind, shape));
        }
        if let (true, [(name, kind, shape)]) = (self.echo, self.inputs.as_slice()) {
            message(&mut graph, 1, &node("Identity", &[name], "echo"));
            message(&mut graph, 12, &value_info("echo", *kind, shape));
        }
        model(&graph)
    }
}

/// A model whose output `rows` is its input's elements in the given shape, each column times its scale: what it finds
/// depends on the image, and on nothing else.
pub(crate) struct RowsModel {
    /// Dimensions of the input (negative: free).
    pub(crate) input: Vec<i64>,
    /// Shape of the output, as ONNX's `Reshape` takes it: 0 as in the input, -1 what is left.
    pub(crate) shape: [i64; 3],
    /// Factors of the last dimension.
    pub(crate) scale: [f32; 6],
}

impl RowsModel {
    /// Rows of six for the `end_to_end` decoder: boxes in an input of 64 x 64 pixels, a score, class 0, from bytes.
    pub(crate) fn new(batch: i64) -> Self {
        let (place, score) = (0.25, 1.0 / 255.0);
        Self {
            input: vec![batch, 3, 64, 64],
            shape: [0, -1, 6],
            scale: [place, place, place, place, score, 0.0],
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut graph = Vec::new();
        message(&mut graph, 1, &node("Reshape", &["images", "shape"], "shaped"));
        message(&mut graph, 1, &node("Mul", &["shaped", "scale"], "rows"));
        let shape: Vec<u8> = self.shape.iter().flat_map(|value| value.to_le_bytes()).collect();
        let scale: Vec<u8> = self.scale.iter().flat_map(|value| value.to_le_bytes()).collect();
        message(&mut graph, 2, b"rows");
        message(&mut graph, 5, &constant("shape", I64, &[3], &shape));
        message(&mut graph, 5, &constant("scale", F32, &[6], &scale));
        message(&mut graph, 11, &value_info("images", F32, &self.input));
        message(&mut graph, 12, &value_info("rows", F32, &[-1, -1, 6]));
        model(&graph)
    }
}

fn model(graph: &[u8]) -> Vec<u8> {
    let mut model = Vec::new();
    number(&mut model, 1, 8); // IR version
    message(&mut model, 7, graph);
    let mut opset = Vec::new();
    number(&mut opset, 2, 13);
    message(&mut model, 8, &opset);
    model
}

fn constant(name: &str, kind: u64, shape: &[i64], raw: &[u8]) -> Vec<u8> {
    let mut tensor = Vec::new();
    for dim in shape {
        number(&mut tensor, 1, *dim as u64);
    }
    number(&mut tensor, 2, kind);
    message(&mut tensor, 8, name.as_bytes());
    message(&mut tensor, 9, raw);
    tensor
}

fn node(operator: &str, from: &[&str], to: &str) -> Vec<u8> {
    let mut node = Vec::new();
    for input in from {
        message(&mut node, 1, input.as_bytes());
    }
    message(&mut node, 2, to.as_bytes());
    message(&mut node, 4, operator.as_bytes());
    node
}

fn value_info(name: &str, kind: u64, shape: &[i64]) -> Vec<u8> {
    let mut dims = Vec::new();
    for dim in shape {
        let mut one = Vec::new();
        if *dim >= 0 {
            number(&mut one, 1, *dim as u64);
        } else {
            message(&mut one, 2, b"free");
        }
        message(&mut dims, 1, &one);
    }
    let mut tensor = Vec::new();
    number(&mut tensor, 1, kind);
    message(&mut tensor, 2, &dims);
    let mut kind = Vec::new();
    message(&mut kind, 1, &tensor);
    let mut info = Vec::new();
    message(&mut info, 1, name.as_bytes());
    message(&mut info, 2, &kind);
    info
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn message(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
