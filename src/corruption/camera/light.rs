//! Bytes to linear light and back.

use std::sync::OnceLock;

/// Steps of linear light that the way back is tabulated for: a fifth of a grey level where the curve is steepest.
const STEPS: usize = 1 << 14;

/// The curve of sRGB (IEC 61966-2-1) as tables, both ways. Black is 0, white is 1.
pub(super) struct Curve {
    linear: [f32; 256],
    encoded: [u8; STEPS],
}

impl Curve {
    pub(super) fn get() -> &'static Self {
        static CURVE: OnceLock<Curve> = OnceLock::new();
        CURVE.get_or_init(|| Self {
            linear: std::array::from_fn(|value| to_linear(value as f64 / 255.0) as f32),
            encoded: std::array::from_fn(|i| {
                (to_encoded(i as f64 / (STEPS - 1) as f64) * 255.0).round() as u8
            }),
        })
    }

    /// The light that a byte stands for.
    #[inline]
    pub(super) fn linear(&self, value: u8) -> f32 {
        self.linear[usize::from(value)]
    }

    /// The byte for an amount of light; what is below black or above white is clipped.
    #[inline]
    pub(super) fn encode(&self, light: f32) -> u8 {
        // Adding 2²³ leaves the rounded integer in the lowest bits: cheaper than a cast, which would have to saturate.
        let rounded = light.clamp(0.0, 1.0) * (STEPS - 1) as f32 + 8_388_608.0;
        self.encoded[rounded.to_bits() as usize & (STEPS - 1)]
    }
}

fn to_linear(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn to_encoded(light: f64) -> f64 {
    if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_were_and_light_is_clipped() {
        let curve = Curve::get();
        for value in 0..=255 {
            assert_eq!(curve.encode(curve.linear(value)), value);
        }
        assert_eq!((curve.encode(-3.0), curve.encode(1e9)), (0, 255));
        assert!((curve.linear(128) - 0.2159).abs() < 1e-3);
    }
}
