use rayon::prelude::*;

use crate::corruption::Picture;

use super::fixed::{FRACTION_BITS, TILE, Tile, add_tile, add_tiles, convert, lost, scaled, tile, weight};

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 16;

/// What lies outside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Border {
    /// The outermost pixel again and again (scikit-image's `nearest`).
    Repeat,
    /// The picture mirrored at the centre of its outermost pixels (OpenCV's `BORDER_REFLECT_101`).
    Mirror,
}

impl Border {
    /// The index inside `0..len` that stands for `index`.
    pub(super) fn index(self, index: isize, len: usize) -> usize {
        let last = len.saturating_sub(1);
        match self {
            Self::Repeat => index.clamp(0, last as isize) as usize,
            Self::Mirror if last == 0 => 0,
            Self::Mirror => {
                let folded = index.rem_euclid(2 * last as isize) as usize;
                folded.min(2 * last - folded)
            }
        }
    }

    /// Fills `margin` pixels at both ends of a row of interleaved RGB, from what lies between.
    pub(super) fn fill(self, row: &mut [u16], margin: usize, width: usize) {
        for i in 1..=margin {
            let left = self.index(-(i as isize), width);
            let right = self.index((width + i - 1) as isize, width);
            row.copy_within((margin + left) * 3..(margin + left) * 3 + 3, (margin - i) * 3);
            row.copy_within((margin + right) * 3..(margin + right) * 3 + 3, (margin + width + i - 1) * 3);
        }
    }
}

/// A symmetric kernel of one dimension, of sum 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weights {
    centre: u16,
    /// From the nearest to the farthest, each for both sides.
    sides: Vec<u16>,
    /// What filtering along rows loses, and then along columns.
    lost: [u16; 2],
}

impl Weights {
    /// A Gaussian of standard deviation `sigma` that reaches `reach` pixels to both sides.
    pub(super) fn gaussian(sigma: f64, reach: usize) -> Self {
        let half: Vec<f64> = (0..=reach)
            .map(|i| if i == 0 { 1.0 } else { (-0.5 * (i as f64 / sigma).powi(2)).exp() })
            .collect();
        let sum = 2.0 * half.iter().sum::<f64>() - 1.0;
        let mut sides: Vec<u16> = half.iter().skip(1).map(|value| weight(value / sum)).collect();
        while sides.last() == Some(&0) {
            sides.pop();
        }
        let around: u32 = sides.iter().map(|side| 2 * u32::from(*side)).sum();
        let centre = 65536_u32.saturating_sub(around).min(65535) as u16;
        let mut weights = Self { centre, sides, lost: [0, 0] };
        weights.lost[0] = lost(|value| weights.flat(value), |value| value);
        weights.lost[1] = lost(|value| weights.flat(weights.flat(value) + weights.lost[0]), |value| value);
        weights
    }

    /// What becomes of a flat row, before what is lost is added.
    fn flat(&self, value: u16) -> u16 {
        self.sides.iter().fold(scaled(value, self.centre), |sum, side| sum + scaled(2 * value, *side))
    }

    fn reach(&self) -> usize {
        self.sides.len()
    }
}

/// Filters along rows, then along columns.
#[derive(Debug, Default)]
pub(super) struct Separable {
    /// One row with margins, for each block of rows.
    lines: Vec<u16>,
    /// The picture filtered along rows; rows are [`stride`] apart.
    along: Vec<u16>,
}

/// A row's length, rounded up to whole tiles.
fn stride(picture: &Picture) -> usize {
    (picture.width() as usize * 3).next_multiple_of(TILE)
}

impl Separable {
    /// Filters `picture` in place. `rounding` is added before fractions are cut off, in 1/128 grey levels.
    pub(super) fn blur(&mut self, picture: &mut Picture, weights: &Weights, border: Border, rounding: u16) {
        self.filter_along(picture, weights, border);
        let (row, height) = (picture.width() as usize * 3, picture.height() as usize);
        let narrow = |value: u16| ((value + rounding) >> FRACTION_BITS) as u8;
        self.filter_down(weights, border, height, picture.data_mut(), row, 0..row, narrow);
    }

    /// Filters along rows, into `self.along`.
    pub(super) fn filter_along(&mut self, picture: &Picture, weights: &Weights, border: Border) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (stride, reach) = (stride(picture), weights.reach());
        // Tiles may read, though not use, what lies behind the right margin.
        let line = stride + 2 * reach * 3;
        self.lines.resize(height.div_ceil(BLOCK_ROWS) * line, 0);
        self.along.resize(height * stride, 0);
        let blocks = self.along.par_chunks_mut(stride * BLOCK_ROWS).zip(self.lines.par_chunks_mut(line));
        let sources = picture.data().par_chunks(width * 3 * BLOCK_ROWS);
        blocks.zip(sources).for_each(|((out, line), source)| {
            for (out, source) in out.chunks_exact_mut(stride).zip(source.chunks_exact(width * 3)) {
                for (to, from) in line.get_mut(reach * 3..).unwrap_or_default().iter_mut().zip(source) {
                    *to = u16::from(*from) << FRACTION_BITS;
                }
                border.fill(line, reach, width);
                for (i, out) in out.as_chunks_mut::<TILE>().0.iter_mut().enumerate() {
                    let centre = i * TILE + reach * 3;
                    sum(weights, weights.lost[0], line, |k| [centre - 3 * k, centre + 3 * k], out);
                }
            }
        });
    }

    /// Filters what was filtered along rows along columns: the values of `out` at `columns` of its rows, which are
    /// `out_stride` long, become `make` of the sums.
    #[expect(
        clippy::too_many_arguments,
        reason = "where from, where to and what with; a struct of them would be used once"
    )]
    pub(super) fn filter_down<T: Send>(
        &self,
        weights: &Weights,
        border: Border,
        height: usize,
        out: &mut [T],
        out_stride: usize,
        columns: std::ops::Range<usize>,
        make: impl Fn(u16) -> T + Sync,
    ) {
        let stride = self.along.len() / height;
        out.par_chunks_mut(out_stride * BLOCK_ROWS).enumerate().for_each(|(block, out)| {
            // Tile by tile, so that the rows around stay in the first-level cache.
            for (tile, first) in (0..columns.len()).step_by(TILE).enumerate() {
                for (i, out) in out.chunks_exact_mut(out_stride).enumerate() {
                    let y = (block * BLOCK_ROWS + i) as isize;
                    let row = |y: isize| border.index(y, height) * stride + tile * TILE;
                    let at = |k: usize| [row(y - k as isize), row(y + k as isize)];
                    let mut sums = [0; TILE];
                    sum(weights, weights.lost[1], &self.along, at, &mut sums);
                    let out = out.get_mut(columns.start + first..columns.end).unwrap_or_default();
                    convert(&sums, out, &make);
                }
            }
        });
    }
}

/// Sums up a tile of `values`; `at` gives where in them those at a distance to both sides begin.
// Not inlined, so that the compiler knows that `values` and `out` do not overlap, and vectorises.
#[inline(never)]
fn sum(weights: &Weights, start: u16, values: &[u16], at: impl Fn(usize) -> [usize; 2], out: &mut Tile) {
    let mut sums = [start; TILE];
    if let Some(centre) = tile(values, at(0)[0]) {
        add_tile(&mut sums, centre, weights.centre);
    }
    for (k, side) in (1..).zip(&weights.sides) {
        let [before, after] = at(k);
        if let (Some(before), Some(after)) = (tile(values, before), tile(values, after)) {
            add_tiles(&mut sums, before, after, *side);
        }
    }
    *out = sums;
}

#[cfg(test)]
mod tests {
    use super::super::fixed::ONE;
    use super::*;

    #[test]
    fn borders_repeat_and_mirror() {
        let at = |border: Border| (-3..6).map(|i| border.index(i, 3)).collect::<Vec<_>>();
        assert_eq!(at(Border::Repeat), [0, 0, 0, 0, 1, 2, 2, 2, 2]);
        assert_eq!(at(Border::Mirror), [1, 2, 1, 0, 1, 2, 1, 0, 1]);
        assert_eq!(Border::Mirror.index(-4, 1), 0);
    }

    #[test]
    fn it_is_the_convolution_within_a_tenth_of_a_grey_level() {
        let (width, height) = (50, 40);
        let data: Vec<u8> =
            (0..width * height * 3).map(|i: u32| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        let picture = Picture::from_rgb(width, height, data).unwrap();
        for (sigma, border) in [(0.3, Border::Repeat), (1.7, Border::Mirror), (6.0, Border::Repeat)] {
            let reach = (4.0 * sigma + 0.5) as usize;
            let mut fixed = Separable::default();
            let weights = Weights::gaussian(sigma, reach);
            fixed.filter_along(&picture, &weights, border);
            let mut out = vec![0_u16; picture.data().len()];
            let row = width as usize * 3;
            fixed.filter_down(&weights, border, height as usize, &mut out, row, 0..row, |value| value);
            let side = || -(reach as isize)..=reach as isize;
            let gauss = |i: isize| (-0.5 * (i as f64 / sigma).powi(2)).exp();
            let norm: f64 = side().map(gauss).sum();
            for i in (0..out.len()).step_by(97) {
                let (y, x, channel) = (i / row, i % row / 3, i % 3);
                let mut exact = 0.0;
                for dy in side() {
                    let from_y = border.index(y as isize + dy, height as usize);
                    for dx in side() {
                        let from_x = border.index(x as isize + dx, width as usize);
                        let value = picture.data()[from_y * row + from_x * 3 + channel];
                        exact += f64::from(value) * gauss(dx) * gauss(dy) / norm / norm;
                    }
                }
                let found = f64::from(out[i]) / f64::from(ONE);
                assert!((found - exact).abs() < 0.1, "σ {sigma}: {found} for {exact}");
            }
        }
    }
}
