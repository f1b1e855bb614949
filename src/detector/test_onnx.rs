//! Writes small ONNX files for tests: constant outputs, whatever comes in.
//!
//! Field numbers are those of onnx/onnx.proto3 (ONNX IR version 8).

use std::path::Path;

const F32: u64 = 1;
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
            message(&mut graph, 1, &node(&format!("{name}_value"), name));
            let mut tensor = Vec::new();
            for dim in shape {
                number(&mut tensor, 1, *dim as u64);
            }
            number(&mut tensor, 2, F32);
            message(&mut tensor, 8, format!("{name}_value").as_bytes());
            let raw: Vec<u8> = data.iter().flat_map(|value| value.to_le_bytes()).collect();
            message(&mut tensor, 9, &raw);
            message(&mut graph, 5, &tensor);
            message(&mut graph, 12, &value_info(name, F32, shape));
        }
        message(&mut graph, 2, b"constant");
        for (name, kind, shape) in &self.inputs {
            message(&mut graph, 11, &value_info(name, *kind, shape));
        }
        if let (true, [(name, kind, shape)]) = (self.echo, self.inputs.as_slice()) {
            message(&mut graph, 1, &node(name, "echo"));
            message(&mut graph, 12, &value_info("echo", *kind, shape));
        }
        let mut model = Vec::new();
        number(&mut model, 1, 8); // IR version
        message(&mut model, 7, &graph);
        let mut opset = Vec::new();
        number(&mut opset, 2, 13);
        message(&mut model, 8, &opset);
        model
    }
}

/// `Identity`
fn node(from: &str, to: &str) -> Vec<u8> {
    let mut node = Vec::new();
    message(&mut node, 1, from.as_bytes());
    message(&mut node, 2, to.as_bytes());
    message(&mut node, 4, b"Identity");
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
