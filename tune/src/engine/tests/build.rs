//! Small graphs with the structure of real detectors.

use roadproof::compress::graph::Model;
use roadproof::compress::graph::proto::{AttributeProto, NodeProto, TensorProto};

use crate::engine::testing::{float, ints, model, noise, text, with};

/// A graph while it grows. Nodes and their outputs have the same name.
pub(super) struct Graph {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    opset: i64,
}

impl Graph {
    pub(super) fn new(opset: i64) -> Self {
        Self { nodes: Vec::new(), constants: Vec::new(), opset }
    }

    pub(super) fn finish(self, input: &[usize], outputs: &[&str]) -> Model {
        model(self.opset, input, self.nodes, self.constants, outputs)
    }

    pub(super) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        attributes: Vec<(&str, AttributeProto)>,
    ) -> String {
        let name = format!("{op}_{}", self.nodes.len());
        let node = NodeProto::new(op, &name, inputs, &[&name]);
        let node = attributes.into_iter().fold(node, |node, (key, value)| with(node, key, value));
        self.nodes.push(node);
        name
    }

    pub(super) fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.node(op, inputs, Vec::new())
    }

    /// A node with one integer attribute.
    pub(super) fn at(&mut self, op: &str, inputs: &[&str], name: &str, value: i64) -> String {
        let output = self.op(op, inputs);
        let node = self.nodes.pop().unwrap().with_int(name, value);
        self.nodes.push(node);
        output
    }

    pub(super) fn split(&mut self, input: &str, axis: i64, sides: &[i64]) -> Vec<String> {
        let sides = self.list(sides);
        let name = format!("Split_{}", self.nodes.len());
        let outputs: Vec<String> = (0..2).map(|place| format!("{name}.{place}")).collect();
        let outputs_by_ref: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let node = NodeProto::new("Split", &name, &[input, &sides], &outputs_by_ref).with_int("axis", axis);
        self.nodes.push(node);
        outputs
    }

    pub(super) fn values(&mut self, dims: &[usize], values: &[f32]) -> String {
        let name = format!("constant_{}", self.constants.len());
        let dims: Vec<i64> = dims.iter().map(|side| *side as i64).collect();
        self.constants.push(TensorProto::of_f32(&name, &dims, values));
        name
    }

    pub(super) fn scalar(&mut self, value: f32) -> String {
        self.values(&[], &[value])
    }

    pub(super) fn list(&mut self, values: &[i64]) -> String {
        let name = format!("constant_{}", self.constants.len());
        self.constants.push(TensorProto::of_i64(&name, &[values.len() as i64], values));
        name
    }

    pub(super) fn weight(&mut self, dims: &[usize], level: f32, spread: f32) -> String {
        let noise = noise(dims, self.constants.len() as u64, spread);
        let values: Vec<f32> = noise.data().iter().map(|value| value + level).collect();
        self.values(dims, &values)
    }

    pub(super) fn conv(&mut self, input: &str, sides: [usize; 2], kernel: usize, stride: i64) -> String {
        let [from, to] = sides;
        let spread = 1.7 / ((from * kernel * kernel) as f32).sqrt();
        let weight = self.weight(&[to, from, kernel, kernel], 0.0, spread);
        let bias = self.weight(&[to], 0.0, 0.2);
        let (side, pad) = (kernel as i64, (kernel / 2) as i64);
        self.node(
            "Conv",
            &[input, &weight, &bias],
            vec![
                ("kernel_shape", ints(&[side; 2])),
                ("pads", ints(&[pad; 4])),
                ("strides", ints(&[stride; 2])),
            ],
        )
    }

    pub(super) fn batch_norm(&mut self, input: &str, channels: usize) -> String {
        let scale = self.weight(&[channels], 1.0, 0.3);
        let bias = self.weight(&[channels], 0.0, 0.3);
        let mean = self.weight(&[channels], 0.0, 0.3);
        let variance = self.weight(&[channels], 1.0, 0.3);
        self.node(
            "BatchNormalization",
            &[input, &scale, &bias, &mean, &variance],
            vec![("epsilon", float(1e-3))],
        )
    }

    pub(super) fn silu(&mut self, input: &str) -> String {
        let gate = self.op("Sigmoid", &[input]);
        self.op("Mul", &[input, &gate])
    }

    /// Convolution, batch normalisation, `SiLU`.
    pub(super) fn block(&mut self, input: &str, sides: [usize; 2], kernel: usize, stride: i64) -> String {
        let conv = self.conv(input, sides, kernel, stride);
        let norm = self.batch_norm(&conv, sides[1]);
        self.silu(&norm)
    }

    fn concat(&mut self, parts: &[&str], axis: i64) -> String {
        self.at("Concat", parts, "axis", axis)
    }

    fn reshape(&mut self, input: &str, sides: &[i64]) -> String {
        let sides = self.list(sides);
        self.op("Reshape", &[input, &sides])
    }

    fn transpose(&mut self, input: &str, order: &[i64]) -> String {
        self.node("Transpose", &[input], vec![("perm", ints(order))])
    }

    /// Pixels of rows and columns of one parity, as channels (YOLOX's Focus).
    fn focus(&mut self, input: &str) -> String {
        let (end, axes, steps) = (self.list(&[i64::MAX; 2]), self.list(&[2, 3]), self.list(&[2, 2]));
        let parts: Vec<String> = [[0, 0], [1, 0], [0, 1], [1, 1]]
            .iter()
            .map(|start| {
                let start = self.list(start);
                self.op("Slice", &[input, &start, &end, &axes, &steps])
            })
            .collect();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.concat(&parts, 1)
    }

    /// Maxima of growing windows, side by side.
    fn pyramid_pooling(&mut self, input: &str) -> String {
        let mut parts = vec![input.to_owned()];
        for _ in 0..3 {
            let last = parts.last().unwrap().clone();
            let window =
                vec![("kernel_shape", ints(&[5; 2])), ("pads", ints(&[2; 4])), ("strides", ints(&[1; 2]))];
            let pool = self.node("MaxPool", &[&last], window);
            parts.push(pool);
        }
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        self.concat(&parts, 1)
    }

    fn linear(&mut self, input: &str, from: usize, to: usize) -> String {
        let weight = self.weight(&[from, to], 0.0, 1.7 / (from as f32).sqrt());
        let bias = self.weight(&[to], 0.0, 0.2);
        let product = self.op("MatMul", &[input, &weight]);
        // exporters write the bias first
        self.op("Add", &[&bias, &product])
    }
}

/// Focus, CSP, pyramid pooling, a top-down path and a decoupled head.
pub(super) fn yolox() -> Model {
    let mut graph = Graph::new(13);
    let focus = graph.focus("images");
    let stem = graph.block(&focus, [12, 8], 3, 1);
    let down = graph.block(&stem, [8, 12], 3, 2);
    let (left, right) = (graph.block(&down, [12, 6], 1, 1), graph.block(&down, [12, 6], 1, 1));
    let inner = graph.block(&left, [6, 6], 3, 1);
    let sum = graph.op("Add", &[&inner, &left]);
    let joined = graph.concat(&[&sum, &right], 1);
    let deep = graph.block(&joined, [12, 8], 3, 2);
    let pooled = graph.pyramid_pooling(&deep);
    let deep = graph.block(&pooled, [32, 12], 1, 1);
    let scales = graph.values(&[4], &[1.0, 1.0, 2.0, 2.0]);
    let modes = vec![
        ("mode", text("nearest")),
        ("coordinate_transformation_mode", text("asymmetric")),
        ("nearest_mode", text("floor")),
    ];
    let up = graph.node("Resize", &[&deep, "", &scales], modes);
    let merged = graph.concat(&[&up, &joined], 1);
    let mut levels = Vec::new();
    for (feature, channels, cells) in [(&merged, 24, 16), (&deep, 12, 4)] {
        let stem = graph.block(feature, [channels, 8], 1, 1);
        let (classes, regression) = (graph.block(&stem, [8, 8], 3, 1), graph.block(&stem, [8, 8], 3, 1));
        let classes = graph.conv(&classes, [8, 3], 1, 1);
        let classes = graph.op("Sigmoid", &[&classes]);
        let (boxes, object) = (graph.conv(&regression, [8, 4], 1, 1), graph.conv(&regression, [8, 1], 1, 1));
        let object = graph.op("Sigmoid", &[&object]);
        let level = graph.concat(&[&boxes, &object, &classes], 1);
        levels.push(graph.reshape(&level, &[1, 8, cells]));
    }
    let all = graph.concat(&[&levels[0], &levels[1]], 2);
    let output = graph.transpose(&all, &[0, 2, 1]);
    graph.finish(&[1, 3, 16, 16], &[&output])
}

/// C2f by `Split`, and boxes as means of distributions (DFL) around anchors that are constants.
pub(super) fn yolov8() -> Model {
    let mut graph = Graph::new(17);
    let stem = graph.block("images", [3, 8], 3, 2);
    let wide = graph.block(&stem, [8, 12], 1, 1);
    let halves = graph.split(&wide, 1, &[6, 6]);
    let inner = graph.block(&halves[1], [6, 6], 3, 1);
    let sum = graph.op("Add", &[&halves[1], &inner]);
    let joined = graph.concat(&[&halves[0], &halves[1], &sum], 1);
    let feature = graph.block(&joined, [18, 12], 3, 2);
    let (boxes, classes) = (graph.conv(&feature, [12, 16], 1, 1), graph.conv(&feature, [12, 3], 1, 1));
    let (boxes, classes) = (graph.reshape(&boxes, &[1, 4, 4, 16]), graph.reshape(&classes, &[1, 3, 16]));
    let boxes = graph.transpose(&boxes, &[0, 2, 1, 3]);
    let shares = graph.at("Softmax", &[&boxes], "axis", 1);
    let bins = graph.values(&[1, 4, 1, 1], &[0.0, 1.0, 2.0, 3.0]);
    let means = graph.node("Conv", &[&shares, &bins], vec![("kernel_shape", ints(&[1, 1]))]);
    let distances = graph.reshape(&means, &[1, 4, 16]);
    let sides = graph.split(&distances, 1, &[2, 2]);
    let cells: Vec<f32> =
        (0..32).map(|cell| if cell < 16 { cell % 4 } else { (cell - 16) / 4 } as f32 + 0.5).collect();
    let anchors = graph.values(&[1, 2, 16], &cells);
    let (first, last) = (graph.op("Sub", &[&anchors, &sides[0]]), graph.op("Add", &[&anchors, &sides[1]]));
    let (sum, size) = (graph.op("Add", &[&first, &last]), graph.op("Sub", &[&last, &first]));
    let two = graph.scalar(2.0);
    let centre = graph.op("Div", &[&sum, &two]);
    let corners = graph.concat(&[&centre, &size], 1);
    let strides = graph.values(&[1, 16], &[4.0; 16]);
    let scaled = graph.op("Mul", &[&corners, &strides]);
    let scores = graph.op("Sigmoid", &[&classes]);
    let output = graph.concat(&[&scaled, &scores], 1);
    graph.finish(&[1, 3, 16, 16], &[&output, &feature])
}

/// Attention over tokens, both ways to write layer normalisation, choice of queries by score, and features read at places
/// that the queries say.
pub(super) fn rt_detr() -> Model {
    let mut graph = Graph::new(17);
    let feature = graph.block("images", [3, 8], 3, 2);
    let tokens = graph.reshape(&feature, &[1, 8, 16]);
    let tokens = graph.transpose(&tokens, &[0, 2, 1]);
    let heads: Vec<String> = (0..3)
        .map(|_| {
            let row = graph.linear(&tokens, 8, 8);
            let row = graph.reshape(&row, &[1, 16, 2, 4]);
            graph.transpose(&row, &[0, 2, 1, 3])
        })
        .collect();
    let keys = graph.transpose(&heads[1], &[0, 1, 3, 2]);
    let scores = graph.op("MatMul", &[&heads[0], &keys]);
    let temperature = graph.scalar(0.5);
    let scores = graph.op("Mul", &[&scores, &temperature]);
    let shares = graph.at("Softmax", &[&scores], "axis", -1);
    let mixed = graph.op("MatMul", &[&shares, &heads[2]]);
    let mixed = graph.transpose(&mixed, &[0, 2, 1, 3]);
    let mixed = graph.reshape(&mixed, &[1, 16, 8]);
    let mixed = graph.linear(&mixed, 8, 8);
    let sum = graph.op("Add", &[&tokens, &mixed]);
    let normal = decomposed_layer_norm(&mut graph, &sum, 8);
    let wide = graph.linear(&normal, 8, 12);
    let wide = decomposed_gelu(&mut graph, &wide);
    let narrow = graph.linear(&wide, 12, 8);
    let sum = graph.op("Add", &[&normal, &narrow]);
    let (scale, bias) = (graph.weight(&[8], 1.0, 0.3), graph.weight(&[8], 0.0, 0.3));
    let memory = graph.op("LayerNormalization", &[&sum, &scale, &bias]);

    let classes = graph.linear(&memory, 8, 3);
    let best = graph.node("ReduceMax", &[&classes], vec![("axes", ints(&[-1]))]);
    let best = graph.reshape(&best, &[1, 16]);
    let count = graph.list(&[5]);
    let name = "TopK";
    graph.nodes.push(
        NodeProto::new("TopK", name, &[&best, &count], &["best.values", "best.places"]).with_int("axis", 1),
    );
    let last = graph.list(&[-1]);
    let places = graph.op("Unsqueeze", &["best.places", &last]);
    let repeats = graph.list(&[1, 1, 8]);
    let places = graph.op("Tile", &[&places, &repeats]);
    let queries = graph.at("GatherElements", &[&memory, &places], "axis", 1);

    let offsets = graph.linear(&queries, 8, 2);
    let grid = graph.op("Tanh", &[&offsets]);
    let grid = graph.reshape(&grid, &[1, 5, 1, 2]);
    let modes = vec![("mode", text("bilinear")), ("padding_mode", text("zeros"))];
    let read = graph.node("GridSample", &[&feature, &grid], modes);
    let read = graph.reshape(&read, &[1, 8, 5]);
    let read = graph.transpose(&read, &[0, 2, 1]);
    let sum = graph.op("Add", &[&queries, &read]);
    let boxes = graph.linear(&sum, 8, 4);
    let boxes = graph.op("Sigmoid", &[&boxes]);
    graph.finish(&[1, 3, 8, 8], &[&boxes, "best.values"])
}

fn decomposed_layer_norm(graph: &mut Graph, input: &str, side: usize) -> String {
    let mean =
        |graph: &mut Graph, input: &str| graph.node("ReduceMean", &[input], vec![("axes", ints(&[-1]))]);
    let level = mean(graph, input);
    let centred = graph.op("Sub", &[input, &level]);
    let (two, epsilon) = (graph.scalar(2.0), graph.scalar(1e-5));
    let squares = graph.op("Pow", &[&centred, &two]);
    let variance = mean(graph, &squares);
    let variance = graph.op("Add", &[&variance, &epsilon]);
    let deviation = graph.op("Sqrt", &[&variance]);
    let normal = graph.op("Div", &[&centred, &deviation]);
    let (scale, bias) = (graph.weight(&[side], 1.0, 0.3), graph.weight(&[side], 0.0, 0.3));
    let scaled = graph.op("Mul", &[&normal, &scale]);
    graph.op("Add", &[&scaled, &bias])
}

fn decomposed_gelu(graph: &mut Graph, input: &str) -> String {
    let (root, one, half) = (graph.scalar(std::f32::consts::SQRT_2), graph.scalar(1.0), graph.scalar(0.5));
    let divided = graph.op("Div", &[input, &root]);
    let erf = graph.op("Erf", &[&divided]);
    let sum = graph.op("Add", &[&erf, &one]);
    let product = graph.op("Mul", &[input, &sum]);
    graph.op("Mul", &[&product, &half])
}
