use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_values;
use super::table::{SIZE, normal_quantiles};

/// Standard deviation, in units of the full range, of the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [0.08, 0.12, 0.18, 0.26, 0.38];

/// Gaussian noise: *y = floor(clip(x + 255 σ n, 0, 255))*, *n* standard normal, independent for every value.
///
/// The fraction is cut off, not rounded, as in the reference, which darkens by half a grey level. σ grows in straight
/// lines between the published levels, from 0.
#[derive(Default)]
pub(in crate::corruption) struct GaussianNoise {
    severity: Option<Severity>,
    /// Noise in whole grey levels, by sixteen random bits.
    table: Vec<i16>,
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
            let sigma = 255.0 * severity.interpolate(0.0, SIGMA);
            self.table.clear();
            self.table.extend(normal_quantiles().iter().map(|n| (sigma * f64::from(*n)).floor() as i16));
            self.severity = Some(severity);
        }
        if let Ok(table) = <&[i16; SIZE]>::try_from(self.table.as_slice()) {
            map_values(picture, context, |value, random| {
                (i16::from(value) + table[usize::from(random)]).clamp(0, 255) as u8
            });
        }
        Ok(Delivery::Deliver)
    }
}
