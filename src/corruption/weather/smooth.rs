//! Noise as a Gaussian blur leaves it, without the blur.

use rayon::prelude::*;

use crate::corruption::context::Context;

use super::plane::Plane;

/// How many values of the lattice reach a pixel along each axis: the kernel is cut off at four standard deviations.
const TAPS: usize = 9;

/// Pixels along one axis that one task sums up.
const BLOCK_ROWS: usize = 16;

/// Weights of the lattice's values from `first` on.
#[derive(Debug, Clone, Copy)]
struct Taps {
    first: usize,
    weights: [f32; TAPS],
}

/// Normal noise of `mean` and `deviation`, independent from pixel to pixel, after a Gaussian blur by `sigma_px`.
///
/// Blurred noise holds nothing finer than its blur: it is enough to draw a value for every cell of *h* = max(σ, 1) pixels, of
/// deviation *d*/*h*, and to put the kernel on each. Mean, variance and spectrum are those of the blurred noise (the variance
/// ripples by 2 exp(−π² σ²/*h*²), 10⁻⁴, over a cell); for σ = 1 it is the blur itself. A pixel takes nine values along each axis
/// whatever σ is, where the blur would take 8σ + 1. Only at the borders, where scikit-image repeats the outermost value, it
/// differs: it is as inside.
#[derive(Debug, Default)]
pub(super) struct SmoothNoise {
    lattice: Plane,
    wide: Plane,
    columns: Vec<Taps>,
    rows: Vec<Taps>,
}

impl SmoothNoise {
    pub(super) fn draw(
        &mut self,
        out: &mut Plane,
        (mean, deviation, sigma_px): (f32, f32, f64),
        context: &Context,
        first_lane: u64,
    ) {
        let cell = sigma_px.max(1.0);
        let cells = |side: usize| (side as f64 / cell) as usize + TAPS + 1;
        self.lattice.resize(cells(out.width), cells(out.height));
        self.lattice.fill_normal(context, first_lane, mean, deviation / cell as f32);
        taps(&mut self.columns, out.width, cell, sigma_px);
        taps(&mut self.rows, out.height, cell, sigma_px);

        let (lattice, columns) = (&self.lattice, &self.columns);
        self.wide.resize(out.width, lattice.height);
        self.wide.values.par_chunks_mut(out.width.max(1)).enumerate().for_each(|(y, row)| {
            let source = lattice.row(y);
            for (value, taps) in row.iter_mut().zip(columns) {
                let source = source.get(taps.first..taps.first + TAPS).unwrap_or_default();
                *value = source.iter().zip(taps.weights).map(|(value, weight)| value * weight).sum();
            }
        });
        let (wide, rows, width) = (&self.wide, &self.rows, out.width.max(1));
        out.values.par_chunks_mut(width * BLOCK_ROWS).enumerate().for_each(|(block, lines)| {
            for (line, taps) in lines.chunks_mut(width).zip(rows.iter().skip(block * BLOCK_ROWS)) {
                sum_rows(line, std::array::from_fn(|i| wide.row(taps.first + i)), taps.weights);
            }
        });
    }
}

#[allow(clippy::many_single_char_names, reason = "nine neighbours, named alike")]
fn sum_rows(out: &mut [f32], rows: [&[f32]; TAPS], weights: [f32; TAPS]) {
    let [a, b, c, d, e, f, g, h, i] = rows;
    let first = a.iter().zip(b).zip(c.iter().zip(d));
    let second = e.iter().zip(f).zip(g.iter().zip(h));
    for ((out, (((a, b), (c, d)), ((e, f), (g, h)))), i) in out.iter_mut().zip(first.zip(second)).zip(i) {
        let values = [*a, *b, *c, *d, *e, *f, *g, *h, *i];
        let mut sum = 0.0;
        for tap in 0..TAPS {
            sum += values[tap] * weights[tap];
        }
        *out = sum;
    }
}

fn taps(out: &mut Vec<Taps>, side: usize, cell: f64, sigma_px: f64) {
    out.clear();
    out.extend((0..side).map(|pixel| {
        // The lattice begins half a kernel before the picture.
        let place = pixel as f64 / cell;
        let first = place.round();
        let distance =
            |tap: usize| (first + tap as f64 - (TAPS / 2) as f64 - place) * cell / sigma_px.max(1e-3);
        let weights: [f64; TAPS] = std::array::from_fn(|tap| (-0.5 * distance(tap).powi(2)).exp());
        let sum: f64 = weights.iter().sum();
        Taps { first: first as usize, weights: weights.map(|weight| (weight / sum) as f32) }
    }));
}
