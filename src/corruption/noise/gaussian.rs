use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_values;
use super::normal::NormalTable;

/// Standard deviation, in units of the full range, of the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [0.08, 0.12, 0.18, 0.26, 0.38];

/// Gaussian noise: *y = floor(clip(x + 255 σ n, 0, 255))*, *n* standard normal, independent for every value.
///
/// The fraction is cut off, not rounded, as in the reference, which darkens by half a grey level. σ grows in straight
/// lines between the published levels, from 0. Bound by one look-up per value in a table of 16 KiB; adding and clipping
/// are vector instructions.
#[derive(Default)]
pub(in crate::corruption) struct GaussianNoise {
    severity: Option<Severity>,
    /// Noise in whole grey levels.
    noise: NormalTable,
}

pub(in crate::corruption) fn gaussian_noise() -> GaussianNoise {
    GaussianNoise::default()
}

impl Kernel for GaussianNoise {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            self.noise.prepare(255.0 * severity.interpolate(0.0, SIGMA));
            self.severity = Some(severity);
        }
        let noise = &self.noise;
        map_values(picture, context, |values, random| {
            let drawn = noise.draw(random);
            for (value, noise) in values.iter_mut().zip(&drawn) {
                *value = (i16::from(*value) + noise).clamp(0, 255) as u8;
            }
        });
        Ok(Delivery::Deliver)
    }
}
