use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

/// Radius of the kernel in pixels, at the published levels (`imagecorruptions` 1.1.2).
const RADIUS: [f64; 5] = [10.0, 15.0, 15.0, 15.0, 20.0];

/// Standard deviation along the line in pixels, at the published levels.
const SIGMA: [f64; 5] = [3.0, 5.0, 8.0, 12.0, 15.0];

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 8;

/// Motion blur: *y = floor(Σ k(i) x(p + i d))*, *k* one half of a Gaussian, *d* a direction drawn between −45° and 45°, steps
/// rounded to whole pixels, the border repeated.
///
/// Radius and σ grow in straight lines; below level 1 the radius is that of level 1 while σ grows from 0. Bound by one
/// multiplication and addition per value and tap, of which there are 21 to 41.
#[derive(Default)]
pub(in crate::corruption) struct MotionBlur {
    /// The picture in single precision, each row repeated at both ends far enough for every step.
    rows: Vec<f32>,
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

/// The taps of a line at `angle` degrees for a picture of `width` × `height` pixels.
pub(in crate::corruption) fn taps(radius: f64, sigma: f64, angle: f64, width: u32, height: u32) -> Vec<Tap> {
    let count = 2 * (radius.round() as i32) + 1;
    let weight = |i: i32| {
        if sigma > 0.0 {
            (-f64::from(i * i) / (2.0 * sigma * sigma)).exp()
        } else {
            f64::from(u8::from(i == 0))
        }
    };
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
        self.along(picture, &taps(radius, sigma, -45.0 + 90.0 * share, picture.width(), picture.height()));
        Ok(Delivery::Deliver)
    }
}

impl MotionBlur {
    pub(in crate::corruption) fn along(&mut self, picture: &mut Picture, taps: &[Tap]) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let reach = taps.iter().map(|tap| tap.dx.unsigned_abs() as usize).max().unwrap_or(0);
        let stride = (width + 2 * reach) * 3;
        self.rows.resize(stride * height, 0.0);
        let source = picture.data().par_chunks(width * 3);
        self.rows.par_chunks_mut(stride).zip(source).for_each(|(row, values)| {
            let (left, rest) = row.split_at_mut(reach * 3);
            let (middle, right) = rest.split_at_mut(width * 3);
            for (to, from) in middle.iter_mut().zip(values) {
                *to = f32::from(*from);
            }
            let (first, last) = (&middle[..3], &middle[width * 3 - 3..]);
            left.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(first));
            right.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(last));
        });
        let rows = &self.rows;
        picture.data_mut().par_chunks_mut(width * 3 * BLOCK_ROWS).enumerate().for_each_init(
            || vec![0_f32; width * 3],
            |sum, (block, values)| {
                for (i, out) in values.chunks_exact_mut(width * 3).enumerate() {
                    let y = (block * BLOCK_ROWS + i) as i64;
                    // 1e-3 keeps what is exact in the reference from being cut off to the value below.
                    sum.fill(1e-3);
                    for tap in taps {
                        let from = (y + i64::from(tap.dy)).clamp(0, height as i64 - 1) as usize;
                        let start = from * stride + ((reach as i64 + i64::from(tap.dx)) * 3) as usize;
                        let Some(row) = rows.get(start..start + width * 3) else { continue };
                        for (sum, value) in sum.iter_mut().zip(row) {
                            *sum += value * tap.weight;
                        }
                    }
                    for (to, sum) in out.iter_mut().zip(sum.iter()) {
                        *to = *sum as u8;
                    }
                }
            },
        );
    }
}
