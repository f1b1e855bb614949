use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_values;

/// Share of values that are replaced, at the published levels (`imagecorruptions` 1.1.2).
const SHARE: [f64; 5] = [0.03, 0.06, 0.09, 0.17, 0.27];

/// Salt and pepper: each value, of each channel by itself, becomes 0 or 255, either with half the share's probability.
///
/// The share grows in straight lines from 0, in steps of 1/32768. Bound by the random numbers: all else is two comparisons, by
/// vector instructions.
#[derive(Default)]
pub(in crate::corruption) struct ImpulseNoise;

pub(in crate::corruption) fn impulse_noise() -> ImpulseNoise {
    ImpulseNoise
}

impl Kernel for ImpulseNoise {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let half = (severity.interpolate(0.0, SHARE) * 32768.0).round() as u16;
        map_values(picture, context, |values, random| {
            for (value, random) in values.iter_mut().zip(random) {
                let end = if *random < half { 0 } else { 255 };
                *value = if *random < 2 * half { end } else { *value };
            }
        });
        Ok(Delivery::Deliver)
    }
}
