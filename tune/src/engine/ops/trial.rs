//! Operators on their own, for their tests.

use roadproof::compress::graph::proto::{AttributeProto, NodeProto};

use super::Context;
use crate::engine::{Call, Op, OpError};
use crate::tensor::{Tensor, Value, ValueRef};

/// A node of this kind.
pub(crate) fn node(op_type: &str) -> NodeProto {
    NodeProto::new(op_type, "node", &[], &["y"])
}

/// The node with a list of integers.
pub(crate) fn with_ints(mut node: NodeProto, name: &str, values: &[usize]) -> NodeProto {
    node.attribute.push(AttributeProto {
        name: Some(name.to_owned()),
        ints: values.iter().map(|value| *value as i64).collect(),
        ..AttributeProto::default()
    });
    node
}

/// The operator of a node, none of whose inputs are constants.
pub(crate) fn build(node: &NodeProto) -> Result<Box<dyn Op>, String> {
    super::build(&Context { node, opset: 17, constants: &[] })
}

/// Small whole numbers, whose sums of products are exact.
pub(crate) fn whole(dims: &[usize], seed: usize) -> Tensor {
    Tensor::from_fn(dims, |index| ((index * 31 + seed * 17 + index * index % 7) % 9) as f32 - 4.0)
}

fn refs<'a>(inputs: &[&'a Tensor]) -> Vec<Option<ValueRef<'a>>> {
    inputs.iter().map(|tensor| Some(ValueRef::F32(tensor))).collect()
}

/// The one output.
pub(crate) fn forward(op: &dyn Op, inputs: &[&Tensor]) -> Result<Tensor, OpError> {
    let (mut outputs, _) = op.forward(&refs(inputs))?;
    match outputs.pop() {
        Some(Value::F32(tensor)) => Ok(tensor),
        other => panic!("expected a tensor of numbers, found {other:?}"),
    }
}

/// The gradients by the inputs; checks that they are added to what is there.
pub(crate) fn backward(op: &dyn Op, inputs: &[&Tensor], gradient: &Tensor) -> Vec<Tensor> {
    let mut sinks: Vec<Tensor> =
        inputs.iter().map(|tensor| Tensor::from_fn(tensor.dims(), |_| 1.0)).collect();
    let (outputs, saved) = op.forward(&refs(inputs)).unwrap();
    let outputs: Vec<_> = outputs.iter().map(|value| Some(value.borrowed())).collect();
    let call = Call { inputs: &refs(inputs), outputs: &outputs, saved: &saved, gradients: &[Some(gradient)] };
    op.backward(&call, &mut sinks.iter_mut().map(Some).collect::<Vec<_>>()).unwrap();
    for value in sinks.iter_mut().flat_map(Tensor::data_mut) {
        *value -= 1.0;
    }
    sinks
}

/// Compares the gradients by all inputs with differences. For an output that is linear in each input on its own, a step of
/// 1 is as good as a small one, and with [`whole`] numbers there is no rounding.
pub(crate) fn assert_gradients_are_differences(op: &dyn Op, inputs: &[&Tensor]) {
    let gradient = whole(forward(op, inputs).unwrap().dims(), 5);
    let loss = |inputs: &[&Tensor]| -> f32 {
        let output = forward(op, inputs).unwrap();
        output.data().iter().zip(gradient.data()).map(|(value, factor)| value * factor).sum()
    };
    let found = backward(op, inputs, &gradient);
    for (place, by_input) in found.iter().enumerate() {
        for index in 0..by_input.len() {
            let moved = |step: f32| {
                let mut input = inputs[place].clone();
                input.data_mut()[index] += step;
                let mut inputs = inputs.to_vec();
                inputs[place] = &input;
                loss(&inputs)
            };
            let difference = (moved(1.0) - moved(-1.0)) / 2.0;
            assert_eq!(by_input.data()[index], difference, "input {place}, element {index}");
        }
    }
}
