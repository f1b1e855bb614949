//! Operators whose outputs are elements of their first input, each found by its index.

use super::attributes::{any_at, around, axes, axis, f32_at, gradient, i64_at, optional_i64};
use super::view::strides;
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, IntTensor, Tensor, Value, ValueRef};

/// The index of what is no element of the input.
const OUTSIDE: u32 = u32::MAX;

/// How a tensor goes on beyond its edges.
#[derive(Debug, Clone, Copy)]
enum Beyond {
    Constant(f32),
    Reflect,
    Edge,
}

#[derive(Debug)]
enum Pick {
    Gather {
        axis: i64,
    },
    GatherElements {
        axis: i64,
    },
    GatherNd {
        batch: usize,
    },
    /// Pads of the attribute, before opset 11.
    Pad {
        beyond: Beyond,
        pads: Option<Vec<i64>>,
    },
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Result<Box<dyn Op>, String>> {
    let axis = context.int("axis", 0);
    let pick = match context.node.op_type() {
        "Gather" => Pick::Gather { axis },
        "GatherElements" => Pick::GatherElements { axis },
        "GatherND" => Pick::GatherNd { batch: usize::try_from(context.int("batch_dims", 0)).unwrap_or(0) },
        "Pad" => {
            let beyond = match context.text("mode", "constant") {
                "constant" => Beyond::Constant(context.float("value", 0.0)),
                "reflect" => Beyond::Reflect,
                "edge" => Beyond::Edge,
                other => return Some(Err(format!("expected mode constant, reflect or edge, found {other}"))),
            };
            Pick::Pad { beyond, pads: context.ints("pads").map(<[i64]>::to_vec) }
        }
        _ => return None,
    };
    Some(Ok(Box::new(pick)))
}

/// The place that a number means: negative ones count from behind.
pub(super) fn position(number: i64, side: usize) -> Result<usize, OpError> {
    let counted = if number < 0 { number + side as i64 } else { number };
    usize::try_from(counted)
        .ok()
        .filter(|place| *place < side)
        .ok_or_else(|| OpError::new(format!("expected an index below {side}, found {number}")))
}

impl Pick {
    /// Sides of the output, and for each element of it the index of the input's.
    fn indices(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<(Dims, Vec<u32>), OpError> {
        match self {
            Self::Gather { axis } => gather(dims, i64_at(inputs, 1)?, *axis),
            Self::GatherElements { axis } => gather_elements(dims, i64_at(inputs, 1)?, *axis),
            Self::GatherNd { batch } => gather_nd(dims, i64_at(inputs, 1)?, *batch),
            Self::Pad { beyond, pads } => {
                let given = match pads {
                    Some(pads) => pads.as_slice(),
                    None => &i64_at(inputs, 1)?.data,
                };
                let all: Vec<i64> = (0..dims.len() as i64).collect();
                pad(dims, given, optional_i64(inputs, 3)?.unwrap_or(&all), *beyond)
            }
        }
    }

    /// What stands where there is no element of the input.
    fn fill(&self, inputs: &Inputs<'_>) -> Result<f32, OpError> {
        let Self::Pad { beyond: Beyond::Constant(value), .. } = self else { return Ok(0.0) };
        match inputs.get(2).copied().flatten() {
            Some(ValueRef::F32(given)) => Ok(given.data().first().copied().unwrap_or(*value)),
            Some(ValueRef::I64(_)) => {
                Ok(i64_at(inputs, 2)?.data.first().map_or(*value, |given| *given as f32))
            }
            None => Ok(*value),
        }
    }
}

fn gather(dims: &[usize], indices: &IntTensor, number: i64) -> Result<(Dims, Vec<u32>), OpError> {
    let axis = axis(number, dims.len())?;
    let (outer, side, inner) = around(dims, axis);
    let places: Vec<usize> =
        indices.data.iter().map(|index| position(*index, side)).collect::<Result<_, _>>()?;
    let mut output = Dims::from_slice(&dims[..axis]);
    output.extend_from_slice(&indices.dims);
    output.extend_from_slice(&dims[axis + 1..]);
    let mut picked = Vec::with_capacity(outer * places.len() * inner);
    for block in 0..outer {
        for place in &places {
            let start = ((block * side + place) * inner) as u32;
            picked.extend(start..start + inner as u32);
        }
    }
    Ok((output, picked))
}

fn gather_elements(dims: &[usize], indices: &IntTensor, number: i64) -> Result<(Dims, Vec<u32>), OpError> {
    let axis = axis(number, dims.len())?;
    let fits = indices.dims.len() == dims.len()
        && indices.dims.iter().zip(dims).enumerate().all(|(at, (a, b))| at == axis || a <= b);
    if !fits {
        return Err(OpError::new(format!("expected indices for {dims:?}, found {:?}", indices.dims)));
    }
    let steps = strides(dims);
    let own = strides(&indices.dims);
    let mut picked = Vec::with_capacity(indices.data.len());
    for (number, index) in indices.data.iter().enumerate() {
        let mut place = position(*index, dims[axis])? * steps[axis] as usize;
        for (at, side) in indices.dims.iter().enumerate().filter(|(at, _)| *at != axis) {
            place += number / own[at] as usize % side * steps[at] as usize;
        }
        picked.push(place as u32);
    }
    Ok((indices.dims.clone(), picked))
}

/// Starts of the slices that rows of indices mean, and the sides of a slice. The first `batch` axes are common to both.
pub(super) fn slices(
    dims: &[usize],
    indices: &IntTensor,
    batch: usize,
) -> Result<(Vec<usize>, Dims), OpError> {
    let wrong = || OpError::new(format!("expected indices for {dims:?}, found {:?}", indices.dims));
    let (depth, rows) = indices.dims.split_last().ok_or_else(wrong)?;
    let fits = *depth > 0 && batch + depth <= dims.len() && dims.get(..batch) == rows.get(..batch);
    if !fits {
        return Err(wrong());
    }
    let steps = strides(dims);
    let per_batch: usize = rows[batch..].iter().product();
    let block: usize = dims[batch..].iter().product();
    let mut starts = Vec::with_capacity(rows.iter().product());
    for (number, row) in indices.data.chunks_exact(*depth).enumerate() {
        let mut start = number / per_batch.max(1) * block;
        for ((index, side), step) in row.iter().zip(&dims[batch..]).zip(&steps[batch..]) {
            start += position(*index, *side)? * *step as usize;
        }
        starts.push(start);
    }
    Ok((starts, Dims::from_slice(&dims[batch + depth..])))
}

fn gather_nd(dims: &[usize], indices: &IntTensor, batch: usize) -> Result<(Dims, Vec<u32>), OpError> {
    let (starts, slice) = slices(dims, indices, batch)?;
    let length: usize = slice.iter().product();
    let picked = starts.iter().flat_map(|start| *start as u32..(start + length) as u32).collect();
    let mut output = Dims::from_slice(&indices.dims[..indices.dims.len() - 1]);
    output.extend_from_slice(&slice);
    Ok((output, picked))
}

/// Where in a side the place `at` is, counted from its beginning; `None` outside.
fn inside(at: i64, side: usize, beyond: Beyond) -> Option<usize> {
    let last = side as i64 - 1;
    let at = match beyond {
        Beyond::Constant(_) => at,
        Beyond::Edge => at.clamp(0, last.max(0)),
        // mirrored at the middle of the outermost element
        Beyond::Reflect if last > 0 => {
            let turned = at.rem_euclid(2 * last);
            turned.min(2 * last - turned)
        }
        Beyond::Reflect => 0,
    };
    usize::try_from(at).ok().filter(|at| *at < side)
}

fn pad(dims: &[usize], pads: &[i64], numbers: &[i64], beyond: Beyond) -> Result<(Dims, Vec<u32>), OpError> {
    if pads.len() != 2 * numbers.len() {
        return Err(OpError::new(format!("expected {} pads, found {}", 2 * numbers.len(), pads.len())));
    }
    axes(numbers, dims.len())?;
    let mut tables: Vec<Vec<Option<usize>>> =
        dims.iter().map(|side| (0..*side).map(Some).collect()).collect();
    let (before, behind) = pads.split_at(numbers.len());
    for ((number, before), behind) in numbers.iter().zip(before).zip(behind) {
        let axis = axis(*number, dims.len())?;
        let end = dims[axis] as i64 + behind;
        tables[axis] = (-before..end).map(|at| inside(at, dims[axis], beyond)).collect();
    }
    let mut picked = vec![Some(0usize)];
    for (table, step) in tables.iter().zip(strides(dims)) {
        let place = |start: Option<usize>, at: Option<usize>| Some(start? + at? * step as usize);
        picked = picked.iter().flat_map(|start| table.iter().map(move |at| place(*start, *at))).collect();
    }
    let output = tables.iter().map(Vec::len).collect();
    Ok((output, picked.iter().map(|place| place.map_or(OUTSIDE, |place| place as u32)).collect()))
}

fn picked<T: Copy>(from: &[T], indices: &[u32], fill: T) -> Vec<T> {
    indices.iter().map(|index| from.get(*index as usize).copied().unwrap_or(fill)).collect()
}

impl Op for Pick {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = any_at(inputs, 0)?;
        let (dims, indices) = self.indices(input.dims(), inputs)?;
        let fill = self.fill(inputs)?;
        let made = match input {
            ValueRef::F32(input) => {
                let mut made = Tensor::scratch(&dims);
                for (output, index) in made.data_mut().iter_mut().zip(&indices) {
                    *output = input.data().get(*index as usize).copied().unwrap_or(fill);
                }
                Value::F32(made)
            }
            ValueRef::I64(input) => {
                let data = picked(&input.data, &indices, fill as i64);
                Value::I64(IntTensor { dims, data })
            }
        };
        Ok((vec![made], Saved::Indices(indices)))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), Saved::Indices(indices)) = (gradient(call), call.saved) else { return Ok(()) };
        if let Some(Some(sink)) = sinks.first_mut() {
            add_picked(gradient.data(), indices, sink.data_mut());
        }
        if let (Self::Pad { .. }, Some(Some(sink))) = (self, sinks.get_mut(2)) {
            // the number that is padded with
            let outside = gradient.data().iter().zip(indices).filter(|(_, index)| **index == OUTSIDE);
            let sum: f32 = outside.map(|(gradient, _)| gradient).sum();
            sink.data_mut().iter_mut().take(1).for_each(|sink| *sink += sum);
        }
        Ok(())
    }
}

/// Adds gradients of elements to those of what they were picked from.
pub(super) fn add_picked(gradient: &[f32], indices: &[u32], sink: &mut [f32]) {
    for (gradient, index) in gradient.iter().zip(indices) {
        if let Some(sink) = sink.get_mut(*index as usize) {
            *sink += gradient;
        }
    }
}

/// A copy of the first input with slices written over.
#[derive(Debug)]
struct ScatterNd;

/// The operator of a `ScatterND` node.
pub(super) fn scatter_nd(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    match context.text("reduction", "none") {
        "none" => Ok(Box::new(ScatterNd)),
        other => Err(format!("expected reduction none, found {other}")),
    }
}

impl Op for ScatterNd {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let (data, indices, updates) = (f32_at(inputs, 0)?, i64_at(inputs, 1)?, f32_at(inputs, 2)?);
        let (starts, slice) = slices(data.dims(), indices, 0)?;
        let length: usize = slice.iter().product();
        if updates.len() != starts.len() * length {
            return Err(OpError::new(format!(
                "expected {} slices of {slice:?} as updates, found {:?}",
                starts.len(),
                updates.dims()
            )));
        }
        let mut made = data.clone();
        for (start, update) in starts.iter().zip(updates.data().chunks_exact(length.max(1))) {
            made.data_mut()[*start..start + length].copy_from_slice(update);
        }
        let starts = starts.iter().map(|start| *start as u32).collect();
        Ok((vec![made.into()], Saved::Indices(starts)))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), Saved::Indices(starts)) = (gradient(call), call.saved) else { return Ok(()) };
        let length = f32_at(call.inputs, 2)?.len() / starts.len().max(1);
        let slice = |start: u32| start as usize..start as usize + length;
        if let Some(Some(sink)) = sinks.first_mut() {
            let mut kept = gradient.clone();
            for start in starts {
                kept.data_mut()[slice(*start)].fill(0.0);
            }
            sink.add(&kept);
        }
        if let Some(Some(sink)) = sinks.get_mut(2) {
            for (sink, start) in sink.data_mut().chunks_exact_mut(length.max(1)).zip(starts) {
                for (sink, gradient) in sink.iter_mut().zip(&gradient.data()[slice(*start)]) {
                    *sink += gradient;
                }
            }
        }
        Ok(())
    }
}
