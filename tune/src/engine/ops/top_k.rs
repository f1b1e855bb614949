//! The largest or smallest elements along an axis.

use super::attributes::{around, axis, f32_at, gradient, i64_at};
use super::pick::add_picked;
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, IntTensor, Tensor, Value};

/// Of equal elements the one with the lower index comes first, as in ONNX Runtime.
#[derive(Debug)]
struct TopK {
    axis: i64,
    largest: bool,
    /// The count of the attribute, before opset 10.
    count: Option<i64>,
}

/// The operator of a `TopK` node.
pub(super) fn build(context: &Context<'_>) -> Box<dyn Op> {
    Box::new(TopK {
        axis: context.int("axis", -1),
        largest: context.int("largest", 1) != 0,
        count: context.node.attribute("k").and_then(|attribute| attribute.i),
    })
}

impl Op for TopK {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let axis = axis(self.axis, input.dims().len())?;
        let (outer, side, inner) = around(input.dims(), axis);
        let wanted = match self.count {
            Some(count) => count,
            None => i64_at(inputs, 1)?.data.first().copied().unwrap_or(-1),
        };
        let count = usize::try_from(wanted).ok().filter(|count| *count <= side);
        let count =
            count.ok_or_else(|| OpError::new(format!("expected at most {side} elements, found {wanted}")))?;
        let mut dims = Dims::from_slice(input.dims());
        dims[axis] = count;
        let mut made = Tensor::scratch(&dims);
        let mut places = vec![0; made.len()];
        let mut indices = vec![0u32; made.len()];
        let mut order: Vec<usize> = Vec::with_capacity(side);
        for line in 0..outer * inner {
            let (block, column) = (line / inner, line % inner);
            let from = |index: usize| (block * side + index) * inner + column;
            let value = |index: usize| input.data()[from(index)];
            order.clear();
            order.extend(0..side);
            order.sort_by(|one, other| {
                // zeros of both signs are equal
                let rising = (value(*one) + 0.0).total_cmp(&(value(*other) + 0.0));
                if self.largest { rising.reverse() } else { rising }
            });
            for (rank, index) in order[..count].iter().enumerate() {
                let to = (block * count + rank) * inner + column;
                made.data_mut()[to] = value(*index);
                places[to] = *index as i64;
                indices[to] = from(*index) as u32;
            }
        }
        let places = Value::I64(IntTensor { dims, data: places });
        Ok((vec![made.into(), places], Saved::Indices(indices)))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        if let (Some(gradient), Saved::Indices(indices), [Some(sink), ..]) =
            (gradient(call), call.saved, sinks)
        {
            add_picked(gradient.data(), indices, sink.data_mut());
        }
        Ok(())
    }
}
