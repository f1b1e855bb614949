use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::map_values;

/// Photons that white stands for, at the published levels (`imagecorruptions` 1.1.2).
const PHOTONS: [f64; 5] = [60.0, 25.0, 12.0, 5.0, 3.0];

/// Entries of the guide to each value's distribution.
const GUIDE: usize = 256;

/// Shot noise: *y = floor(255 min(k / c, 1))*, *k* Poisson with mean *c x / 255*, *c* photons for white.
///
/// Noise is proportional to 1/√c, so that is what moves in straight lines between the published levels. Below level 1 the
/// deviations of level 1 are scaled down (*y = x + s (y₁ − x)*, rounded), since ever more photons would need ever larger
/// tables.
///
/// Sampled by inversion with a guide table: for each of the 256 values the cumulative distribution in steps of 1/65536,
/// and for each upper byte of the random number where in it to begin; the search ends within a step or two.
#[derive(Default)]
pub(in crate::corruption) struct ShotNoise {
    severity: Option<Severity>,
    /// By value: where its distribution begins in `thresholds`.
    start: Vec<u32>,
    /// Upper bounds (exclusive) of the random numbers that give 0, 1, 2 … photons; the last one is never reached.
    thresholds: Vec<u32>,
    /// What comes out, for each threshold.
    output: Vec<u8>,
    /// By value and upper byte: the first photon count that is possible.
    guide: Vec<u16>,
}

pub(in crate::corruption) fn shot_noise() -> ShotNoise {
    ShotNoise::default()
}

/// Photons for white; those of level 1 below it.
fn photons(severity: Severity) -> f64 {
    let severity = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
    let photons = severity.interpolate(0.0, PHOTONS.map(|c| c.sqrt().recip())).powi(-2);
    // Where fractions are cut off, a published number must not be missed by a hair.
    let whole = photons.round();
    if (photons - whole).abs() < 1e-6 { whole } else { photons }
}

impl ShotNoise {
    fn prepare(&mut self, severity: Severity) {
        let photons = photons(severity);
        let scale = severity.value().min(1.0);
        self.start.clear();
        self.thresholds.clear();
        self.output.clear();
        self.guide.clear();
        for value in 0..=255_u8 {
            let mean = photons * f64::from(value) / 255.0;
            let start = self.thresholds.len();
            self.start.push(start as u32);
            let mut probability = (-mean).exp();
            let mut cumulative = probability;
            let mut count = 0_u32;
            loop {
                let noisy = (255.0 * (f64::from(count) / photons).min(1.0)).floor();
                let blended = f64::from(value) + scale * (noisy - f64::from(value));
                // At the published levels the blend is exact, and rounding changes nothing.
                self.output.push(blended.round().clamp(0.0, 255.0) as u8);
                let threshold = (cumulative * 65536.0).round();
                if threshold >= 65536.0 || count > 1000 {
                    self.thresholds.push(u32::MAX);
                    break;
                }
                self.thresholds.push(threshold as u32);
                count += 1;
                probability *= mean / f64::from(count);
                cumulative += probability;
            }
            let own = self.thresholds.get(start..).unwrap_or_default();
            for upper in 0..GUIDE {
                let first =
                    own.iter().position(|t| (upper * GUIDE) as u64 <= u64::from(*t).saturating_sub(1));
                self.guide.push(first.unwrap_or(0) as u16);
            }
        }
        self.severity = Some(severity);
    }

    fn sample(&self, value: u8, random: u16) -> u8 {
        let random = u32::from(random);
        let guide = self.guide.get(usize::from(value) * GUIDE + (random >> 8) as usize).copied().unwrap_or(0);
        let mut at = self.start.get(usize::from(value)).copied().unwrap_or(0) as usize + usize::from(guide);
        while self.thresholds.get(at).is_some_and(|threshold| random >= *threshold) {
            at += 1;
        }
        self.output.get(at).copied().unwrap_or(value)
    }
}

impl Kernel for ShotNoise {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            self.prepare(severity);
        }
        let this = &*self;
        map_values(picture, context, |value, random| this.sample(value, random));
        Ok(Delivery::Deliver)
    }
}
