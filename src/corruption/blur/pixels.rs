//! Bilinear interpolation, four values a pixel.
//!
//! A pixel is R, G, B and a zero, sixteen bits each, grey levels times 256, so a pixel and its right neighbour are one register of
//! eight values: one multiplication weighs both, and the two halves are summed up at the very end.

use rayon::prelude::*;

use crate::corruption::Picture;

use super::fixed::scaled;

/// Values of a pixel and its right neighbour.
pub(in crate::corruption) const LANES: usize = 8;

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 16;

/// A pixel and its right neighbour; their weights; or weighted sums of such pairs.
pub(in crate::corruption) type Pair = [u16; LANES];

/// The picture with four values a pixel, and one more pixel so that the last one has a neighbour.
pub(in crate::corruption) fn expand(picture: &Picture, out: &mut Vec<u16>) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    out.resize(width * height * 4 + 4, 0);
    let sources = picture.data().par_chunks(width * 3 * BLOCK_ROWS);
    out.par_chunks_mut(width * 4 * BLOCK_ROWS).zip(sources).for_each(|(out, source)| {
        for (to, from) in out.as_chunks_mut::<4>().0.iter_mut().zip(source.as_chunks::<3>().0) {
            *to = [u16::from(from[0]) << 8, u16::from(from[1]) << 8, u16::from(from[2]) << 8, 0];
        }
    });
}

/// Weights for both pixels, from weights for each.
#[inline]
pub(in crate::corruption) fn pair_weights(left: u16, right: u16) -> Pair {
    [left, left, left, left, right, right, right, right]
}

/// Adds `pair` × `weights` / 65536.
#[inline]
pub(in crate::corruption) fn add_scaled(sums: &mut Pair, pair: &Pair, weights: &Pair) {
    // All is read before anything is written, which makes it three instructions.
    let before = *sums;
    *sums = std::array::from_fn(|i| before[i].wrapping_add(scaled(pair[i], weights[i])));
}

/// The pixel that weighted sums amount to, plus `rounding` / 256, its fraction cut off.
#[inline]
pub(in crate::corruption) fn sum_pair(sums: &Pair, rounding: u16) -> [u8; 3] {
    [0, 1, 2].map(|i| (sums[i].wrapping_add(sums[i + 4]).wrapping_add(rounding) >> 8) as u8)
}
