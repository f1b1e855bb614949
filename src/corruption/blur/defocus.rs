use opencv::core::{BORDER_DEFAULT, Mat, MatTraitConst, Size};
use opencv::imgproc;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::cut_off;

/// Radius in pixels, at the published levels (`imagecorruptions` 1.1.2).
const RADIUS: [f64; 5] = [3.0, 4.0, 6.0, 8.0, 10.0];

/// Standard deviation of the blur that softens the disc's edge, at the published levels.
const EDGE: [f64; 5] = [0.1, 0.5, 0.5, 0.5, 0.5];

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 16;

/// Defocus blur: each channel convolved with a disc, its edge softened by a small Gaussian; the border is mirrored.
///
/// The disc holds the whole pixels whose distance from the centre is at most the radius, as in the reference, so between
/// levels it grows pixel by pixel. All its pixels weigh the same, so each of its rows is a difference of two running sums:
/// what bounds it is two additions per value and row of the disc (7 to 21), where a general filter takes one multiplication per pixel of
/// the disc (29 to 317).
#[derive(Default)]
pub(in crate::corruption) struct DefocusBlur {
    /// Running sums along each row, of each channel by itself.
    sums: Vec<u32>,
    disc: Vec<f32>,
    softened: Mat,
}

pub(in crate::corruption) fn defocus_blur() -> DefocusBlur {
    DefocusBlur::default()
}

impl Kernel for DefocusBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let radius = severity.interpolate(0.0, RADIUS) * context.scale(picture);
        // The mirrored border must not be mirrored again.
        let radius = radius.min(f64::from(picture.width().min(picture.height())) - 1.0);
        self.convolve(picture, radius);
        let edge = severity.interpolate(0.0, EDGE);
        let done = self.soften(picture, edge, if radius <= 8.0 { 3 } else { 5 });
        done.map_err(|source| CorruptionError::OpenCv { corruption: "defocus_blur", source })?;
        Ok(Delivery::Deliver)
    }
}

impl DefocusBlur {
    /// The disc's mean around every value, into `self.disc`.
    fn convolve(&mut self, picture: &Picture, radius: f64) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let reach = radius as usize;
        // One more at the left, where every running sum begins at 0.
        let stride = (width + 2 * reach + 1) * 3;
        self.sums.resize(stride * height, 0);
        let rows = picture.data().par_chunks(width * 3);
        self.sums.par_chunks_mut(stride).zip(rows).for_each(|(sums, row)| running_sums(row, reach, sums));

        let half_width = |dy: i64| (radius * radius - (dy * dy) as f64).max(0.0).sqrt() as usize;
        let reach_rows = reach as i64;
        let lines: Vec<(i64, usize)> = (-reach_rows..=reach_rows).map(|dy| (dy, half_width(dy))).collect();
        let area: usize = lines.iter().map(|(_, half)| 2 * half + 1).sum();
        let scale = (area as f32).recip();
        self.disc.resize(width * 3 * height, 0.0);
        let sums = &self.sums;
        self.disc.par_chunks_mut(width * 3 * BLOCK_ROWS).enumerate().for_each_init(
            || vec![0_u32; width * 3],
            |total, (block, values)| {
                for (i, out) in values.chunks_exact_mut(width * 3).enumerate() {
                    let y = (block * BLOCK_ROWS + i) as i64;
                    total.fill(0);
                    for (dy, half) in &lines {
                        let from = mirrored(y + dy, height) * stride;
                        let row = sums.get(from..from + stride).unwrap_or_default();
                        let left = row.get((reach - half) * 3..).unwrap_or_default();
                        let right = row.get((reach + half + 1) * 3..).unwrap_or_default();
                        for ((total, left), right) in total.iter_mut().zip(left).zip(right) {
                            *total += right - left;
                        }
                    }
                    for (out, total) in out.iter_mut().zip(total.iter()) {
                        *out = *total as f32 * scale;
                    }
                }
            },
        );
    }

    fn soften(&mut self, picture: &mut Picture, edge: f64, width: i32) -> opencv::Result<()> {
        let rows = i32::try_from(picture.height())?;
        let flat =
            Mat::new_rows_cols_with_data::<f32>(rows, i32::try_from(picture.width())? * 3, &self.disc)?;
        let disc = flat.reshape(3, rows)?;
        let size = Size::new(width, width);
        imgproc::gaussian_blur(
            &disc,
            &mut self.softened,
            size,
            edge.max(0.01),
            edge.max(0.01),
            BORDER_DEFAULT,
        )?;
        cut_off(&self.softened, picture)
    }
}

/// The row of `row` (three channels) mirrored by `reach` pixels at both ends, summed up from the left.
fn running_sums(row: &[u8], reach: usize, sums: &mut [u32]) {
    let width = row.len() / 3;
    let mut total = [0_u32; 3];
    let pixels = row.as_chunks::<3>().0;
    let mut places = sums.as_chunks_mut::<3>().0.iter_mut();
    if let Some(first) = places.next() {
        *first = total;
    }
    let reach = reach as i64;
    for (x, sum) in (-reach..).zip(places) {
        let pixel = pixels.get(mirrored(x, width)).copied().unwrap_or_default();
        for (total, value) in total.iter_mut().zip(pixel) {
            *total += u32::from(value);
        }
        *sum = total;
    }
}

/// The place within 0 … side − 1 that `at` is mirrored to; the border itself is not repeated (OpenCV's
/// `BORDER_REFLECT_101`).
fn mirrored(at: i64, side: usize) -> usize {
    let last = side as i64 - 1;
    let at = at.abs();
    (if at > last { 2 * last - at } else { at }).clamp(0, last) as usize
}
