use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_pixels;

/// Factor and summand of the saturation, at the published levels (`imagecorruptions` 1.1.2).
const LEVELS: [(f32, f32); 5] = [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)];

/// Saturate: the saturation of HSV becomes *clip(a S + b, 0, 1)*; hue and value stay.
///
/// Levels 1 and 2 take colour away, levels 3 to 5 exaggerate it. Between 0 and 1, 1 and 2, 3 and 4, 4 and 5 the parameters
/// move in straight lines. Between 2 and 3 a straight line would lead back through the picture as it was: up to 2.5 it is as
/// at level 2, from there on as at level 3. A grey pixel has hue 0: where *b* is above 0 it turns reddish, as in the
/// reference.
///
/// With hue and value unchanged a channel *x* becomes *V − (V − x) S'/S*, so no conversion is needed: a division and three
/// multiplications per pixel, which is also what bounds it.
#[derive(Default)]
pub(in crate::corruption) struct Saturate;

pub(in crate::corruption) fn saturate() -> Saturate {
    Saturate
}

fn parameters(severity: Severity) -> (f32, f32) {
    let value = severity.value();
    let snapped = if value > 2.0 && value < 3.0 { if value <= 2.5 { 2.0 } else { 3.0 } } else { value };
    let severity = Severity::new(snapped).unwrap_or(severity);
    let factor = severity.interpolate(1.0, LEVELS.map(|(factor, _)| f64::from(factor)));
    let summand = severity.interpolate(0.0, LEVELS.map(|(_, summand)| f64::from(summand)));
    (factor as f32, summand as f32)
}

impl Kernel for Saturate {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let (factor, summand) = parameters(severity);
        map_pixels(picture, |pixel| {
            let largest = f32::from(pixel[0].max(pixel[1]).max(pixel[2]));
            let spread = largest - f32::from(pixel[0].min(pixel[1]).min(pixel[2]));
            // A hair keeps what is exact in double precision from being cut off to the value below.
            if spread > 0.0 {
                let saturation = (spread / largest * factor + summand).clamp(0.0, 1.0);
                let ratio = saturation * largest / spread;
                for value in pixel {
                    *value = (largest - (largest - f32::from(*value)) * ratio + 1e-3) as u8;
                }
            } else {
                let other = (largest * (1.0 - summand.clamp(0.0, 1.0)) + 1e-3) as u8;
                pixel[1] = other;
                pixel[2] = other;
            }
        });
        Ok(Delivery::Deliver)
    }
}
