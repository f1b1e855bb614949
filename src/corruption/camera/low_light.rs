use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::noise::normal_quantiles;
use crate::corruption::{CorruptionError, Picture, Severity};

/// Share of the light that is left, at the levels.
const LIGHT: [f64; 5] = [0.25, 0.12, 0.06, 0.03, 0.015];

/// Electrons that a pixel holds when it is full, and the read noise, of a usual automotive sensor.
const FULL_WELL_E: f64 = 10_000.0;
const READ_NOISE_E: f64 = 4.0;

/// Share of the lost light that the camera's gain gives back, on a logarithmic scale.
const GAIN: f64 = 0.5;

/// Rows that share one stream of random numbers.
const BLOCK_ROWS: usize = 16;

/// Low light: a darker scene, exposed and amplified as cameras do, with photon and read noise in the raw domain.
///
/// A value is brought to linear light (sRGB's curve, IEC 61966-2-1), scaled to *e = 10000 x l* electrons, *l* the light that is left,
/// given noise of variance *e + 4²* (photons and read-out, the model of EMVA 1288; the Poisson distribution is taken as normal),
/// amplified by *l*^−½ and brought back. *l* goes from 1 in constant ratios. The two tables of a value's mean and deviation after
/// amplification and one of the curve back make it bound by three look-ups and a random number per value.
#[derive(Default)]
pub(in crate::corruption) struct LowLight {
    severity: Option<Severity>,
    /// By value: mean and standard deviation of the amplified signal, in units of the curve's table.
    signal: Vec<(f32, f32)>,
    curve: Vec<u8>,
}

/// Entries of the curve's table over 0 … 1.
const CURVE: usize = 4096;

pub(in crate::corruption) fn low_light() -> LowLight {
    LowLight::default()
}

impl LowLight {
    fn prepare(&mut self, severity: Severity) {
        let light = severity.interpolate_ratio(1.0, LIGHT);
        let gain = light.powf(-GAIN);
        // So that the effect begins from nothing, the noise of a fully lit scene is left out.
        let noise = (1.0 - light).clamp(0.0, 1.0);
        self.signal.clear();
        self.signal.extend((0..256_u32).map(|value| {
            let linear = to_linear(f64::from(value) / 255.0);
            let electrons = FULL_WELL_E * linear * light;
            let deviation = (electrons + READ_NOISE_E * READ_NOISE_E).sqrt() * noise;
            let unit = gain / FULL_WELL_E * (CURVE - 1) as f64;
            ((electrons * unit) as f32, (deviation * unit) as f32)
        }));
        self.curve.clear();
        let entry = |i: usize| (to_srgb(i as f64 / (CURVE - 1) as f64) * 255.0).round() as u8;
        self.curve.extend((0..CURVE).map(entry));
        self.severity = Some(severity);
    }
}

fn to_linear(value: f64) -> f64 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

fn to_srgb(value: f64) -> f64 {
    if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 }
}

impl Kernel for LowLight {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            self.prepare(severity);
        }
        let quantiles = normal_quantiles();
        let block = picture.width() as usize * 3 * BLOCK_ROWS;
        let this = &*self;
        picture.data_mut().par_chunks_mut(block).enumerate().for_each(|(lane, values)| {
            let mut rng = context.rng(lane as u64);
            for four in values.chunks_mut(4) {
                let random = rng.next_u64();
                for (i, value) in four.iter_mut().enumerate() {
                    let normal =
                        quantiles.get(usize::from((random >> (16 * i)) as u16)).copied().unwrap_or(0.0);
                    let (mean, deviation) = this.signal.get(usize::from(*value)).copied().unwrap_or_default();
                    let signal = (mean + deviation * normal + 0.5).clamp(0.0, (CURVE - 1) as f32) as usize;
                    *value = this.curve.get(signal).copied().unwrap_or(*value);
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corruption::Corruption;
    use crate::corruption::context::tests::context;

    fn moments(severity: f64, value: u8) -> (f64, f64) {
        let mut picture = Picture::from_rgb(100, 100, vec![value; 30_000]).unwrap();
        let severity = Severity::new(severity).unwrap();
        let _ = low_light().apply(&mut picture, severity, &context(Corruption::LowLight, 7, 0)).unwrap();
        let mean = picture.data().iter().map(|v| f64::from(*v)).sum::<f64>() / 3e4;
        let variance = picture.data().iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / 3e4;
        (mean, variance.sqrt())
    }

    #[test]
    fn it_gets_darker_and_noisier() {
        let (mut last_mean, mut last_noise) = (128.0, 0.0);
        for quarter in 1..=20 {
            let (mean, noise) = moments(f64::from(quarter) / 4.0, 128);
            assert!(mean < last_mean + 0.3 && noise > last_noise - 0.2, "{quarter}: {mean} {noise}");
            (last_mean, last_noise) = (mean, noise);
        }
        assert!(last_mean < 60.0 && last_noise > 5.0, "{last_mean} {last_noise}");
    }
}
