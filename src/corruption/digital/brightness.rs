use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_pixels;

/// What is added to the value of HSV, at the published levels (`imagecorruptions` 1.1.2).
const ADDED: [f64; 5] = [0.1, 0.2, 0.3, 0.4, 0.5];

/// Brightness: *c* is added to the value of each pixel in HSV, which is clipped to 1; hue and saturation stay.
///
/// With the same hue and saturation the three channels keep their ratios, so that is a multiplication by *V' / V*, where *V*
/// is the largest channel (black becomes grey): a table by *V* and channel instead of two conversions. Bound by three
/// look-ups per pixel in a table of 64 KiB.
#[derive(Default)]
pub(in crate::corruption) struct Brightness {
    severity: Option<Severity>,
    /// What comes out, by the largest channel and the channel's own value.
    table: Vec<u8>,
}

pub(in crate::corruption) fn brightness() -> Brightness {
    Brightness::default()
}

impl Kernel for Brightness {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            let added = severity.interpolate(0.0, ADDED);
            self.table.clear();
            for largest in 0..256_u32 {
                let value = f64::from(largest) / 255.0;
                let brighter = (value + added).min(1.0);
                for channel in 0..256_u32 {
                    // In the order of the reference, whose errors of rounding decide what is cut off where the exact result
                    // is a whole number.
                    let saturation =
                        if channel >= largest { 0.0 } else { (value - f64::from(channel) / 255.0) / value };
                    self.table.push((brighter * (1.0 - saturation) * 255.0) as u8);
                }
            }
            self.severity = Some(severity);
        }
        if let Ok(table) = <&[u8; 1 << 16]>::try_from(self.table.as_slice()) {
            map_pixels(picture, |pixel| {
                let largest = usize::from(pixel[0].max(pixel[1]).max(pixel[2]));
                for value in pixel {
                    *value = table[largest << 8 | usize::from(*value)];
                }
            });
        }
        Ok(Delivery::Deliver)
    }
}
