use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::fixed::fraction;
use super::gaussian::four_sigma;
use super::rounding;
use super::separable::{Border, Separable};

/// Standard deviation of the blur before and after, at the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [0.7, 0.9, 1.0, 1.1, 1.5];

/// Farthest displacement in pixels, at the published levels.
const REACH: [f64; 5] = [1.0, 2.0, 2.0, 3.0, 4.0];

/// Passes, at the published levels.
const PASSES: [f64; 5] = [2.0, 1.0, 3.0, 2.0, 2.0];

/// Rows that are displaced as one band, whatever the number of threads.
const BAND_ROWS: usize = 96;

/// Rows below a band that are displaced first, for what travels up into it.
const RUN_UP_ROWS: usize = 16;

/// Glass blur: a Gaussian blur, pixels displaced at random, the same blur again.
///
/// In the reference a pass goes from the lower right to the upper left and seems to swap each pixel with one nearby, at a
/// distance of −*r* … *r* − 1 in both directions. Written with views of one array, the second half of the swap reads what the
/// first has just written: the pixel takes over the other's value, and the other keeps it. That copying (in that order, so that
/// values can travel several times) is what is done here. A frame of *r* − 1 pixels at the lower and right, and *r* + 1 at the other
/// sides, stays as it is.
///
/// A pass depends on its own results along the way, so bands of 96 rows are made independent by starting 16 rows below, with the
/// random numbers that the next band has there. What differs from one pass over everything is what travels up more than 16 rows:
/// at *r* = 4, about one pixel in a thousand of a band's lowest row, and none a few rows above.
///
/// Between levels σ moves in straight lines, and a share of the pixels is displaced as at the next level, the others as at the
/// level before (none, below level 1). Bound by a random read and a write per pixel and pass, one after the other.
#[derive(Default)]
pub(in crate::corruption) struct GlassBlur {
    blur: Separable,
    /// Pixels as R + 256 G + 65536 B before and after a pass.
    pixels: [Vec<u32>; 2],
    /// For each band, its rows and what is read around them.
    bands: Vec<u32>,
}

pub(in crate::corruption) fn glass_blur() -> GlassBlur {
    GlassBlur::default()
}

/// How far pixels are displaced in one pass.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pass {
    number: u64,
    /// Farthest displacement of some pixels, and of the others.
    near: u32,
    far: u32,
    /// How likely the latter is, in 1/4096.
    chance: u32,
}

impl Kernel for GlassBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let scale = context.scale(picture);
        let weights = four_sigma(severity.interpolate(0.0, SIGMA) * scale);
        let rounding = fraction(rounding(severity));
        self.blur.blur(picture, &weights, Border::Repeat, rounding);
        self.displace(picture, &passes(severity, scale), context);
        self.blur.blur(picture, &weights, Border::Repeat, rounding);
        Ok(Delivery::Deliver)
    }
}

fn passes(severity: Severity, scale: f64) -> Vec<Pass> {
    let level = |value: f64| {
        let at = |values: [f64; 5]| values.get((value as usize).wrapping_sub(1)).copied().unwrap_or(0.0);
        ((at(REACH) * scale).round() as u32, at(PASSES) as u64)
    };
    let lower = severity.value().floor();
    let (near, far) = (level(lower), level(severity.value().ceil()));
    let chance = ((severity.value() - lower) * 4096.0) as u32;
    let reach = |number: u64, (reach, passes): (u32, u64)| if number < passes { reach } else { 0 };
    (0..near.1.max(far.1))
        .map(|number| Pass { number, near: reach(number, near), far: reach(number, far), chance })
        .collect()
}

impl Pass {
    fn edge(self) -> usize {
        self.near.max(self.far) as usize
    }

    /// Displaces the pixels of row `y`, which is row `at` of `pixels`.
    fn displace_row(self, pixels: &mut [u32], width: usize, at: usize, y: usize, context: &Context) {
        let edge = self.edge();
        let mut rng = context.rng((self.number << 32) | y as u64);
        let mut spare = None;
        for x in (edge + 1..=width - edge).rev() {
            // Half a word for each pixel: twelve bits decide on the reach, ten on the displacement along each axis.
            let bits = spare.take().unwrap_or_else(|| {
                let word = rng.next_u64();
                spare = Some((word >> 32) as u32);
                word as u32
            });
            let reach = if (bits & 0xfff) < self.chance { self.far } else { self.near };
            let offset = |bits: u32| (((bits & 0x3ff) * 2 * reach) >> 10) as isize - reach as isize;
            let from = (at * width + x) as isize + offset(bits >> 12) + offset(bits >> 22) * width as isize;
            let value = pixels.get(from as usize).copied();
            if let (Some(value), Some(to)) = (value, pixels.get_mut(at * width + x)) {
                *to = value;
            }
        }
    }
}

impl GlassBlur {
    fn displace(&mut self, picture: &mut Picture, passes: &[Pass], context: &Context) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let [before, after] = &mut self.pixels;
        before.resize(width * height, 0);
        after.resize(width * height, 0);
        let sources = picture.data().as_chunks::<3>().0.par_chunks(width * BAND_ROWS);
        before.par_chunks_mut(width * BAND_ROWS).zip(sources).for_each(|(out, source)| {
            for (to, [r, g, b]) in out.iter_mut().zip(source) {
                *to = u32::from_le_bytes([*r, *g, *b, 0]);
            }
        });
        for pass in passes {
            let edge = pass.edge();
            if edge == 0 || width <= 2 * edge + 1 || height <= 2 * edge + 1 {
                continue;
            }
            let rows = BAND_ROWS + RUN_UP_ROWS + 2 * edge;
            self.bands.resize(height.div_ceil(BAND_ROWS) * rows * width, 0);
            let bands = self.bands.par_chunks_mut(rows * width);
            after.par_chunks_mut(width * BAND_ROWS).zip(bands).enumerate().for_each(
                |(band, (out, local))| {
                    let top = band * BAND_ROWS;
                    let bottom = (top + BAND_ROWS + RUN_UP_ROWS).min(height);
                    let first = top.saturating_sub(edge);
                    let around =
                        before.get(first * width..(bottom + edge).min(height) * width).unwrap_or_default();
                    let local = local.get_mut(..around.len()).unwrap_or_default();
                    local.copy_from_slice(around);
                    for y in (top.max(edge + 1)..bottom.min(height - edge + 1)).rev() {
                        pass.displace_row(local, width, y - first, y, context);
                    }
                    let result = local.get((top - first) * width..).unwrap_or_default();
                    out.copy_from_slice(result.get(..out.len()).unwrap_or_default());
                },
            );
            std::mem::swap(before, after);
        }
        let targets = picture.data_mut().as_chunks_mut::<3>().0.par_chunks_mut(width * BAND_ROWS);
        targets.zip(before.par_chunks(width * BAND_ROWS)).for_each(|(out, source)| {
            for (to, from) in out.iter_mut().zip(source) {
                let [r, g, b, _] = from.to_le_bytes();
                *to = [r, g, b];
            }
        });
    }
}
