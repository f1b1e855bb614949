use rayon::prelude::*;

use crate::corruption::blur::{LANES, Pair, add_scaled, expand, pair_weights, rounding, sum_pair};
use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::field::{Axis, Field};

/// What the smoothed displacements are multiplied by, at the published levels (`imagecorruptions` 1.1.2).
const ALPHA: [f64; 5] = [250.0 * 0.05, 250.0 * 0.065, 250.0 * 0.085, 250.0 * 0.1, 250.0 * 0.12];

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 16;

/// Elastic transform: each pixel is taken from a place displaced by smooth random fields.
///
/// Displacements along both axes are uniform within ± 0.005 of the *height* (for the horizontal ones too, as in the reference),
/// smoothed by a Gaussian of σ = 0.01 of each side (cut off at 3 σ), times α; bilinear interpolation, the borders reflected. α grows
/// in straight lines from 0. The affine part of the transform's first publication is not in the reference either.
///
/// Since the fields are smooth, they are drawn and smoothed on a grid some pixels wide, with the variance that they would have on
/// the grid of pixels, and interpolated. Bound by four reads, multiplications and additions per pixel, at computed places.
#[derive(Default)]
pub(in crate::corruption) struct ElasticTransform {
    fields: [Field; 2],
    source: Vec<u16>,
    /// For each block of rows, a row of the grid for each axis.
    scratch: Vec<f32>,
}

pub(in crate::corruption) fn elastic_transform() -> ElasticTransform {
    ElasticTransform::default()
}

impl Kernel for ElasticTransform {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (across, down) = (Axis::new(width), Axis::new(height));
        // In 1/256 pixels.
        let reach = 256.0 * 0.005 * height as f64 * severity.interpolate(0.0, ALPHA);
        for (axis, field) in (0..).zip(&mut self.fields) {
            field.draw(&across, &down, reach, |row| context.rng(2 * row + axis));
        }
        expand(picture, &mut self.source);
        // What four cut off products and a weight that is short of 1 lose of a flat picture.
        let rounding = 5 + (rounding(severity) * 256.0) as u16;
        let view = View { pixels: &self.source, width, height };
        let fields = &self.fields;
        let places: Vec<(usize, f32)> = (0..width).map(|x| across.place(x)).collect();
        let row = across.len();
        self.scratch.resize(height.div_ceil(BLOCK_ROWS) * 2 * row, 0.0);
        let blocks = picture.data_mut().par_chunks_mut(width * 3 * BLOCK_ROWS);
        blocks.zip(self.scratch.par_chunks_mut(2 * row)).enumerate().for_each(|(block, (out, scratch))| {
            let (dx, dy) = scratch.split_at_mut(row);
            for (i, out) in out.chunks_exact_mut(width * 3).enumerate() {
                let y = block * BLOCK_ROWS + i;
                fields[0].row(down.place(y), dx);
                fields[1].row(down.place(y), dy);
                let out = out.as_chunks_mut::<3>().0.iter_mut();
                for (x, (to, (left, share))) in out.zip(&places).enumerate() {
                    let at = |row: &[f32]| match row.get(*left..) {
                        Some([a, b, ..]) => (a + (b - a) * share) as i32,
                        _ => 0,
                    };
                    *to = view.at((x << 8) as i32 + at(dx), (y << 8) as i32 + at(dy), rounding);
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

/// The picture to take pixels from.
struct View<'a> {
    pixels: &'a [u16],
    width: usize,
    height: usize,
}

impl View<'_> {
    /// The value at a place in 1/256 pixels, bilinearly interpolated.
    #[inline]
    fn at(&self, x: i32, y: i32, rounding: u16) -> [u8; 3] {
        let (left, top) = (x >> 8, y >> 8);
        let (right, low) = ((x & 0xff) as u32, (y & 0xff) as u32);
        let weigh = |a: u32, b: u32| (a * b).min(65535) as u16;
        let upper_weights = pair_weights(weigh(256 - right, 256 - low), weigh(right, 256 - low));
        let lower_weights = pair_weights(weigh(256 - right, low), weigh(right, low));
        let (upper, lower) = (self.pair(left, top), self.pair(left, top + 1));
        let mut sums = [0; LANES];
        add_scaled(&mut sums, &upper, &upper_weights);
        add_scaled(&mut sums, &lower, &lower_weights);
        sum_pair(&sums, rounding)
    }

    /// A pixel and its right neighbour.
    #[inline]
    fn pair(&self, x: i32, y: i32) -> Pair {
        let y = if (y as usize) < self.height { y as usize } else { reflect(y, self.height) };
        let at = |x: usize| (y * self.width + x) * 4;
        if (x as usize) < self.width - 1
            && let Some(pair) = self.pixels.get(at(x as usize)..).and_then(|values| values.first_chunk())
        {
            return *pair;
        }
        let pixel = |x: i32| {
            let start = at(reflect(x, self.width));
            self.pixels.get(start..).and_then(|values| values.first_chunk::<4>()).copied().unwrap_or_default()
        };
        let (left, right) = (pixel(x), pixel(x + 1));
        std::array::from_fn(|i| if i < 4 { left[i] } else { right[i - 4] })
    }
}

/// The index inside `0..len` that stands for `index`, the border mirrored at the outer edge of its pixels.
fn reflect(index: i32, len: usize) -> usize {
    let folded = i64::from(index).rem_euclid(2 * len as i64) as usize;
    folded.min(2 * len - 1 - folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_reflected_at_the_edge_of_pixels() {
        assert_eq!((-4..7).map(|i| reflect(i, 3)).collect::<Vec<_>>(), [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
    }

    #[test]
    fn pixels_are_interpolated_and_the_border_is_reflected() {
        let data: Vec<u8> =
            (0..32 * 32).flat_map(|i| [(i % 32) * 8, (i / 32) * 8, 100]).map(|v| v as u8).collect();
        let picture = Picture::from_rgb(32, 32, data).unwrap();
        let mut pixels = Vec::new();
        expand(&picture, &mut pixels);
        let view = View { pixels: &pixels, width: 32, height: 32 };
        assert_eq!(view.at(896, 1088, 5), [28, 34, 100]);
        assert_eq!(view.at(7936, 7936, 5), [248, 248, 100]);
        assert_eq!(view.at(-128, 8064, 5), [0, 248, 100]);
        assert_eq!(view.at(-384, 0, 5), [4, 0, 100]);
        assert_eq!(view.at(i32::MAX, i32::MIN, 5)[2], 100);
    }
}
