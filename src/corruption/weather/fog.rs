use std::f64::consts::TAU;

use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity, WeatherMode};

use super::LayerKey;
use super::plasma::Plasma;

/// How much fog is added, at the published levels (`imagecorruptions` 1.1.2).
const DENSITY: [f64; 5] = [1.5, 2.0, 2.5, 2.5, 3.0];

/// By what the fog's variation shrinks from one scale to the next, at the published levels.
const DECAY: [f64; 5] = [2.0, 2.0, 1.7, 1.5, 1.4];

/// How coherent fog drifts: picture widths per second, across and down, for each of its two layers.
const DRIFT_WIDTHS_S: [(f64, f64); 2] = [(0.025, 0.004), (-0.009, 0.007)];

/// Time in which coherent fog goes from one layer to the other and back, seconds.
const PERIOD_S: f64 = 120.0;

/// Steps of the decay at which coherent layers are drawn anew while the severity changes.
const DECAY_STEPS: f64 = 20.0;

/// Fog: *y = floor(255 (x + c p) m / (m + c))*, *p* a plasma fractal between 0 and 1, *m* the picture's largest value, *x* within
/// 0 … 1.
///
/// The fractal is made by the diamond-square method on a torus whose side is the next power of two above the picture's longer
/// side, of which the picture sees the upper left; for pictures that are not square the rest is never seen. It is normalised over
/// the whole torus. The reference's random term is uniform within ± the *square* of a width that starts at 100 and is divided by
/// the decay at each scale; so is ours. Density grows from 0; the decay below level 1 is that of level 1.
///
/// In independent mode the part that is seen is drawn for every frame, which takes about as long as adding it. In coherent mode two
/// tori are drawn once. They drift at different speeds, and fog is *½ + (p₁ − ½) cos φ + (p₂ − ½) sin φ*, *φ* turning
/// slowly with the stamp: of the same contrast at all times, and never the same again. A frame then is bound by reading both
/// layers and the picture.
#[derive(Default)]
pub(in crate::corruption) struct Fog {
    plasma: Plasma,
    key: Option<(LayerKey, f64)>,
    layers: [Vec<u16>; 2],
}

pub(in crate::corruption) fn fog() -> Fog {
    Fog::default()
}

impl Kernel for Fog {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let density = severity.interpolate(0.0, DENSITY) as f32;
        let decay = severity.interpolate(DECAY[0], DECAY);
        let brightest = f32::from(picture.data().par_iter().max().copied().unwrap_or(0)) / 255.0;
        let scale = if brightest > 0.0 { brightest / (brightest + density) } else { 0.0 };
        let added = 255.0 * density * scale;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        if context.weather_mode == WeatherMode::Independent {
            self.plasma.draw(width, height, decay, context, 0);
            let plasma = &self.plasma;
            let (factor, summand) = plasma.normalise();
            picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
                veil(row, scale, plasma.row(y).iter().map(|p| added * (p * factor + summand)));
            });
        } else {
            self.draw_layers(width, height, decay, context);
            let drift = Drift::new(width, height, context);
            let [first, second] = self.layers.each_ref().map(Vec::as_slice);
            picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
                for (from, to) in drift.pieces() {
                    let fog = drift.part(first, 0, from, y).iter().zip(drift.part(second, 1, from, y));
                    let fog = fog.map(|(a, b)| drift.mix(f32::from(*a), f32::from(*b)) * added);
                    veil(row.get_mut(from * 3..to * 3).unwrap_or_default(), scale, fog);
                }
            });
        }
        Ok(Delivery::Deliver)
    }
}

impl Fog {
    fn draw_layers(&mut self, width: usize, height: usize, decay: f64, context: &Context) {
        let steps = (decay * DECAY_STEPS).round();
        let key = LayerKey::new(Severity::MAX, width, height, context);
        if self.key == Some((key, steps)) {
            return;
        }
        let side = width.max(height).next_power_of_two();
        for (layer, lane) in self.layers.iter_mut().zip(0_u64..) {
            self.plasma.draw(side, side, steps / DECAY_STEPS, context, lane << 48);
            let plasma = &self.plasma;
            let (factor, summand) = plasma.normalise();
            layer.resize(side * side, 0);
            layer.par_chunks_mut(side).enumerate().for_each(|(y, row)| {
                for (value, plasma) in row.iter_mut().zip(plasma.row(y)) {
                    *value = ((plasma * factor + summand) * 65535.0) as u16;
                }
            });
        }
        self.key = Some((key, steps));
    }
}

/// Where the two layers of coherent fog are at the frame's time, and how much each counts.
struct Drift {
    side: usize,
    width: usize,
    /// Column and row of the layer that lie at the picture's upper left.
    offsets: [(usize, usize); 2],
    weights: [f32; 2],
    summand: f32,
}

impl Drift {
    fn new(width: usize, height: usize, context: &Context) -> Self {
        let side = width.max(height).next_power_of_two();
        let seconds = context.frame.stamp_ns as f64 / 1e9;
        let offset =
            |share: f64| ((-seconds * share * width as f64).rem_euclid(side as f64) as usize).min(side - 1);
        let (sin, cos) = (TAU * seconds / PERIOD_S).sin_cos();
        Self {
            side,
            width,
            offsets: DRIFT_WIDTHS_S.map(|(across, down)| (offset(across), offset(down))),
            weights: [cos, sin].map(|weight| weight as f32 / 65535.0),
            summand: (0.5 - 0.5 * (cos + sin)) as f32,
        }
    }

    /// Pieces of a row within which neither layer repeats.
    fn pieces(&self) -> [(usize, usize); 3] {
        let [first, second] = self.offsets.map(|(across, _)| (self.side - across).min(self.width));
        let (first, second) = (first.min(second), first.max(second));
        [(0, first), (first, second), (second, self.width)]
    }

    /// A layer's values from column `x` of row `y` on, up to where it repeats.
    fn part<'a>(&self, layer: &'a [u16], which: usize, x: usize, y: usize) -> &'a [u16] {
        let (across, down) = self.offsets[which];
        let row = (y + down) % self.side * self.side;
        layer.get(row + (x + across) % self.side..row + self.side).unwrap_or_default()
    }

    fn mix(&self, first: f32, second: f32) -> f32 {
        (first * self.weights[0] + second * self.weights[1] + self.summand).clamp(0.0, 1.0)
    }
}

/// Adds fog (already scaled) to a row of RGB pixels. The small summand keeps what is whole from falling below.
fn veil(row: &mut [u8], scale: f32, fog: impl Iterator<Item = f32>) {
    for (pixel, fog) in row.as_chunks_mut::<3>().0.iter_mut().zip(fog) {
        for value in pixel {
            *value = (f32::from(*value) * scale + (fog + 1e-3)).min(255.0) as u8;
        }
    }
}
