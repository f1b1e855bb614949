//! What tests of the engine share: one operator against ONNX Runtime and against finite differences.

use std::path::Path;

use proptest::prelude::*;
use roadproof::compress::graph::Model;
use roadproof::compress::graph::proto::{
    AttributeProto, Dimension, GraphProto, NodeProto, Shape, TensorProto, TensorType, TypeProto, ValueInfo,
    attribute_type, data_type,
};
use roadproof::compress::{Elements, InferenceSession};

use super::{Call, Context, Op, Saved, ops};
use crate::tensor::{IntTensor, Tensor, Value, ValueRef};

/// Numbers between -1 and 1 that look like chance, always the same.
pub(crate) fn number(index: usize, seed: u64) -> f32 {
    let mut bits = (index as u64).wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(1);
    // SplitMix64 (Steele et al., 2014)
    bits = bits.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
}

/// A tensor of such numbers, `spread` times as far apart.
pub(crate) fn noise(dims: &[usize], seed: u64, spread: f32) -> Tensor {
    Tensor::from_fn(dims, |index| number(index, seed) * spread)
}

/// As [`noise`], with no two elements nearer to each other than finite differences reach, nor to 0 or a multiple of
/// 0.25: kinks and ties lie beside them.
pub(crate) fn apart(dims: &[usize], seed: u64) -> Tensor {
    let count = dims.iter().product::<usize>();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|one, other| number(*one, seed).total_cmp(&number(*other, seed)));
    let mut tensor = Tensor::zeros(dims);
    for (rank, index) in order.iter().enumerate() {
        let quarter = (rank as f32 - count as f32 / 2.0).floor() * 0.03;
        let lies_on = (quarter * 4.0).round() / 4.0;
        tensor.data_mut()[*index] = if (quarter - lies_on).abs() < 0.008 { quarter + 0.015 } else { quarter };
    }
    tensor
}

/// An int64 tensor.
pub(crate) fn integers(dims: &[usize], data: &[i64]) -> Value {
    Value::I64(IntTensor::new(dims, data.to_vec()).unwrap())
}

/// Adds an attribute to a node.
pub(crate) fn with(mut node: NodeProto, name: &str, attribute: AttributeProto) -> NodeProto {
    node.attribute.push(AttributeProto { name: Some(name.to_owned()), ..attribute });
    node
}

/// An attribute that is a list of integers.
pub(crate) fn ints(values: &[i64]) -> AttributeProto {
    let r#type = Some(attribute_type::INTS);
    AttributeProto { ints: values.to_vec(), r#type, ..AttributeProto::default() }
}

/// An attribute that is a number.
pub(crate) fn float(value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), r#type: Some(attribute_type::FLOAT), ..AttributeProto::default() }
}

/// An attribute that is a text.
pub(crate) fn text(value: &str) -> AttributeProto {
    // `AttributeProto.AttributeType.STRING`
    AttributeProto { s: Some(value.as_bytes().to_vec()), r#type: Some(3), ..AttributeProto::default() }
}

/// A tensor of a graph's interface.
pub(crate) fn declared(name: &str, dims: &[usize]) -> ValueInfo {
    let dim = |side: &usize| Dimension { dim_value: Some(*side as i64), ..Dimension::default() };
    let shape = Some(Shape { dim: dims.iter().map(dim).collect() });
    let tensor_type = Some(TensorType { elem_type: Some(data_type::FLOAT), shape });
    ValueInfo {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type, denotation: None }),
        ..ValueInfo::default()
    }
}

/// A model of one input, `images`; ONNX Runtime finds the sides of the outputs itself.
pub(crate) fn model(
    opset: i64,
    input: &[usize],
    nodes: Vec<NodeProto>,
    initializer: Vec<TensorProto>,
    outputs: &[&str],
) -> Model {
    let output = |name: &&str| ValueInfo { name: Some((*name).to_owned()), ..ValueInfo::default() };
    let graph = GraphProto {
        name: Some("graph".to_owned()),
        node: nodes,
        initializer,
        input: vec![declared("images", input)],
        output: outputs.iter().map(output).collect(),
        ..GraphProto::default()
    };
    // `ModelProto`: ir_version 10, a graph without anything, operators of version `opset`
    let mut bytes = vec![0x08, 10, 0x3a, 7, 0x12, 5];
    bytes.extend_from_slice(b"graph");
    bytes.extend_from_slice(&[0x42, 2, 0x10, opset as u8]);
    let mut model = Model::from_bytes(&bytes, Path::new("test.onnx"), String::new()).unwrap();
    *model.graph_mut() = graph;
    model
}

/// A use of one operator.
pub(crate) struct Case {
    node: NodeProto,
    opset: i64,
    inputs: Vec<Option<Value>>,
    /// Inputs that are truth values.
    truths: Vec<usize>,
    /// The input that ONNX Runtime sees as computed, not as a constant.
    computed: usize,
    /// Inputs without gradient checks.
    constant: Vec<usize>,
}

impl Case {
    pub(crate) fn new(op_type: &str, inputs: Vec<Value>) -> Self {
        let names: Vec<String> = (0..inputs.len()).map(|place| format!("in{place}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        Self {
            node: NodeProto::new(op_type, "node", &names, &["out0"]),
            opset: 17,
            inputs: inputs.into_iter().map(Some).collect(),
            truths: Vec::new(),
            computed: 0,
            constant: Vec::new(),
        }
    }

    pub(crate) fn attribute(mut self, name: &str, attribute: AttributeProto) -> Self {
        self.node = with(self.node, name, attribute);
        self
    }

    pub(crate) fn int(mut self, name: &str, value: i64) -> Self {
        self.node = self.node.with_int(name, value);
        self
    }

    pub(crate) fn opset(mut self, opset: i64) -> Self {
        self.opset = opset;
        self
    }

    /// Leaves an optional input out.
    pub(crate) fn without(mut self, place: usize) -> Self {
        self.inputs[place] = None;
        self.node.input[place] = String::new();
        // ONNX Runtime takes offence at a last input that is left out by name
        while self.node.input.last().is_some_and(String::is_empty) {
            self.node.input.pop();
        }
        self
    }

    pub(crate) fn outputs(mut self, count: usize) -> Self {
        self.node.output = (0..count).map(|place| format!("out{place}")).collect();
        self
    }

    pub(crate) fn truth(mut self, place: usize) -> Self {
        self.truths.push(place);
        self
    }

    pub(crate) fn computed(mut self, place: usize) -> Self {
        self.computed = place;
        self
    }

    pub(crate) fn constant(mut self, place: usize) -> Self {
        self.constant.push(place);
        self
    }

    pub(crate) fn op(&self) -> Result<Box<dyn Op>, String> {
        ops::build(&Context { node: &self.node, opset: self.opset, constants: &self.inputs })
    }

    fn borrowed(&self) -> Vec<Option<ValueRef<'_>>> {
        self.inputs.iter().map(|input| input.as_ref().map(Value::borrowed)).collect()
    }

    pub(crate) fn run(&self) -> Result<(Vec<Value>, Saved), String> {
        self.op()?.forward(&self.borrowed()).map_err(|error| error.to_string())
    }

    /// Both checks.
    pub(crate) fn check(&self) -> Result<(), TestCaseError> {
        self.check_forward()?;
        self.check_gradients()
    }

    /// Outputs are those of ONNX Runtime.
    pub(crate) fn check_forward(&self) -> Result<(), TestCaseError> {
        let (made, _) = self.run().map_err(TestCaseError::fail)?;
        let outputs: Vec<&str> = self.node.output.iter().map(String::as_str).collect();
        let (model, shape, values) = self.graph(&outputs);
        let mut session = InferenceSession::open(&model, &shape, outputs.iter().copied()).unwrap();
        session.input_mut().copy_from_slice(&values);
        for output in session.run().unwrap() {
            let place = outputs.iter().position(|name| *name == output.name).unwrap();
            let found = &made[place];
            let dims: Vec<usize> = output.dims.iter().map(|side| *side as usize).collect();
            prop_assert_eq!(found.borrowed().dims(), dims.as_slice(), "sides of output {}", place);
            match (found, output.elements) {
                (Value::F32(found), Elements::F32(expected)) => {
                    let range = expected.iter().fold(0.0f32, |range, value| range.max(value.abs()));
                    for (index, (found, expected)) in found.data().iter().zip(&expected).enumerate() {
                        let near = 1e-5 * range.max(1e-3);
                        let same = found == expected || (found - expected).abs() <= near;
                        prop_assert!(same, "output {place}[{index}]: {found}, ONNX Runtime {expected}");
                    }
                }
                (Value::I64(found), Elements::I64(expected)) => prop_assert_eq!(&found.data, &expected),
                (found, expected) => prop_assert!(false, "{:?}, ONNX Runtime {:?}", found, expected),
            }
        }
        Ok(())
    }

    /// The graph of this one node, the sides of its input and its elements.
    fn graph(&self, outputs: &[&str]) -> (Model, Vec<i64>, Vec<f32>) {
        let mut node = self.node.clone();
        let mut nodes = Vec::new();
        let mut constants = Vec::new();
        let mut given = (vec![1usize], vec![0.0f32]);
        for (place, input) in self.inputs.iter().enumerate() {
            let Some(input) = input else { continue };
            let name = format!("in{place}");
            let dims: Vec<i64> = input.borrowed().dims().iter().map(|side| *side as i64).collect();
            match input {
                Value::F32(tensor) if place == self.computed => {
                    given = (tensor.dims().to_vec(), tensor.data().to_vec());
                    node.input[place] = "images".to_owned();
                }
                Value::F32(tensor) => constants.push(TensorProto::of_f32(&name, &dims, tensor.data())),
                Value::I64(tensor) if place == self.computed => {
                    given = (tensor.dims.to_vec(), tensor.data.iter().map(|value| *value as f32).collect());
                    let kind = if self.truths.contains(&place) { data_type::BOOL } else { data_type::INT64 };
                    nodes.push(
                        NodeProto::new("Cast", "cast", &["images"], &[&name]).with_int("to", i64::from(kind)),
                    );
                }
                Value::I64(tensor) if self.truths.contains(&place) => {
                    let truths: Vec<bool> = tensor.data.iter().map(|value| *value != 0).collect();
                    constants.push(TensorProto::of_bool(&name, &dims, &truths));
                }
                Value::I64(tensor) => constants.push(TensorProto::of_i64(&name, &dims, &tensor.data)),
            }
        }
        nodes.push(node);
        let shape = given.0.iter().map(|side| *side as i64).collect();
        (model(self.opset, &given.0, nodes, constants, outputs), shape, given.1)
    }

    /// A random linear functional of the outputs, in double precision.
    fn loss(outputs: &[Value]) -> f64 {
        let mut loss = 0.0;
        for (place, output) in outputs.iter().enumerate() {
            if let Value::F32(output) = output {
                for (index, value) in output.data().iter().enumerate() {
                    loss += f64::from(*value) * f64::from(number(index, 77 + place as u64));
                }
            }
        }
        loss
    }

    /// Gradients by all inputs that are numbers are those of central differences, and are added to what sinks hold.
    pub(crate) fn check_gradients(&self) -> Result<(), TestCaseError> {
        let op = self.op().map_err(TestCaseError::fail)?;
        let inputs = self.borrowed();
        let (outputs, saved) = op.forward(&inputs).unwrap();
        let seeds: Vec<Option<Tensor>> = outputs
            .iter()
            .enumerate()
            .map(|(place, output)| {
                let dims = output.as_f32()?.dims();
                Some(Tensor::from_fn(dims, |index| number(index, 77 + place as u64)))
            })
            .collect();
        let seeds: Vec<Option<&Tensor>> = seeds.iter().map(Option::as_ref).collect();
        let borrowed: Vec<Option<ValueRef<'_>>> =
            outputs.iter().map(|output| Some(output.borrowed())).collect();
        let call = Call { inputs: &inputs, outputs: &borrowed, saved: &saved, gradients: &seeds };
        let wanted = |place: usize| {
            let tensor = self.inputs[place].as_ref().and_then(Value::as_f32);
            tensor.filter(|_| !self.constant.contains(&place))
        };
        let mut sinks: Vec<Option<Tensor>> = (0..self.inputs.len())
            .map(|place| wanted(place).map(|tensor| Tensor::from_fn(tensor.dims(), |_| 0.5)))
            .collect();
        let mut places: Vec<Option<&mut Tensor>> = sinks.iter_mut().map(Option::as_mut).collect();
        op.backward(&call, &mut places).unwrap();
        for (place, sink) in sinks.iter().enumerate() {
            let (Some(tensor), Some(sink)) = (wanted(place), sink) else { continue };
            for index in 0..tensor.len() {
                let difference = self.difference(op.as_ref(), place, index);
                let found = f64::from(sink.data()[index] - 0.5);
                let near = (found - difference).abs() <= 2e-2 * found.abs().max(difference.abs()).max(0.2);
                prop_assert!(near, "by input {place}[{index}]: {found}, by differences {difference}");
            }
        }
        Ok(())
    }

    fn difference(&self, op: &dyn Op, place: usize, index: usize) -> f64 {
        // small beside the distance to the next kink, large beside what float32 rounds
        let step = 3e-3f32;
        let loss = |by: f32| {
            let mut inputs = self.inputs.clone();
            if let Some(Value::F32(tensor)) = &mut inputs[place] {
                tensor.data_mut()[index] += by;
            }
            let inputs: Vec<Option<ValueRef<'_>>> =
                inputs.iter().map(|input| input.as_ref().map(Value::borrowed)).collect();
            Self::loss(&op.forward(&inputs).unwrap().0)
        };
        (loss(step) - loss(-step)) / (2.0 * f64::from(step))
    }
}

/// Sides of at most `rank` axes.
pub(crate) fn sides(rank: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1usize..5, rank)
}
