use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_values;
use super::table::{SIZE, normal_quantiles};

/// Standard deviation of the factor, at the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [0.15, 0.2, 0.35, 0.45, 0.6];

/// Fraction bits of the factor; the largest, 4.3 × 0.6, still fits sixteen bits.
const BITS: u32 = 13;

/// Speckle: noise in proportion to the value, *y = floor(clip(x + x σ n, 0, 255))*, *n* standard normal.
///
/// The product is taken in fixed point with thirteen fraction bits: at most 0.03 grey levels off.
#[derive(Default)]
pub(in crate::corruption) struct SpeckleNoise {
    severity: Option<Severity>,
    /// σ n in fixed point, by sixteen random bits.
    table: Vec<i16>,
}

pub(in crate::corruption) fn speckle_noise() -> SpeckleNoise {
    SpeckleNoise::default()
}

impl Kernel for SpeckleNoise {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            let sigma = severity.interpolate(0.0, SIGMA) * f64::from(1 << BITS);
            self.table.clear();
            self.table.extend(normal_quantiles().iter().map(|n| (sigma * f64::from(*n)).round() as i16));
            self.severity = Some(severity);
        }
        if let Ok(table) = <&[i16; SIZE]>::try_from(self.table.as_slice()) {
            map_values(picture, context, |value, random| {
                let value = i32::from(value);
                // An arithmetic shift rounds towards minus infinity, as floor does.
                (value + ((value * i32::from(table[usize::from(random)])) >> BITS)).clamp(0, 255) as u8
            });
        }
        Ok(Delivery::Deliver)
    }
}
