use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_values;
use super::normal::NormalTable;

/// Standard deviation of the factor, at the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [0.15, 0.2, 0.35, 0.45, 0.6];

/// Fraction bits of the factor; the largest, 4.1 × 0.6, still fits sixteen bits.
const BITS: u32 = 13;

/// Speckle: noise in proportion to the value, *y = floor(clip(x + x σ n, 0, 255))*, *n* standard normal.
///
/// The product is taken in fixed point with thirteen fraction bits: at most 0.03 grey levels too low. σ grows in
/// straight lines between the published levels, from 0. Bound by one look-up per value, like Gaussian noise.
#[derive(Default)]
pub(in crate::corruption) struct SpeckleNoise {
    severity: Option<Severity>,
    /// σ n in fixed point.
    factor: NormalTable,
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
            self.factor.prepare(severity.interpolate(0.0, SIGMA) * f64::from(1 << BITS));
            self.severity = Some(severity);
        }
        let factor = &self.factor;
        map_values(picture, context, |values, random| {
            let drawn = factor.draw(random);
            for (value, factor) in values.iter_mut().zip(&drawn) {
                // The upper half of a product of sixteen-bit numbers is one instruction, and rounds towards minus
                // infinity, as floor does.
                let shifted = i16::from(*value) << (16 - BITS);
                let noise = ((i32::from(shifted) * i32::from(*factor)) >> 16) as i16;
                *value = (i16::from(*value) + noise).clamp(0, 255) as u8;
            }
        });
        Ok(Delivery::Deliver)
    }
}
