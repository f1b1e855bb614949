//! The three sums of a convolution, forward and backward.

use std::ops::Range;

use super::plan::{Layout, Plan};
use crate::engine::kernels::{Panels, correlate, dots};
use crate::tensor::Tensor;

/// Numbers of the image and of the output that are in use at a time: they stay in the second-level cache.
const BLOCK: usize = 1 << 17;

/// A block's columns are a multiple of this, or all.
const STEP: usize = 48;

/// Ranges of `columns`, each as wide as lets `rows` numbers of each column fit into [`BLOCK`].
fn blocks(columns: Range<usize>, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let width = (BLOCK / rows / STEP).clamp(1, 40) * STEP;
    let mut start = columns.start;
    std::iter::from_fn(move || {
        if start >= columns.end {
            return None;
        }
        let end = if columns.end - start < width + STEP { columns.end } else { start + width };
        let block = start..end;
        start = end;
        Some(block)
    })
}

/// Parts of `block`, a range of flat positions, that lie in columns `inside` of rows of `pitch`: for each the row, its
/// columns, and where in the block it begins.
fn segments(
    block: Range<usize>,
    pitch: usize,
    inside: Range<usize>,
) -> impl Iterator<Item = (usize, Range<usize>, usize)> {
    let rows = block.start / pitch..block.end.div_ceil(pitch);
    rows.filter_map(move |row| {
        let first = (row * pitch + inside.start).max(block.start);
        let end = (row * pitch + inside.end).min(block.end);
        (first < end).then(|| (row, first - row * pitch..end - row * pitch, first - block.start))
    })
}

/// Writes the convolution over `output`: `y[m] = bias[m] + Σ w[m][c][tap] · x[c][… + tap]`.
pub(super) fn forward(
    plan: &Plan,
    image: &Layout<'_>,
    weights: &[f32],
    bias: Option<&[f32]>,
    output: &mut [f32],
) {
    let offsets = plan.offsets();
    let depth = offsets.len();
    let [height, width] = plan.output;
    let channel = plan.channels * plan.phases.len() * plan.plane();
    for group in 0..plan.groups {
        let weights = &weights[group * plan.filters * depth..];
        let panels = Panels::new(plan.filters, depth, |filter, k| weights[filter * depth + k]);
        let image = &image.data()[group * channel..];
        for block in blocks(0..plan.width(), plan.channels + plan.filters) {
            let mut sums = Tensor::scratch(&[plan.filters, block.len()]);
            correlate(&panels, image, &offsets, block.clone(), sums.data_mut());
            for (filter, sums) in sums.data().chunks_exact(block.len()).enumerate() {
                let filter = group * plan.filters + filter;
                let bias = bias.and_then(|bias| bias.get(filter)).copied().unwrap_or(0.0);
                let output = &mut output[filter * height * width..][..height * width];
                for (row, columns, at) in segments(block.clone(), plan.pitch, 0..width) {
                    let sums = &sums[at..at + columns.len()];
                    for (out, sum) in output[row * width..][columns].iter_mut().zip(sums) {
                        *out = sum + bias;
                    }
                }
            }
        }
    }
}

/// Adds to `sink` the gradient by the image: the transposed convolution of the gradient by the output.
pub(super) fn by_image(plan: &Plan, gradient: &Layout<'_>, weights: &[f32], sink: &mut [f32]) {
    let taps = plan.taps.len();
    let (lead, stride) = (plan.lead(), plan.gradient_stride());
    let filters = plan.filters * plan.channels * taps;
    for (index, phase) in plan.phases.iter().enumerate() {
        let of_phase: Vec<usize> = (0..taps).filter(|tap| plan.taps[*tap].phase == index).collect();
        let (top, bottom) = plan.inside(*phase, 0);
        let (left, right) = plan.inside(*phase, 1);
        if top == bottom || left == right {
            continue;
        }
        let columns = top * plan.pitch + left..(bottom - 1) * plan.pitch + right;
        let terms = || (0..plan.filters).flat_map(|filter| of_phase.iter().map(move |tap| (filter, *tap)));
        let offsets: Vec<usize> =
            terms().map(|(filter, tap)| filter * stride + lead - plan.taps[tap].offset).collect();
        let places: Vec<usize> = terms().map(|(filter, tap)| filter * plan.channels * taps + tap).collect();
        for group in 0..plan.groups {
            let weights = &weights[group * filters..];
            let panels =
                Panels::new(plan.channels, places.len(), |channel, k| weights[places[k] + channel * taps]);
            let gradient = &gradient.data()[group * plan.filters * stride..];
            for block in blocks(columns.clone(), plan.channels + plan.filters) {
                let mut sums = Tensor::scratch(&[plan.channels, block.len()]);
                correlate(&panels, gradient, &offsets, block.clone(), sums.data_mut());
                for (channel, sums) in sums.data().chunks_exact(block.len()).enumerate() {
                    add_to_image(plan, *phase, (group * plan.channels + channel, sums), block.clone(), sink);
                }
            }
        }
    }
}

/// Adds one channel's sums at the flat positions `block` of a phase to the image.
fn add_to_image(
    plan: &Plan,
    phase: [usize; 2],
    (channel, sums): (usize, &[f32]),
    block: Range<usize>,
    image: &mut [f32],
) {
    let [height, width] = plan.image;
    let image = &mut image[channel * height * width..][..height * width];
    let (left, right) = plan.inside(phase, 1);
    for (row, columns, at) in segments(block, plan.pitch, left..right) {
        let y = row * plan.strides[0] + phase[0] - plan.before[0];
        let x = columns.start * plan.strides[1] + phase[1] - plan.before[1];
        let sums = &sums[at..at + columns.len()];
        let places = &mut image[y * width + x..(y + 1) * width];
        if plan.strides[1] == 1 {
            for (place, sum) in places.iter_mut().zip(sums) {
                *place += sum;
            }
        } else {
            for (place, sum) in places.iter_mut().step_by(plan.strides[1]).zip(sums) {
                *place += sum;
            }
        }
    }
}

/// Adds to `sink` the gradient by the weights: `dw[m][c][tap] += Σ dy[m][…] · x[c][… + tap]`.
pub(super) fn by_weights(plan: &Plan, image: &Layout<'_>, gradient: &Layout<'_>, sink: &mut [f32]) {
    let offsets = plan.offsets();
    let (lead, stride) = (plan.lead(), plan.gradient_stride());
    let channel = plan.channels * plan.phases.len() * plan.plane();
    for (group, sink) in sink.chunks_exact_mut(plan.filters * offsets.len()).enumerate() {
        let gradient = &gradient.data()[group * plan.filters * stride + lead..];
        dots((gradient, stride), &image.data()[group * channel..], &offsets, plan.width(), sink);
    }
}

/// Adds to `sink` the gradient by the biases, the sums of each channel of `size` elements.
pub(super) fn by_bias(gradient: &[f32], size: usize, sink: &mut [f32]) {
    const LANES: usize = 16;
    for (sum, channel) in sink.iter_mut().zip(gradient.chunks_exact(size)) {
        let (lanes, rest) = channel.as_chunks::<LANES>();
        let mut sums = [0.0_f32; LANES];
        for values in lanes {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
        *sum += sums.iter().sum::<f32>() + rest.iter().sum::<f32>();
    }
}
