//! A detector small enough to train in a test, and pictures for it.

use std::path::{Path, PathBuf};

use roadproof::compress::graph::Model;
use roadproof::compress::graph::proto::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetId, Shape, TensorProto,
    TensorType, TypeProto, ValueInfo, attribute_type, data_type,
};

/// Side of the network's input.
const SIDE: usize = 64;
const CLASSES: usize = 3;
/// Four sides of 8 bins.
const BINS: usize = 4 * 8;

/// Numbers around zero, always the same for the same seed.
fn numbers(count: usize, spread: f32, seed: f32) -> Vec<f32> {
    (0..count).map(|n| (((n as f32 + seed * 17.0) * 12.9898).sin() * 43_758.547).fract() * spread).collect()
}

fn value(name: &str, dims: &[usize]) -> ValueInfo {
    let dim = |side: &usize| Dimension { dim_value: Some(*side as i64), ..Dimension::default() };
    let shape = Shape { dim: dims.iter().map(dim).collect() };
    let tensor_type = TensorType { elem_type: Some(data_type::FLOAT), shape: Some(shape) };
    let kind = TypeProto { tensor_type: Some(tensor_type), denotation: None };
    ValueInfo { name: Some(name.to_owned()), r#type: Some(kind), ..ValueInfo::default() }
}

fn ints(mut node: NodeProto, name: &str, values: &[i64]) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        ints: values.to_vec(),
        r#type: Some(attribute_type::INTS),
        ..AttributeProto::default()
    });
    node
}

#[derive(Default)]
struct Builder {
    graph: GraphProto,
}

impl Builder {
    fn weights(&mut self, name: &str, dims: &[usize], spread: f32) {
        let seed = self.graph.initializer.len() as f32 + 1.0;
        let count = dims.iter().product();
        let dims: Vec<i64> = dims.iter().map(|side| *side as i64).collect();
        self.graph.initializer.push(TensorProto::of_f32(name, &dims, &numbers(count, spread, seed)));
    }

    /// A convolution of `side` x `side` that keeps the picture's sides over `stride`.
    fn conv(&mut self, name: &str, input: &str, channels: [usize; 2], side: usize, stride: usize) {
        let [from, to] = channels;
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let spread = 2.4 / ((from * side * side) as f32).sqrt();
        self.weights(&weight, &[to, from, side, side], spread);
        self.weights(&bias, &[to], 0.2);
        let node = NodeProto::new("Conv", name, &[input, &weight, &bias], &[name]);
        let pad = (side / 2) as i64;
        let node = ints(ints(node, "pads", &[pad; 4]), "strides", &[stride as i64; 2]);
        self.graph.node.push(node);
    }

    fn node(&mut self, operator: &str, name: &str, inputs: &[&str]) {
        self.graph.node.push(NodeProto::new(operator, name, inputs, &[name]));
    }

    /// (1, channels, h, w) -> (1, h * w, channels)
    fn rows(&mut self, name: &str, input: &str, channels: usize) {
        let (shape, flat) = (format!("{name}.shape"), format!("{name}.flat"));
        self.graph.initializer.push(TensorProto::of_i64(&shape, &[3], &[1, channels as i64, -1]));
        self.node("Reshape", &flat, &[input, &shape]);
        let node = NodeProto::new("Transpose", name, &[&flat], &[name]);
        self.graph.node.push(ints(node, "perm", &[0, 2, 1]));
    }
}

/// A NanoDet-like head of two levels on a few convolutions.
fn graph() -> ModelProto {
    let mut builder = Builder::default();
    builder.conv("stem", "images", [3, 16], 3, 2);
    builder.node("LeakyRelu", "stem.out", &["stem"]);
    builder.conv("down4", "stem.out", [16, 16], 3, 2);
    builder.node("LeakyRelu", "down4.out", &["down4"]);
    builder.conv("down8", "down4.out", [16, 24], 3, 2);
    builder.node("LeakyRelu", "down8.out", &["down8"]);
    builder.conv("down16", "down8.out", [24, 24], 3, 2);
    builder.node("LeakyRelu", "down16.out", &["down16"]);
    builder.graph.input = vec![value("images", &[1, 3, SIDE, SIDE])];
    for (stride, from) in [(8, "down8.out"), (16, "down16.out")] {
        let cells = (SIDE / stride) * (SIDE / stride);
        let (scores, boxes) = (format!("cls{stride}"), format!("reg{stride}"));
        builder.conv(&scores, from, [24, CLASSES], 1, 1);
        builder.node("Sigmoid", &format!("{scores}.p"), &[&scores]);
        builder.rows(&format!("scores_{stride}"), &format!("{scores}.p"), CLASSES);
        builder.conv(&boxes, from, [24, BINS], 1, 1);
        builder.rows(&format!("boxes_{stride}"), &boxes, BINS);
        builder.graph.output.push(value(&format!("scores_{stride}"), &[1, cells, CLASSES]));
        builder.graph.output.push(value(&format!("boxes_{stride}"), &[1, cells, BINS]));
    }
    builder.graph.name = Some("tiny".to_owned());
    ModelProto {
        ir_version: Some(8),
        graph: Some(builder.graph),
        opset_import: vec![OperatorSetId { domain: Some(String::new()), version: Some(17) }],
        ..ModelProto::default()
    }
}

/// Writes the detector as `NAME.onnx` and `NAME.toml`, its weights times `factor`; returns the manifest.
pub(crate) fn write_model(folder: &Path, name: &str, factor: f32) -> PathBuf {
    let mut proto = graph();
    for tensor in proto.graph.as_mut().unwrap().initializer.iter_mut().filter(|tensor| tensor.is_f32()) {
        let values: Vec<f32> = tensor.f32_values().unwrap().iter().map(|value| value * factor).collect();
        *tensor = TensorProto::of_f32(tensor.name(), &tensor.dims.clone(), &values);
    }
    let bytes = prost_bytes(&proto);
    let onnx = folder.join(format!("{name}.onnx"));
    std::fs::write(&onnx, &bytes).unwrap();
    let manifest = folder.join(format!("{name}.toml"));
    let text = format!(
        "format = 1\nname = \"{name}\"\nfile = \"{name}.onnx\"\n[input]\nwidth = {SIDE}\nheight = {SIDE}\n\
         colour = \"rgb\"\nmean = [110.0, 110.0, 110.0]\nstd = [60.0, 60.0, 60.0]\nresize = \"letterbox\"\n\
         [decoder]\ntype = \"nanodet\"\nstrides = [8, 16]\noutputs = {{ scores = [\"scores_8\", \"scores_16\"], \
         boxes = [\"boxes_8\", \"boxes_16\"] }}\n[thresholds]\nscore = 0.4\nnms_iou = 0.6\nmax_detections = 50\n\
         [classes]\nnames = [\"red\", \"green\", \"blue\"]\n"
    );
    std::fs::write(&manifest, text).unwrap();
    // what was written is a model
    Model::load(&onnx, None).unwrap();
    manifest
}

fn prost_bytes(proto: &ModelProto) -> Vec<u8> {
    use prost::Message as _;
    proto.encode_to_vec()
}

/// Writes pictures with rectangles of three colours, as PNG.
pub(crate) fn write_pictures(folder: &Path, count: usize) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..count {
        let side = 72;
        let mut pixels: Vec<u8> =
            (0..side * side * 3).map(|at| 90 + ((at * 7 + number * 31) % 40) as u8).collect();
        for (class, channel) in [0usize, 1, 2].into_iter().enumerate().skip(number % 2) {
            let (left, top) = ((number * 13 + class * 29) % 44, (number * 7 + class * 17) % 44);
            for y in top..top + 18 {
                for x in left..left + 24 {
                    for colour in 0..3 {
                        pixels[(y * side + x) * 3 + colour] = if colour == channel { 250 } else { 10 };
                    }
                }
            }
        }
        let file = std::fs::File::create(folder.join(format!("{number:03}.png"))).unwrap();
        let mut encoder = png::Encoder::new(file, side as u32, side as u32);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    }
}
