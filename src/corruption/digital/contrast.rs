use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::{BLOCK_ROWS, map_pixels};

/// What is left of the contrast, at the published levels (`imagecorruptions` 1.1.2).
const LEFT: [f64; 5] = [0.4, 0.3, 0.2, 0.1, 0.05];

/// Contrast: *y = floor((x − m) c + m)*, *m* the channel's mean over the picture.
///
/// One pass for the means, one through a table per channel; bound by reading the picture twice and writing it once.
#[derive(Default)]
pub(in crate::corruption) struct Contrast;

pub(in crate::corruption) fn contrast() -> Contrast {
    Contrast
}

impl Kernel for Contrast {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let left = severity.interpolate(1.0, LEFT);
        let block = picture.width() as usize * 3 * BLOCK_ROWS;
        // Whole numbers: the sum does not depend on the order in which blocks are added.
        let sums = picture
            .data()
            .par_chunks(block)
            .map(sum_of)
            .reduce(|| [0; 3], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
        let pixels = (picture.data().len() / 3).max(1) as f64;
        let table = sums.map(|sum| {
            let mean = sum as f64 / pixels;
            std::array::from_fn::<u8, 256, _>(|value| {
                ((value as f64 - mean) * left + mean + 1e-6).clamp(0.0, 255.0) as u8
            })
        });
        map_pixels(picture, |pixel| {
            for (value, table) in pixel.iter_mut().zip(&table) {
                *value = table[usize::from(*value)];
            }
        });
        Ok(Delivery::Deliver)
    }
}

fn sum_of(values: &[u8]) -> [u64; 3] {
    let mut sums = [0_u64; 3];
    // Short runs are summed in 32 bits, which vectorises.
    for run in values.chunks(3 * 4096) {
        let mut short = [0_u32; 3];
        for pixel in run.as_chunks::<3>().0 {
            for (sum, value) in short.iter_mut().zip(pixel) {
                *sum += u32::from(*value);
            }
        }
        for (sum, short) in sums.iter_mut().zip(short) {
            *sum += u64::from(short);
        }
    }
    sums
}
