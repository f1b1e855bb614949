use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::plane::Plane;
use super::{LayerKey, moved};

/// How much fog is added, at the published levels (`imagecorruptions` 1.1.2).
const DENSITY: [f64; 5] = [1.5, 2.0, 2.5, 2.5, 3.0];

/// By what the fog's variation shrinks from one scale to the next, at the published levels.
const DECAY: [f64; 5] = [2.0, 2.0, 1.7, 1.5, 1.4];

/// Speed at which coherent fog drifts across, pixels per second.
const DRIFT_PX_S: f64 = 25.0;

/// Fog: *y = floor(255 (x + c p) m / (m + c))*, *p* a plasma fractal between 0 and 1, *m* the picture's largest value, *x* within
/// 0 … 1.
///
/// The fractal is made by the diamond-square method on a torus whose side is the next power of two above the picture's longer
/// side (Fournier, Fussell & Carpenter, CACM 25(6), 1982). The reference's random term is uniform within ± the *square* of a
/// width that starts at 100 and is divided by the decay at each scale; so is ours. Density grows from 0. Drawn for every frame in
/// independent mode, which is what bounds it there; in coherent mode the torus is drawn once and drifts, and adding it is bound
/// by reading and writing the picture.
#[derive(Default)]
pub(in crate::corruption) struct Fog {
    key: Option<LayerKey>,
    plasma: Plane,
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
        let key = LayerKey::new(severity, picture, context);
        if self.key != Some(key) {
            let side = picture.width().max(picture.height()).next_power_of_two() as usize;
            let whole = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
            draw(&mut self.plasma, side, whole.interpolate(0.0, DECAY), context);
            self.key = Some(key);
        }
        let density = severity.interpolate(0.0, DENSITY) as f32;
        let brightest = f32::from(picture.data().par_iter().max().copied().unwrap_or(0)) / 255.0;
        let scale = if brightest > 0.0 { brightest / (brightest + density) } else { 0.0 };
        let (width, plasma) = (picture.width() as usize, &self.plasma);
        let offset = moved(context, DRIFT_PX_S) as i64;
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            let start = offset.rem_euclid(plasma.width.max(1) as i64) as usize;
            let layer = plasma.values.get(y * plasma.width..(y + 1) * plasma.width).unwrap_or_default();
            let (head, tail) = layer.split_at(start.min(layer.len()));
            let fog = tail.iter().chain(head);
            for (pixel, fog) in row.as_chunks_mut::<3>().0.iter_mut().zip(fog) {
                let added = 255.0 * density * fog * scale + 1e-3;
                for value in pixel {
                    *value = (f32::from(*value) * scale + added).min(255.0) as u8;
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

/// Draws a plasma fractal on a torus of `side` × `side` (a power of two), normalised to 0 … 1.
fn draw(plasma: &mut Plane, side: usize, decay: f64, context: &Context) {
    plasma.resize(side, side);
    let values = &mut plasma.values;
    values.fill(0.0);
    let mut rng = context.weather_rng(0);
    let mut step = side;
    let mut width = 100.0_f64;
    while step >= 2 {
        let amplitude = (width * width) as f32;
        let half = step / 2;
        let mask = side - 1;
        // Centres of the squares, from their four corners.
        for y in (0..side).step_by(step) {
            let below = ((y + step) & mask) * side;
            let row = y * side;
            let to = (y + half) * side + half;
            let mut noise = Noise::new(&mut rng, amplitude);
            for x in (0..side).step_by(step) {
                let right = (x + step) & mask;
                let sum = values[row + x] + values[row + right] + values[below + x] + values[below + right];
                values[to + x] = sum / 4.0 + noise.next();
            }
        }
        // Centres of the diamonds between them, from their four tips.
        for y in (0..side).step_by(half) {
            let odd = (y / half) % 2 == 1;
            let first = if odd { 0 } else { half };
            let (above, below) = (((y + side - half) & mask) * side, ((y + half) & mask) * side);
            let row = y * side;
            let mut noise = Noise::new(&mut rng, amplitude);
            for x in (first..side).step_by(step) {
                let (left, right) = ((x + side - half) & mask, (x + half) & mask);
                let sum = values[row + left] + values[row + right] + values[above + x] + values[below + x];
                values[row + x] = sum / 4.0 + noise.next();
            }
        }
        step = half;
        width /= decay;
    }
    let (least, most) =
        values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let range = if most > least { most - least } else { 1.0 };
    values.par_iter_mut().for_each(|value| *value = (*value - least) / range);
}

/// Uniform numbers within ± an amplitude, four to a word.
struct Noise<'a> {
    rng: &'a mut Xoshiro256PlusPlus,
    amplitude: f32,
    word: u64,
    left: u32,
}

impl<'a> Noise<'a> {
    fn new(rng: &'a mut Xoshiro256PlusPlus, amplitude: f32) -> Self {
        Self { rng, amplitude, word: 0, left: 0 }
    }

    fn next(&mut self) -> f32 {
        if self.left == 0 {
            self.word = self.rng.next_u64();
            self.left = 4;
        }
        self.left -= 1;
        let number = self.word as u16;
        self.word >>= 16;
        (f32::from(number) / 32767.5 - 1.0) * self.amplitude
    }
}
