//! Sums, means and extremes along axes.

use super::attributes::{around, axes, axis, f32_at, gradient, optional_i64};
use super::broadcast::{Rows, add_row, sum};
use super::pick::add_picked;
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, IntTensor, Tensor, Value};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Mean,
    Sum,
    Max,
    Min,
    /// The Euclidean length.
    L2,
}

#[derive(Debug)]
struct Reduce {
    kind: Kind,
    /// Axes of the attribute, before opset 18 (of sums: 13).
    axes: Option<Vec<i64>>,
    keep: bool,
    /// Whether no axes mean none instead of all.
    none: bool,
}

/// The index of the greatest or least along an axis.
#[derive(Debug)]
struct ArgExtreme {
    axis: i64,
    keep: bool,
    last: bool,
    greatest: bool,
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Box<dyn Op>> {
    let keep = context.int("keepdims", 1) != 0;
    let kind = match context.node.op_type() {
        "ReduceMean" => Kind::Mean,
        "ReduceSum" => Kind::Sum,
        "ReduceMax" => Kind::Max,
        "ReduceMin" => Kind::Min,
        "ReduceL2" => Kind::L2,
        "ArgMax" | "ArgMin" => {
            let last = context.int("select_last_index", 0) != 0;
            let greatest = context.node.op_type() == "ArgMax";
            return Some(Box::new(ArgExtreme { axis: context.int("axis", 0), keep, last, greatest }));
        }
        _ => return None,
    };
    let axes = context.ints("axes").map(<[i64]>::to_vec);
    Some(Box::new(Reduce { kind, axes, keep, none: context.int("noop_with_empty_axes", 0) != 0 }))
}

impl Reduce {
    /// Sides of the output with reduced axes kept as 1, and without.
    fn dims(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<(Dims, Dims), OpError> {
        let given = self.axes.as_deref().map_or_else(|| optional_i64(inputs, 1), |axes| Ok(Some(axes)))?;
        let reduced = match given.unwrap_or_default() {
            [] => vec![!self.none; dims.len()],
            numbers => axes(numbers, dims.len())?,
        };
        let sides = dims.iter().zip(&reduced);
        let kept = sides.clone().map(|(side, reduced)| if *reduced { 1 } else { *side }).collect();
        let left = sides.filter(|(_, reduced)| !**reduced).map(|(side, _)| *side).collect();
        Ok((kept, left))
    }

    /// The extremes, and where they are.
    fn extremes(&self, input: &[f32], rows: &Rows<1>, output: &mut [f32]) -> Vec<u32> {
        let sign = if self.kind == Kind::Max { 1.0 } else { -1.0 };
        output.fill(f32::NEG_INFINITY);
        let mut indices = vec![0u32; output.len()];
        let step = rows.steps[0];
        rows.for_each(|start, [at]| {
            for (index, value) in input[start..start + rows.length].iter().enumerate() {
                let place = at + index * step;
                if value * sign > output[place] {
                    output[place] = value * sign;
                    indices[place] = (start + index) as u32;
                }
            }
        });
        for value in output {
            *value *= sign;
        }
        indices
    }
}

impl Op for Reduce {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let (kept, left) = self.dims(input.dims(), inputs)?;
        let rows = Rows::new(input.dims(), [&kept]);
        let mut made = Tensor::zeros(if self.keep { &kept } else { &left });
        let (data, output) = (input.data(), made.data_mut());
        let mut saved = Saved::Nothing;
        let mut add = |term: &dyn Fn(f32) -> f32| {
            rows.for_each(|start, [at]| {
                let row = &data[start..start + rows.length];
                add_row(rows.cut_mut(0, output, at), rows.length, rows.steps[0], |index| term(row[index]));
            });
        };
        match self.kind {
            Kind::Sum | Kind::Mean => add(&|value| value),
            Kind::L2 => add(&|value| value * value),
            Kind::Max | Kind::Min => saved = Saved::Indices(self.extremes(data, &rows, output)),
        }
        match self.kind {
            Kind::Mean => {
                let share = made.len() as f32 / data.len().max(1) as f32;
                made.data_mut().iter_mut().for_each(|value| *value *= share);
            }
            Kind::L2 => made.data_mut().iter_mut().for_each(|value| *value = value.sqrt()),
            _ => {}
        }
        Ok((vec![made.into()], saved))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        if let Saved::Indices(indices) = call.saved {
            add_picked(gradient.data(), indices, sink.data_mut());
            return Ok(());
        }
        let (input, output) = (f32_at(call.inputs, 0)?, f32_at(call.outputs, 0)?);
        let (kept, _) = self.dims(input.dims(), call.inputs)?;
        let rows = Rows::new(input.dims(), [&kept]);
        let share =
            if self.kind == Kind::Mean { gradient.len() as f32 / input.len().max(1) as f32 } else { 1.0 };
        let step = rows.steps[0];
        rows.for_each(|start, [at]| {
            let (lengths, gradient) = (rows.cut(0, output.data(), at), rows.cut(0, gradient.data(), at));
            let sink = &mut sink.data_mut()[start..start + rows.length];
            for (index, (sink, value)) in sink.iter_mut().zip(&input.data()[start..]).enumerate() {
                let place = index * step;
                *sink += match self.kind {
                    // the length of nothing has no direction
                    Kind::L2 if lengths[place] == 0.0 => 0.0,
                    Kind::L2 => gradient[place] * value / lengths[place],
                    _ => gradient[place] * share,
                };
            }
        });
        Ok(())
    }
}

impl Op for ArgExtreme {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let axis = axis(self.axis, input.dims().len())?;
        let (outer, side, inner) = around(input.dims(), axis);
        let mut dims = Dims::from_slice(input.dims());
        if self.keep {
            dims[axis] = 1;
        } else {
            dims.remove(axis);
        }
        let mut data = Vec::with_capacity(outer * inner);
        for place in 0..outer * inner {
            let start = place / inner * side * inner + place % inner;
            let at = |index: usize| input.data()[start + index * inner];
            let better = |one: f32, other: f32| if self.greatest { one > other } else { one < other };
            let best = (1..side).fold(0, |best, index| {
                // as large as the best and behind it, or larger
                let wins = if self.last { !better(at(best), at(index)) } else { better(at(index), at(best)) };
                if wins { index } else { best }
            });
            data.push(best as i64);
        }
        Ok((vec![Value::I64(IntTensor { dims, data })], Saved::Nothing))
    }

    fn backward(&self, _: &Call<'_>, _: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        Ok(())
    }

    fn trains(&self) -> bool {
        false
    }
}

/// The mean of a row.
pub(super) fn mean(row: &[f32]) -> f32 {
    sum(row.len(), |index| row[index]) / row.len().max(1) as f32
}
