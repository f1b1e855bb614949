//! Pooling: the greatest or the mean of each window, or of all of an image.

mod along;

use along::{Along, Windows};

use super::attributes::{f32_at, gradient};
use super::pick::add_picked;
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, Tensor, Value};

#[derive(Debug)]
struct MaxPool {
    windows: Windows,
}

#[derive(Debug)]
struct AveragePool {
    windows: Windows,
    /// Whether the border counts.
    border: bool,
}

#[derive(Debug)]
struct GlobalPool {
    greatest: bool,
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Result<Box<dyn Op>, String>> {
    match context.node.op_type() {
        "MaxPool" => Some(
            context
                .at_most_outputs(1)
                .and_then(|()| Windows::of(context))
                .map(|windows| -> Box<dyn Op> { Box::new(MaxPool { windows }) }),
        ),
        "AveragePool" => Some(Windows::of(context).map(|windows| -> Box<dyn Op> {
            Box::new(AveragePool { windows, border: context.int("count_include_pad", 0) != 0 })
        })),
        "GlobalAveragePool" => Some(Ok(Box::new(GlobalPool { greatest: false }))),
        "GlobalMaxPool" => Some(Ok(Box::new(GlobalPool { greatest: true }))),
        _ => None,
    }
}

/// Sides of the output.
fn output_dims(input: &[usize], [rows, columns]: &[Along; 2]) -> Dims {
    let mut dims = Dims::from_slice(input);
    dims[2] = rows.output;
    dims[3] = columns.output;
    dims
}

/// Calls `visit` with each row of windows (its number in the output) and each row of the input under it: the index of its
/// first element, the column of the windows that it is for, the windows that see it there.
fn each_row(
    planes: usize,
    [rows, columns]: &[Along; 2],
    mut visit: impl FnMut(usize, usize, usize, std::ops::Range<usize>),
) {
    for plane in 0..planes {
        for window in 0..rows.output {
            for tap in 0..rows.kernel {
                let Some(row) = rows.place(window, tap) else { continue };
                for column in 0..columns.kernel {
                    let from = (plane * rows.input + row) * columns.input;
                    visit(plane * rows.output + window, from, column, columns.inside(column));
                }
            }
        }
    }
}

/// Puts values, and where they are, in place of those that are less. Without branches: which is greater is chance.
fn improve<'a>(best: &mut [f32], found: &mut [u32], values: impl Iterator<Item = (&'a f32, u32)>) {
    for ((best, found), (value, place)) in best.iter_mut().zip(found).zip(values) {
        let wins = *value > *best;
        *best = if wins { *value } else { *best };
        *found = if wins { place } else { *found };
    }
}

impl Op for MaxPool {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let (planes, along) = self.windows.over(input.dims())?;
        let [rows, columns] = along;
        let mut made = Tensor::scratch(&output_dims(input.dims(), &along));
        made.data_mut().fill(f32::NEG_INFINITY);
        let mut indices = vec![u32::MAX; made.len()];
        // a window's maximum is that of the maxima of its rows
        let width = columns.output;
        let mut row_best = Tensor::scratch(&[rows.input * width]);
        let mut row_found = vec![u32::MAX; rows.input * width];
        for plane in 0..planes {
            row_best.data_mut().fill(f32::NEG_INFINITY);
            for row in 0..rows.input {
                let from = (plane * rows.input + row) * columns.input;
                for tap in 0..columns.kernel {
                    let windows = columns.inside(tap);
                    let Some(place) = columns.place(windows.start, tap).filter(|_| !windows.is_empty())
                    else {
                        continue;
                    };
                    let to = row * width + windows.start..row * width + windows.end;
                    let (best, found) = (&mut row_best.data_mut()[to.clone()], &mut row_found[to]);
                    let first = from + place;
                    let values = &input.data()[first..from + columns.input];
                    if columns.stride == 1 {
                        improve(best, found, values.iter().zip(first as u32..));
                    } else {
                        let places = (first as u32..).step_by(columns.stride);
                        improve(best, found, values.iter().step_by(columns.stride).zip(places));
                    }
                }
            }
            for window in 0..rows.output {
                let to = (plane * rows.output + window) * width..(plane * rows.output + window + 1) * width;
                for row in (0..rows.kernel).filter_map(|tap| rows.place(window, tap)) {
                    let from = row * width..(row + 1) * width;
                    let values = row_best.data()[from.clone()].iter().zip(row_found[from].iter().copied());
                    improve(&mut made.data_mut()[to.clone()], &mut indices[to.clone()], values);
                }
            }
        }
        Ok((vec![made.into()], Saved::Indices(indices)))
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

impl AveragePool {
    /// One over what each window is divided by, for a plane.
    fn shares(&self, [rows, columns]: &[Along; 2]) -> Vec<f32> {
        let mut shares = Vec::with_capacity(rows.output * columns.output);
        for row in 0..rows.output {
            let height = rows.count(row, self.border);
            for column in 0..columns.output {
                shares.push(1.0 / (height * columns.count(column, self.border)).max(1) as f32);
            }
        }
        shares
    }
}

impl Op for AveragePool {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let (planes, along) = self.windows.over(input.dims())?;
        let mut made = Tensor::zeros(&output_dims(input.dims(), &along));
        let columns = along[1];
        let output = made.data_mut();
        each_row(planes, &along, |row, from, column, windows| {
            for window in windows {
                if let Some(place) = columns.place(window, column) {
                    output[row * columns.output + window] += input.data()[from + place];
                }
            }
        });
        let shares = self.shares(&along);
        for plane in output.chunks_exact_mut(shares.len().max(1)) {
            for (output, share) in plane.iter_mut().zip(&shares) {
                *output *= share;
            }
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        let (planes, along) = self.windows.over(sink.dims())?;
        let shares = self.shares(&along);
        let columns = along[1];
        let sink = sink.data_mut();
        each_row(planes, &along, |row, from, column, windows| {
            let start = row * columns.output;
            for window in windows {
                if let Some(place) = columns.place(window, column) {
                    let share = shares[(start + window) % shares.len()];
                    sink[from + place] += gradient.data()[start + window] * share;
                }
            }
        });
        Ok(())
    }
}

impl Op for GlobalPool {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let [images, channels, rest @ ..] = input.dims() else {
            return Err(OpError::new(format!(
                "expected an image of channels, found sides {:?}",
                input.dims()
            )));
        };
        let plane = rest.iter().product::<usize>();
        let mut dims = Dims::from_slice(&[*images, *channels]);
        dims.extend(rest.iter().map(|_| 1));
        let mut made = Tensor::scratch(&dims);
        let mut indices = Vec::new();
        let planes = input.data().chunks_exact(plane.max(1)).enumerate();
        for (output, (number, values)) in made.data_mut().iter_mut().zip(planes) {
            if self.greatest {
                let best = (1..plane).fold(0, |best, at| if values[at] > values[best] { at } else { best });
                *output = values[best];
                indices.push((number * plane + best) as u32);
            } else {
                *output = super::reduce::mean(values);
            }
        }
        Ok((vec![made.into()], Saved::Indices(indices)))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        if let (true, Saved::Indices(indices)) = (self.greatest, call.saved) {
            add_picked(gradient.data(), indices, sink.data_mut());
            return Ok(());
        }
        let plane = (sink.len() / gradient.len().max(1)).max(1);
        for (sink, gradient) in sink.data_mut().chunks_exact_mut(plane).zip(gradient.data()) {
            let share = gradient / plane as f32;
            for sink in sink {
                *sink += share;
            }
        }
        Ok(())
    }
}
