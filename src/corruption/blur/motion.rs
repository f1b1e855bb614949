use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::fixed::{FRACTION_BITS, TILE, add_tile, convert, fraction, grey, lost, scaled, tile, weight};
use super::rounding;
use super::separable::Border;

/// Radius of the kernel in pixels, at the published levels (`imagecorruptions` 1.1.2).
const RADIUS: [f64; 5] = [10.0, 15.0, 15.0, 15.0, 20.0];

/// Standard deviation along the line in pixels, at the published levels.
const SIGMA: [f64; 5] = [3.0, 5.0, 8.0, 12.0, 15.0];

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 16;

/// Motion blur: *y = floor(Σ k(i) x(p + i d))*, *k* one half of a Gaussian, *d* a direction drawn between −45° and 45°, steps
/// rounded to whole pixels, the border repeated.
///
/// Radius and σ grow in straight lines, between levels the last tap by parts; below level 1 the radius is that of level 1 while σ
/// grows from 0. Bound by one multiplication per value and tap, of which there are 21 to 41.
#[derive(Default)]
pub(in crate::corruption) struct MotionBlur {
    /// The picture in fixed point, each row repeated at both ends far enough for every step.
    rows: Vec<u16>,
}

pub(in crate::corruption) fn motion_blur() -> MotionBlur {
    MotionBlur::default()
}

/// One tap: where from, and its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::corruption) struct Tap {
    pub(in crate::corruption) dx: i32,
    pub(in crate::corruption) dy: i32,
    pub(in crate::corruption) weight: f32,
}

/// The taps of a line at `angle` degrees for a picture of `width` × `height` pixels: 2 `radius` + 1 of them, the last one by
/// part where that is no whole number.
pub(in crate::corruption) fn taps(radius: f64, sigma: f64, angle: f64, width: u32, height: u32) -> Vec<Tap> {
    let length = 2.0 * radius.max(0.0) + 1.0;
    let weight = |i: i32| {
        let part = (length - f64::from(i)).min(1.0);
        let gauss = if i == 0 { 1.0 } else { (-0.5 * (f64::from(i) / sigma).powi(2)).exp() };
        part * gauss
    };
    let count = length.ceil() as i32;
    let sum: f64 = (0..count).map(weight).sum();
    let (sin, cos) = angle.to_radians().sin_cos();
    let step = |i: i32, part: f64| (f64::from(i) * part - 0.5).ceil() as i32;
    (0..count)
        .map(|i| Tap { dx: step(i, cos), dy: step(i, sin), weight: (weight(i) / sum) as f32 })
        // As the reference does, a motion that leaves the picture is cut short.
        .take_while(|tap| tap.dx.unsigned_abs() < width && tap.dy.unsigned_abs() < height)
        .collect()
}

impl Kernel for MotionBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let whole = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
        let scale = context.scale(picture);
        let radius = whole.interpolate(0.0, RADIUS) * scale;
        let sigma = severity.interpolate(0.0, SIGMA) * scale;
        let share = (context.rng(0).next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let taps = taps(radius, sigma, -45.0 + 90.0 * share, picture.width(), picture.height());
        self.along(picture, &taps, fraction(rounding(severity)));
        Ok(Delivery::Deliver)
    }
}

impl MotionBlur {
    /// Sums up the weighted copies; `rounding` is added before fractions are cut off.
    pub(super) fn along(&mut self, picture: &mut Picture, taps: &[Tap], rounding: u16) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let margin = taps.iter().map(|tap| tap.dx.unsigned_abs() as usize).max().unwrap_or(0);
        // Tiles may read, though not use, what lies behind the right margin.
        let stride = (width * 3).next_multiple_of(TILE) + 2 * margin * 3;
        self.rows.resize(stride * height, 0);
        let sources = picture.data().par_chunks(width * 3);
        self.rows.par_chunks_mut(stride).zip(sources).for_each(|(row, source)| {
            for (to, from) in row.get_mut(margin * 3..).unwrap_or_default().iter_mut().zip(source) {
                *to = u16::from(*from) << FRACTION_BITS;
            }
            Border::Repeat.fill(row, margin, width);
        });
        let weights: Vec<u16> = taps.iter().map(|tap| weight(f64::from(tap.weight))).collect();
        let total = taps.iter().map(|tap| f64::from(tap.weight)).sum::<f64>();
        let flat = |value: u16| weights.iter().map(|weight| scaled(value, *weight)).sum();
        let start = rounding + lost(flat, |value| (f64::from(value) * total).round() as u16);
        let rows = &self.rows;
        picture.data_mut().par_chunks_mut(width * 3 * BLOCK_ROWS).enumerate().for_each(|(block, out)| {
            for first in (0..width * 3).step_by(TILE) {
                for (i, out) in out.chunks_exact_mut(width * 3).enumerate() {
                    let y = (block * BLOCK_ROWS + i) as isize;
                    let mut sums = [start; TILE];
                    for (tap, weight) in taps.iter().zip(&weights) {
                        let row = Border::Repeat.index(y + tap.dy as isize, height) * stride;
                        let column = first + (margin as isize + tap.dx as isize) as usize * 3;
                        if let Some(values) = tile(rows, row + column) {
                            add_tile(&mut sums, values, *weight);
                        }
                    }
                    convert(&sums, out.get_mut(first..).unwrap_or_default(), grey);
                }
            }
        });
    }
}
