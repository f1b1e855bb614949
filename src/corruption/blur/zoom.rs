use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::fixed::{scaled, weight};
use super::pixels::{LANES, Pair, add_scaled, expand, pair_weights, sum_pair};
use super::rounding;

/// Largest zoom factor, at the published levels (`imagecorruptions` 1.1.2, as its ranges come out in floating point).
const LARGEST: [f64; 5] = [1.11, 1.15, 1.20, 1.24, 1.30];

/// Number of zoom factors, the first of which is 1.
const COUNT: [f64; 5] = [12.0, 16.0, 11.0, 13.0, 11.0];

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 16;

/// Zoom blur: the mean of the picture and of its enlargements by factors from 1 to *z*, evenly spaced.
///
/// An enlargement is the central part of the picture, interpolated bilinearly with its corners on the corners; where it comes
/// out larger than the picture the reference takes its *upper left* part rather than the middle, and so do we. *z* and the
/// number of factors move in straight lines, where the number is not whole the last enlargement counts by part; below level 1 the
/// number is that of level 1. Bound by one load, multiplication and addition per pixel and enlargement, the load at an index from
/// a table.
#[derive(Default)]
pub(in crate::corruption) struct ZoomBlur {
    source: Vec<u16>,
    layers: Vec<Layer>,
    /// What the layers were made for.
    made_for: Option<(u32, u32, Severity)>,
    /// For each block of rows, a row of sums and one interpolated between two rows.
    scratch: Vec<u16>,
}

/// One enlargement.
#[derive(Debug)]
struct Layer {
    /// For each row of the result: the row above, and the weights of it and of the one below.
    rows: Vec<(usize, [u16; 2])>,
    /// First and last column that it is made of.
    columns: [usize; 2],
    /// For each column of the result: the pixel to the left, counted from the first column, and the weights of it and of its right
    /// neighbour.
    taps: Vec<(usize, Pair)>,
}

pub(in crate::corruption) fn zoom_blur() -> ZoomBlur {
    ZoomBlur::default()
}

/// Where each of `side` results along an axis comes from: the whole part and the fraction.
fn axis(side: u32, zoom: f64) -> impl Iterator<Item = (usize, f64)> {
    let side_px = f64::from(side);
    let part = (side_px / zoom).ceil();
    let start = ((side_px - part) / 2.0).floor();
    // Halves to even, as Python rounds.
    let enlarged = (part * zoom).round_ties_even();
    let step = if enlarged > 1.0 { (part - 1.0) / (enlarged - 1.0) } else { 1.0 };
    (0..side).map(move |i| {
        let at = (f64::from(i) * step).min(part - 1.0);
        ((start + at.floor()) as usize, at.fract())
    })
}

impl Layer {
    fn new(width: u32, height: u32, zoom: f64, share: f64) -> Self {
        let rows =
            axis(height, zoom).map(|(row, below)| (row, [weight(1.0 - below), weight(below)])).collect();
        let first = axis(width, zoom).next().map_or(0, |(column, _)| column);
        let taps: Vec<_> = axis(width, zoom)
            .map(|(column, right)| {
                (column - first, pair_weights(weight(share * (1.0 - right)), weight(share * right)))
            })
            .collect();
        let last = (first + taps.last().map_or(0, |(column, _)| column + 1)).min(width as usize - 1);
        Self { rows, columns: [first, last], taps }
    }
}

/// The enlargements at a severity.
fn layers(width: u32, height: u32, severity: Severity) -> Vec<Layer> {
    let whole = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
    let count = whole.interpolate(0.0, COUNT);
    let step = (severity.interpolate(1.0, LARGEST) - 1.0) / (count - 1.0);
    // To the last bit what NumPy's ranges step by, since sizes are rounded.
    let step = (1.0 + step) - 1.0;
    (0..count.ceil() as u32)
        .map(|i| {
            let part = (count - f64::from(i)).min(1.0);
            let zoom = 1.0 + step * f64::from(i).min(count - 1.0);
            // The picture itself counts twice: once by itself, once as the enlargement by 1.
            let share = if i == 0 { 2.0 } else { part } / (count + 1.0);
            Layer::new(width, height, zoom, share)
        })
        .collect()
}

impl Kernel for ZoomBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let wanted = (picture.width(), picture.height(), severity);
        if self.made_for != Some(wanted) {
            self.layers = layers(picture.width(), picture.height(), severity);
            self.made_for = Some(wanted);
        }
        expand(picture, &mut self.source);
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        // Of a flat picture, each of two products per layer loses up to one unit, and each interpolated row up to two.
        let rounding = 2 * self.layers.len() as u16 + 2 + (rounding(severity) * 256.0) as u16;
        let (layers, source) = (&self.layers, &self.source);
        // One pixel more, so that the last one has a neighbour.
        let (line, sums) = ((width + 1) * 4, width * LANES);
        self.scratch.resize(height.div_ceil(BLOCK_ROWS) * (line + sums), 0);
        let scratch = self.scratch.par_chunks_mut(line + sums);
        let blocks = picture.data_mut().par_chunks_mut(width * 3 * BLOCK_ROWS).zip(scratch);
        blocks.enumerate().for_each(|(block, (out, scratch))| {
            let (line, sums) = scratch.split_at_mut(line);
            let sums = sums.as_chunks_mut::<LANES>().0;
            for (i, out) in out.chunks_exact_mut(width * 3).enumerate() {
                sums.fill([0; LANES]);
                for layer in layers {
                    layer.add(source, width, block * BLOCK_ROWS + i, line, sums);
                }
                for (to, sums) in out.as_chunks_mut::<3>().0.iter_mut().zip(sums.iter()) {
                    *to = sum_pair(sums, rounding);
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

impl Layer {
    /// Adds row `y` of the enlargement to `sums`; `line` is for the row interpolated between two rows.
    fn add(&self, source: &[u16], width: usize, y: usize, line: &mut [u16], sums: &mut [Pair]) {
        let Some((row, [above, below])) = self.rows.get(y).copied() else { return };
        let [first, last] = self.columns;
        let at = |row: usize| source.get((row * width + first) * 4..(row * width + last + 1) * 4);
        let Some(upper) = at(row) else { return };
        // Below the last row lies nothing, which then has no weight.
        let lower = at(row + 1).unwrap_or(upper);
        for ((to, upper), lower) in line.iter_mut().zip(upper).zip(lower) {
            *to = scaled(*upper, above).wrapping_add(scaled(*lower, below));
        }
        for (sum, (column, weights)) in sums.iter_mut().zip(&self.taps) {
            let pair = line.get(column * 4..).and_then(|values| values.first_chunk::<LANES>());
            if let Some(pair) = pair {
                add_scaled(sum, pair, weights);
            }
        }
    }
}
