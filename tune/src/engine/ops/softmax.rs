//! Softmax and its logarithm.

use super::attributes::{axis, f32_at, gradient};
use super::broadcast::sum;
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Tensor, Value};

#[derive(Debug)]
struct Softmax {
    logarithm: bool,
    axis: i64,
    /// Before opset 13 all axes from this one on are one.
    flatten: bool,
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Box<dyn Op>> {
    let logarithm = match context.node.op_type() {
        "Softmax" => false,
        "LogSoftmax" => true,
        _ => return None,
    };
    let flatten = context.opset < 13;
    let axis = context.int("axis", if flatten { 1 } else { -1 });
    Some(Box::new(Softmax { logarithm, axis, flatten }))
}

impl Softmax {
    /// Elements before the axis, along it, and behind it.
    fn around(&self, dims: &[usize]) -> Result<(usize, usize, usize), OpError> {
        if self.flatten && self.axis == dims.len() as i64 {
            return Ok((dims.iter().product(), 1, 1));
        }
        let axis = axis(self.axis, dims.len())?;
        let outer = dims[..axis].iter().product();
        Ok(if self.flatten {
            (outer, dims[axis..].iter().product(), 1)
        } else {
            (outer, dims[axis], dims[axis + 1..].iter().product())
        })
    }

    /// Of elements that lie side by side.
    fn row(&self, input: &[f32], output: &mut [f32]) {
        let greatest = input.iter().fold(f32::NEG_INFINITY, |greatest, value| greatest.max(*value));
        for (output, value) in output.iter_mut().zip(input) {
            *output = (value - greatest).exp();
        }
        let total = sum(output.len(), |index| output[index]);
        if self.logarithm {
            let level = greatest + total.ln();
            for (output, value) in output.iter_mut().zip(input) {
                *output = value - level;
            }
        } else {
            for output in output {
                *output /= total;
            }
        }
    }

    /// Adds the gradient by such elements: with s the softmax s (g - sum of s g), and of the logarithm g - s sum of g.
    fn row_back(&self, output: &[f32], gradient: &[f32], sink: &mut [f32]) {
        let count = output.len();
        let pairs = output.iter().zip(gradient);
        if self.logarithm {
            let total = sum(count, |index| gradient[index]);
            for (sink, (output, gradient)) in sink.iter_mut().zip(pairs) {
                *sink += gradient - output.exp() * total;
            }
        } else {
            let total = sum(count, |index| output[index] * gradient[index]);
            for (sink, (output, gradient)) in sink.iter_mut().zip(pairs) {
                *sink += output * (gradient - total);
            }
        }
    }
}

/// Adds up `side` rows of `inner` elements, by element; `combine` gets what is there so far and the next.
fn fold(block: &[f32], inner: usize, start: f32, combine: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    let mut folded = vec![start; inner];
    for row in block.chunks_exact(inner) {
        for (folded, value) in folded.iter_mut().zip(row) {
            *folded = combine(*folded, *value);
        }
    }
    folded
}

impl Op for Softmax {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let (_, side, inner) = self.around(input.dims())?;
        let mut made = Tensor::scratch(input.dims());
        let length = (side * inner).max(1);
        let blocks = made.data_mut().chunks_exact_mut(length).zip(input.data().chunks_exact(length));
        for (output, block) in blocks {
            if inner == 1 {
                self.row(block, output);
                continue;
            }
            let greatest = fold(block, inner, f32::NEG_INFINITY, f32::max);
            for (output, row) in output.chunks_exact_mut(inner).zip(block.chunks_exact(inner)) {
                for ((output, value), greatest) in output.iter_mut().zip(row).zip(&greatest) {
                    *output = (value - greatest).exp();
                }
            }
            let sums = fold(output, inner, 0.0, |sum, value| sum + value);
            for (output, row) in output.chunks_exact_mut(inner).zip(block.chunks_exact(inner)) {
                for (index, output) in output.iter_mut().enumerate() {
                    *output = if self.logarithm {
                        row[index] - greatest[index] - sums[index].ln()
                    } else {
                        *output / sums[index]
                    };
                }
            }
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        let output = f32_at(call.outputs, 0)?;
        let (_, side, inner) = self.around(output.dims())?;
        let length = (side * inner).max(1);
        let blocks = output.data().chunks_exact(length).zip(gradient.data().chunks_exact(length));
        for (sink, (output, gradient)) in sink.data_mut().chunks_exact_mut(length).zip(blocks) {
            if inner == 1 {
                self.row_back(output, gradient, sink);
                continue;
            }
            let mut sums = vec![0.0f32; inner];
            for (output, gradient) in output.chunks_exact(inner).zip(gradient.chunks_exact(inner)) {
                for ((sum, output), gradient) in sums.iter_mut().zip(output).zip(gradient) {
                    *sum += if self.logarithm { *gradient } else { output * gradient };
                }
            }
            let rows = output.chunks_exact(inner).zip(gradient.chunks_exact(inner));
            for (sink, (output, gradient)) in sink.chunks_exact_mut(inner).zip(rows) {
                for (index, sink) in sink.iter_mut().enumerate() {
                    *sink += if self.logarithm {
                        gradient[index] - output[index].exp() * sums[index]
                    } else {
                        output[index] * (gradient[index] - sums[index])
                    };
                }
            }
        }
        Ok(())
    }
}
