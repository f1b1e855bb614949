//! Several tensors as one, and one as several.

use super::attributes::{any_at, axis, gradient, optional_i64, size};
use super::layout::read;
use super::view::View;
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, IntTensor, Tensor, Value, ValueRef};

#[derive(Debug)]
struct Concat {
    axis: i64,
}

#[derive(Debug)]
struct Split {
    axis: i64,
    outputs: usize,
    /// Sides of the attribute, before opset 13.
    sides: Option<Vec<i64>>,
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Box<dyn Op>> {
    match context.node.op_type() {
        "Concat" => Some(Box::new(Concat { axis: context.int("axis", 1) })),
        "Split" => Some(Box::new(Split {
            axis: context.int("axis", 0),
            outputs: context.node.output.len(),
            sides: context.ints("split").map(<[i64]>::to_vec),
        })),
        _ => None,
    }
}

/// Writes each of several tensors to its part of one.
fn write<T: Copy>(dims: &[usize], axis: usize, parts: &[(&[T], usize)], to: &mut [T]) {
    let mut start = 0;
    for (data, side) in parts {
        View::part(dims, axis, start, *side).write(data, to);
        start += side;
    }
}

impl Op for Concat {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let mut dims = Dims::from_slice(any_at(inputs, 0)?.dims());
        let axis = axis(self.axis, dims.len())?;
        dims[axis] = 0;
        let (mut numbers, mut integers) = (Vec::new(), Vec::new());
        for place in 0..inputs.len() {
            let input = any_at(inputs, place)?;
            let sides = input.dims();
            let fits = sides.len() == dims.len()
                && sides.iter().zip(&dims).enumerate().all(|(at, (a, b))| at == axis || a == b);
            if !fits {
                return Err(OpError::new(format!(
                    "expected inputs that differ on axis {axis} alone, found {sides:?} as input {place}"
                )));
            }
            dims[axis] += sides[axis];
            match input {
                ValueRef::F32(tensor) => numbers.push((tensor.data(), sides[axis])),
                ValueRef::I64(tensor) => integers.push((tensor.data.as_slice(), sides[axis])),
            }
        }
        let made = match (numbers.is_empty(), integers.is_empty()) {
            (false, true) => {
                let mut made = Tensor::scratch(&dims);
                write(&dims, axis, &numbers, made.data_mut());
                Value::F32(made)
            }
            (true, _) => {
                let mut data = vec![0; dims.iter().product()];
                write(&dims, axis, &integers, &mut data);
                Value::I64(IntTensor { dims, data })
            }
            _ => return Err(OpError::new("expected inputs of one type, found integers and float32")),
        };
        Ok((vec![made], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(gradient) = gradient(call) else { return Ok(()) };
        let axis = axis(self.axis, gradient.dims().len())?;
        let mut start = 0;
        for (place, sink) in sinks.iter_mut().enumerate() {
            let side = any_at(call.inputs, place)?.dims()[axis];
            if let Some(sink) = sink {
                let view = View::part(gradient.dims(), axis, start, side);
                view.add_read(gradient.data(), sink.data_mut());
            }
            start += side;
        }
        Ok(())
    }
}

impl Split {
    /// The axis, and the sides of the outputs on it.
    fn parts(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<(usize, Vec<usize>), OpError> {
        let axis = axis(self.axis, dims.len())?;
        let given = self.sides.as_deref().map_or_else(|| optional_i64(inputs, 1), |sides| Ok(Some(sides)))?;
        let parts: Vec<usize> = if let Some(given) = given {
            given.iter().map(|side| size(*side, "sides")).collect::<Result<_, _>>()?
        } else {
            let side = dims[axis].div_ceil(self.outputs.max(1));
            let starts = (0..self.outputs).map(|number| (number * side).min(dims[axis]));
            starts.map(|start| side.min(dims[axis] - start)).collect()
        };
        if parts.len() != self.outputs || parts.iter().sum::<usize>() != dims[axis] {
            return Err(OpError::new(format!(
                "expected {} sides that add up to {}, found {parts:?}",
                self.outputs, dims[axis]
            )));
        }
        Ok((axis, parts))
    }
}

impl Op for Split {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = any_at(inputs, 0)?;
        let (axis, parts) = self.parts(input.dims(), inputs)?;
        let mut made = Vec::with_capacity(parts.len());
        let mut start = 0;
        for side in parts {
            let mut dims = Dims::from_slice(input.dims());
            dims[axis] = side;
            made.push(read(input, &dims, &View::part(input.dims(), axis, start, side)));
            start += side;
        }
        Ok((made, Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let [Some(sink), ..] = sinks else { return Ok(()) };
        let (axis, parts) = self.parts(sink.dims(), call.inputs)?;
        let mut start = 0;
        for (side, gradient) in parts.iter().zip(call.gradients) {
            if let Some(gradient) = gradient {
                let view = View::part(sink.dims(), axis, start, *side);
                view.add_write(gradient.data(), sink.data_mut());
            }
            start += side;
        }
        Ok(())
    }
}
