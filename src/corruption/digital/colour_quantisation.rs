use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_pixels;

/// Grey levels per channel, at the levels.
const LEVELS: [f64; 5] = [32.0, 16.0, 8.0, 5.0, 3.0];

/// Colour quantisation: each channel is rounded to the nearest of *n* levels, evenly spread over 0 … 255.
///
/// Not in the published benchmark. *n* goes from 256 through 32, 16, 8, 5 to 3 in constant ratios, rounded to whole numbers.
/// Bound by one table look-up per value.
#[derive(Default)]
pub(in crate::corruption) struct ColourQuantisation;

pub(in crate::corruption) fn colour_quantisation() -> ColourQuantisation {
    ColourQuantisation
}

impl Kernel for ColourQuantisation {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let step = 255.0 / (severity.interpolate_ratio(256.0, LEVELS).round() - 1.0).max(1.0);
        let table: [u8; 256] = std::array::from_fn(|value| {
            ((value as f64 / step).round() * step).round().clamp(0.0, 255.0) as u8
        });
        map_pixels(picture, |pixel| *pixel = pixel.map(|value| table[usize::from(value)]));
        Ok(Delivery::Deliver)
    }
}
