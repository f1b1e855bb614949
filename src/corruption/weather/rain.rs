use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::blur::taps;
use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::plane::Plane;
use super::{LayerKey, moved};

/// Rates of rainfall that the levels stand for, millimetres per hour: drizzle, moderate, heavy, violent, cloudburst.
const RATE_MM_H: [f64; 5] = [2.5, 7.5, 20.0, 50.0, 100.0];

/// Layers at growing distance: length of the streaks and speed of the fall (picture heights per second), in proportion to the
/// nearest layer, and how many more drops they hold.
const LAYERS: [(f64, f64); 3] = [(1.0, 1.0), (0.55, 3.0), (0.3, 9.0)];

/// Length of the nearest streaks, in picture heights: a drop of 2 mm falls at 6.5 m/s (Gunn & Kinzer, J. Meteor. 6, 1949), which
/// within an exposure of 10 ms at a distance of one metre is about so much of a usual field of view.
const STREAK_HEIGHTS: f64 = 0.06;

/// Speed of the nearest drops, picture heights per second.
const FALL_HEIGHTS_S: f64 = 4.0;

/// Rain: *y = floor(255 (x t + (1 − t) v + s))*, *s* streaks in three layers, *t* the transmission of the veil of distant drops, *v*
/// its brightness (the picture's mean, lifted).
///
/// Extinction by rain is about 0.21 *R*^0.74 dB/km at *R* mm/h in visible light (a fit within the range that Ulbrich & Atlas,
/// J. Clim. Appl. Meteorol. 24, 1985, give for usual drop sizes is 0.2 to 0.3 at exponents of 0.6 to 0.8); *t* is taken over 200 m, as far as objects matter. The number of streaks grows with the
/// square root of *R*. *R* goes in straight lines between the levels. In coherent mode the layers are drawn once and fall,
/// the nearest fastest.
#[derive(Default)]
pub(in crate::corruption) struct Rain {
    key: Option<LayerKey>,
    drops: Plane,
    layers: [Plane; LAYERS.len()],
}

pub(in crate::corruption) fn rain() -> Rain {
    Rain::default()
}

impl Kernel for Rain {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        // The densest rain is drawn; lighter rain is the brighter part of its drops.
        let key = LayerKey::of(Severity::MAX, picture, context);
        if self.key != Some(key) {
            for at in 0..LAYERS.len() {
                self.draw(at, picture, context);
            }
            self.key = Some(key);
        }
        let rate = severity.interpolate(0.0, RATE_MM_H);
        let transmission = 10_f64.powf(-0.21 * rate.powf(0.74) * 0.2 / 10.0) as f32;
        let strength = ((rate / 100.0).sqrt() * 255.0 * 0.55) as f32;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let sum: u64 = picture.data().par_iter().map(|value| u64::from(*value)).sum();
        let veil = (sum as f32 / picture.data().len().max(1) as f32 * 1.15 + 20.0).min(255.0);
        let layers = self.layers.each_ref().map(|layer| layer.values.as_slice());
        let falls: [i64; LAYERS.len()] = std::array::from_fn(|i| {
            moved(context, FALL_HEIGHTS_S * height as f64 * LAYERS.get(i).map_or(1.0, |l| l.0)) as i64
        });
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            let line = |at: usize| {
                let fall = falls.get(at).copied().unwrap_or(0);
                let from = (y as i64 - fall).rem_euclid(height.max(1) as i64) as usize;
                layers.get(at).and_then(|l| l.get(from * width..(from + 1) * width)).unwrap_or_default()
            };
            let streaks = line(0).iter().zip(line(1)).zip(line(2));
            for (pixel, ((near, middle), far)) in row.as_chunks_mut::<3>().0.iter_mut().zip(streaks) {
                let added = (near + middle + far) * strength + (1.0 - transmission) * veil + 1e-3;
                for value in pixel {
                    *value = (f32::from(*value) * transmission + added).min(255.0) as u8;
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

impl Rain {
    fn draw(&mut self, at: usize, picture: &Picture, context: &Context) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (nearness, number) = LAYERS.get(at).copied().unwrap_or((1.0, 1.0));
        let length = (STREAK_HEIGHTS * nearness * height as f64).max(2.0);
        self.drops.resize(width, height);
        self.drops.values.fill(0.0);
        let lane = 1 + at as u64;
        let mut rng = context.weather_rng(lane);
        let mut unit = || (rng.next_u64() >> 40) as f32 / (1_u64 << 24) as f32;
        let count = (width as f64 / 12.0 * number) as usize;
        for _ in 0..count {
            let (x, y, size) = (unit() * width as f32, unit() * height as f32, unit());
            if let Some(value) = self.drops.values.get_mut(y as usize * width + x as usize) {
                // Many small drops, few large ones.
                *value = (0.25 + 0.75 * size * size) * length as f32 * 0.5;
            }
        }
        // All layers fall in one direction, near to straight down.
        let share = (context.weather_rng(0).next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let taps = taps(length / 2.0, length, -100.0 + 20.0 * share, picture.width(), picture.height());
        let layer = self.layers.get_mut(at);
        if let Some(layer) = layer {
            self.drops.smear(&taps, layer);
        }
    }
}
