//! Weighted sums of rows that may overlap.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::MANY_REGISTERS;
use crate::tensor::Tensor;

/// Rows that are computed together.
const HEIGHT: usize = 8;

/// A matrix of weights in the order in which [`correlate`] reads it: panels of 8 rows (then 4, 2, 1 for the rest), each
/// column by column.
#[derive(Debug)]
pub struct Panels {
    rows: usize,
    depth: usize,
    data: Tensor,
}

impl Panels {
    /// Of the matrix of `rows` × `depth` elements that `element(row, column)` tells.
    #[must_use]
    pub fn new(rows: usize, depth: usize, element: impl Fn(usize, usize) -> f32) -> Self {
        let mut data = Tensor::scratch(&[rows * depth]);
        let mut places = data.data_mut().iter_mut();
        for panel in heights(rows) {
            for column in 0..depth {
                for (row, place) in panel.clone().zip(&mut places) {
                    *place = element(row, column);
                }
            }
        }
        Self { rows, depth, data }
    }
}

/// The rows of each panel.
fn heights(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let left = rows - start;
        let height = [HEIGHT, 4, 2, 1].into_iter().find(|height| *height <= left)?;
        start += height;
        Some(start - height..start)
    })
}

/// `out[m][p] = Σₖ panels[m][k] · b[offsets[k] + p]` for `p` of `columns`; `out` has as many rows as `panels`, each of
/// `columns.len()` elements.
///
/// # Panics
/// There is not an offset for each column of `panels`, `out` is too short, or `b` ends before a row does.
pub fn correlate(panels: &Panels, b: &[f32], offsets: &[usize], columns: Range<usize>, out: &mut [f32]) {
    assert_eq!(panels.depth, offsets.len(), "an offset for each column");
    if columns.is_empty() || offsets.is_empty() {
        out.fill(0.0);
        return;
    }
    Arch::new().dispatch(Correlate {
        panels,
        b: &b[columns.start.min(b.len())..],
        offsets,
        width: columns.len(),
        out,
    });
}

struct Correlate<'a> {
    panels: &'a Panels,
    b: &'a [f32],
    offsets: &'a [usize],
    width: usize,
    out: &'a mut [f32],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut data = self.panels.data.data();
        let many = S::REGISTER_COUNT >= MANY_REGISTERS;
        for rows in heights(self.panels.rows) {
            let height = rows.len();
            let (panel, rest) = data.split_at(height * self.panels.depth);
            data = rest;
            let out = &mut self.out[rows.start * self.width..rows.end * self.width];
            let input = Rows { b: self.b, offsets: self.offsets, width: self.width };
            // accumulators: at least 8 hide the latency of a multiply-add, and they, a row of `b` and one weight have to
            // fit into the registers
            match height {
                _ if self.width < S::F32_LANES => narrow(panel, height, &input, out),
                HEIGHT if many => panel_rows::<S, HEIGHT, 3>(simd, panel, &input, out),
                HEIGHT => panel_rows::<S, HEIGHT, 1>(simd, panel, &input, out),
                4 => panel_rows::<S, 4, 3>(simd, panel, &input, out),
                2 => panel_rows::<S, 2, 4>(simd, panel, &input, out),
                _ => panel_rows::<S, 1, 8>(simd, panel, &input, out),
            }
        }
    }
}

/// The rows that are added up.
struct Rows<'a> {
    b: &'a [f32],
    offsets: &'a [usize],
    width: usize,
}

/// One panel of `H` rows, in tiles of `V` vectors, then of one; the last tile begins earlier where it would not fit.
#[inline(always)]
fn panel_rows<S: Simd, const H: usize, const V: usize>(
    simd: S,
    panel: &[f32],
    rows: &Rows<'_>,
    out: &mut [f32],
) {
    let wide = V * S::F32_LANES;
    let mut start = 0;
    while start + wide <= rows.width {
        tile::<S, H, V>(simd, panel, rows, start, out);
        start += wide;
    }
    if start < rows.width && H == 1 && rows.width >= wide {
        // one row and one vector would wait for each sum
        tile::<S, H, V>(simd, panel, rows, rows.width - wide, out);
        return;
    }
    while start < rows.width {
        tile::<S, H, 1>(simd, panel, rows, start.min(rows.width - S::F32_LANES), out);
        start += S::F32_LANES;
    }
}

/// `H` rows of `V` vectors.
#[inline(always)]
fn tile<S: Simd, const H: usize, const V: usize>(
    simd: S,
    panel: &[f32],
    rows: &Rows<'_>,
    start: usize,
    out: &mut [f32],
) {
    let lanes = S::F32_LANES;
    let b = &rows.b[start..];
    let mut sums = [[simd.splat_f32s(0.0); V]; H];
    let (panel, _) = panel.as_chunks::<H>();
    for (weights, offset) in panel.iter().zip(rows.offsets) {
        let (vectors, _) = S::as_simd_f32s(&b[*offset..*offset + V * lanes]);
        let vectors: [S::f32s; V] = std::array::from_fn(|v| vectors[v]);
        for h in 0..H {
            let weight = simd.splat_f32s(weights[h]);
            for v in 0..V {
                sums[h][v] = simd.mul_add_e_f32s(weight, vectors[v], sums[h][v]);
            }
        }
    }
    for (h, sums) in sums.iter().enumerate() {
        let start = h * rows.width + start;
        let (vectors, _) = S::as_mut_simd_f32s(&mut out[start..start + V * lanes]);
        vectors.copy_from_slice(sums);
    }
}

/// A panel whose rows are shorter than a vector.
fn narrow(panel: &[f32], height: usize, rows: &Rows<'_>, out: &mut [f32]) {
    out.fill(0.0);
    for (weights, offset) in panel.chunks_exact(height).zip(rows.offsets) {
        let row = &rows.b[*offset..*offset + rows.width];
        for (weight, out) in weights.iter().zip(out.chunks_exact_mut(rows.width)) {
            for (sum, value) in out.iter_mut().zip(row) {
                *sum += weight * value;
            }
        }
    }
}
