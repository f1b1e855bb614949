//! Products of rows with rows that may overlap.

use std::array;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::MANY_REGISTERS;
use crate::tensor::Tensor;

/// Elements of a row that are multiplied before the next rows' turn: 8 rows of them fit into the innermost cache, and
/// those of 128 channels into the second.
const BLOCK: usize = 768;

/// Rows of which row `m` begins at `m` times the second number.
pub type Strided<'a> = (&'a [f32], usize);

/// `out[m][k] += Σₚ a[m][p] · b[offsets[k] + p]` for `p` below `width`; `out` has rows of `offsets.len()` elements.
///
/// # Panics
/// `a` or `b` ends before a row does.
pub fn dots((a, stride): Strided<'_>, b: &[f32], offsets: &[usize], width: usize, out: &mut [f32]) {
    if offsets.is_empty() || width == 0 {
        return;
    }
    let rows = out.len() / offsets.len();
    Arch::new().dispatch(Dots { input: Input { a, stride, rows, b, offsets, width }, out });
}

struct Input<'a> {
    a: &'a [f32],
    stride: usize,
    rows: usize,
    b: &'a [f32],
    offsets: &'a [usize],
    width: usize,
}

struct Dots<'a> {
    input: Input<'a>,
    out: &'a mut [f32],
}

/// What is left of the rows behind their last whole vector, one vector each, zeros behind.
struct Tails {
    lanes: usize,
    a: Tensor,
    b: Tensor,
}

impl Tails {
    fn new(input: &Input<'_>, lanes: usize) -> Option<Self> {
        let whole = input.width / lanes * lanes;
        let rest = input.width - whole;
        if rest == 0 {
            return None;
        }
        let tails = |values: &[f32], starts: &mut dyn ExactSizeIterator<Item = usize>| {
            let mut tails = Tensor::zeros(&[starts.len(), lanes]);
            for (tail, start) in tails.data_mut().chunks_exact_mut(lanes).zip(starts) {
                tail[..rest].copy_from_slice(&values[start + whole..start + input.width]);
            }
            tails
        };
        Some(Self {
            lanes,
            a: tails(input.a, &mut (0..input.rows).map(|row| row * input.stride)),
            b: tails(input.b, &mut input.offsets.iter().copied()),
        })
    }
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { input, out } = self;
        let many = S::REGISTER_COUNT >= MANY_REGISTERS;
        let whole = input.width / S::F32_LANES * S::F32_LANES;
        let tails = Tails::new(&input, S::F32_LANES);
        let mut start = 0;
        loop {
            let end = (start + BLOCK).min(whole);
            let block =
                Block { input: &input, columns: start..end, tails: tails.as_ref().filter(|_| end == whole) };
            let mut row = 0;
            while row < input.rows {
                // accumulators: at least 8 hide the latency of a multiply-add
                row += match input.rows - row {
                    8.. if many => block.band::<S, 8, 3>(simd, row, out),
                    8.. => block.band::<S, 8, 1>(simd, row, out),
                    4.. => block.band::<S, 4, 2>(simd, row, out),
                    2.. => block.band::<S, 2, 4>(simd, row, out),
                    _ => block.band::<S, 1, 8>(simd, row, out),
                };
            }
            if end == whole {
                return;
            }
            start = end;
        }
    }
}

struct Block<'a> {
    input: &'a Input<'a>,
    columns: Range<usize>,
    /// With the last block.
    tails: Option<&'a Tails>,
}

impl Block<'_> {
    /// `R` rows of `a` with all of `b`; returns `R`.
    #[inline(always)]
    fn band<S: Simd, const R: usize, const C: usize>(&self, simd: S, row: usize, out: &mut [f32]) -> usize {
        let count = self.input.offsets.len();
        let mut k = 0;
        while k + C <= count {
            self.cell::<S, R, C>(simd, (row, k), out);
            k += C;
        }
        while k < count {
            self.cell::<S, R, 1>(simd, (row, k), out);
            k += 1;
        }
        R
    }

    /// `R` rows of `a` with `C` of `b`.
    #[inline(always)]
    fn cell<S: Simd, const R: usize, const C: usize>(
        &self,
        simd: S,
        (row, k): (usize, usize),
        out: &mut [f32],
    ) {
        let Input { a, stride, b, offsets, .. } = self.input;
        let length = self.columns.len();
        let mut sums = [[simd.splat_f32s(0.0); C]; R];
        let start = self.columns.start;
        multiply::<S, R, C>(
            simd,
            &mut sums,
            array::from_fn(|r| &a[(row + r) * stride + start..][..length]),
            array::from_fn(|c| &b[offsets[k + c] + start..][..length]),
        );
        if let Some(tails) = self.tails {
            let lanes = tails.lanes;
            multiply::<S, R, C>(
                simd,
                &mut sums,
                array::from_fn(|r| &tails.a.data()[(row + r) * lanes..][..lanes]),
                array::from_fn(|c| &tails.b.data()[(k + c) * lanes..][..lanes]),
            );
        }
        for (r, sums) in sums.into_iter().enumerate() {
            let out = &mut out[(row + r) * offsets.len() + k..][..C];
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += simd.reduce_sum_f32s(sum);
            }
        }
    }
}

/// Adds the products of the rows' vectors to their sums.
#[inline(always)]
fn multiply<S: Simd, const R: usize, const C: usize>(
    simd: S,
    sums: &mut [[S::f32s; C]; R],
    a: [&[f32]; R],
    b: [&[f32]; C],
) {
    let a = a.map(|row| S::as_simd_f32s(row).0);
    let b = b.map(|row| S::as_simd_f32s(row).0);
    let length = a[0].len();
    let a = a.map(|row| &row[..length]);
    let b = b.map(|row| &row[..length]);
    let mut local = *sums;
    for p in 0..length {
        let vectors: [S::f32s; C] = array::from_fn(|c| b[c][p]);
        for r in 0..R {
            let vector = a[r][p];
            for c in 0..C {
                local[r][c] = simd.mul_add_e_f32s(vector, vectors[c], local[r][c]);
            }
        }
    }
    *sums = local;
}
