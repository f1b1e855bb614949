use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_pixels;

/// Factor and summand of the saturation, at the published levels (`imagecorruptions` 1.1.2).
const LEVELS: [(f64, f64); 5] = [(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)];

/// Fraction bits of the table. A difference of channels times its ratio is at most 255, so the product fits 32 bits.
const BITS: u32 = 22;

/// About 0.0002: keeps what is a whole number from being cut off to the one below.
const HAIR: u32 = 1 << 10;

/// Saturate: the saturation of HSV becomes *clip(a S + b, 0, 1)*; hue and value stay.
///
/// Levels 1 and 2 take colour away, levels 3 to 5 exaggerate it. Between 0 and 1, 1 and 2, 3 and 4, 4 and 5 the parameters
/// move in straight lines. Between 2 and 3 a straight line would lead back through the picture as it was: up to 2.5 it is as
/// at level 2, from there on as at level 3. A grey pixel has hue 0: where *b* is above 0 it turns reddish, as in the
/// reference.
///
/// With hue and value unchanged a channel *x* becomes *V − (V − x) S'/S*, so no conversion is needed: *S'/S* comes from a
/// table by *V* and *V S* (the spread of the channels), in fixed point. Where the exact result is a whole number, the
/// reference's errors of rounding let it cut off to the one below for about half of the values (most of all at level 3, which doubles
/// the saturation exactly); here it stays. Bound by a look-up and three multiplications per pixel.
#[derive(Default)]
pub(in crate::corruption) struct Saturate {
    severity: Option<Severity>,
    /// *S'/S* by spread and largest channel; for spread 0 the new spread itself.
    ratios: Vec<u32>,
}

pub(in crate::corruption) fn saturate() -> Saturate {
    Saturate::default()
}

fn parameters(severity: Severity) -> (f64, f64) {
    let value = severity.value();
    let snapped = if value > 2.0 && value < 3.0 { if value <= 2.5 { 2.0 } else { 3.0 } } else { value };
    let severity = Severity::new(snapped).unwrap_or(severity);
    let factor = severity.interpolate(1.0, LEVELS.map(|(factor, _)| factor));
    (factor, severity.interpolate(0.0, LEVELS.map(|(_, summand)| summand)))
}

impl Saturate {
    fn prepare(&mut self, severity: Severity) {
        let (factor, summand) = parameters(severity);
        let one = f64::from(1 << BITS);
        self.ratios.clear();
        for spread in 0..256_u32 {
            for largest in 0..256_u32 {
                let (spread, largest) = (f64::from(spread), f64::from(largest));
                let ratio = if spread > 0.0 {
                    // Pairs with a spread above the largest channel do not occur.
                    let inverse = (largest / spread).max(1.0);
                    (factor + summand * inverse).min(inverse)
                } else {
                    summand.min(1.0) * largest
                };
                self.ratios.push((ratio * one).round() as u32);
            }
        }
        self.severity = Some(severity);
    }
}

impl Kernel for Saturate {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            self.prepare(severity);
        }
        if let Ok(ratios) = <&[u32; 1 << 16]>::try_from(self.ratios.as_slice()) {
            map_pixels(picture, |pixel| {
                let [red, green, blue] = *pixel;
                let largest = red.max(green).max(blue);
                let spread = largest - red.min(green).min(blue);
                let ratio = ratios[usize::from(spread) << 8 | usize::from(largest)];
                // A grey pixel turns red: the other two channels are a spread of one away, so to speak.
                let grey = u8::from(spread == 0);
                let away = [largest - red, largest - green + grey, largest - blue + grey];
                let top = (u32::from(largest) << BITS) + HAIR;
                *pixel = away.map(|away| (top.saturating_sub(u32::from(away) * ratio) >> BITS) as u8);
            });
        }
        Ok(Delivery::Deliver)
    }
}
