use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::coarse::Coarse;
use super::light::Curve;
use super::{StreamKey, side, smoothstep, uniform};

/// How much dirt there is, in units of the layer's optical density, at the levels.
const AMOUNT: [f64; 5] = [0.25, 0.6, 1.4, 3.0, 6.5];

/// Pixels to a side of the cells that dirt is drawn in; it is out of focus, so it has no finer detail.
const CELL: usize = 4;

/// What dirt throws into the camera of the light around it, by channel: dry mud is a light brown.
const ALBEDO: [f32; 3] = [0.34, 0.28, 0.21];

/// How much more than green the other channels are absorbed.
const ABSORPTION: [f64; 3] = [0.92, 1.0, 1.12];

/// How far dirt is out of focus, and how far away the light comes from that it scatters: shares of the shorter side.
const DEFOCUS: f64 = 0.007;
const AROUND: f64 = 0.12;

/// Lens dirt: *y = C(t E + (1 − t) a S)*, *E* the pixel's linear light, *C* the curve of sRGB, *t = e^(−k D)* what gets through
/// (Beer and Lambert), *S* the scene's light around (σ 12 % of the shorter side), *a* the dirt's albedo: absorption and scattering, as
/// Gu et al. take dirty lenses apart ("Removing image artifacts due to dirty camera lenses", SIGGRAPH Asia 2009). So dirt is
/// dark before the sky and pale before the road.
///
/// The optical density *D* is drawn once for a stream: splashes of mud, specks of dust and an uneven film, out of focus by 0.7 %
/// of the shorter side. The amount *k* is 0.25, 0.6, 1.4, 3, 6.5 at the levels, in straight lines from 0: dense spots show
/// first, thin ones later. Bound by interpolating six values per pixel and by three look-ups per value.
#[derive(Default)]
pub(in crate::corruption) struct LensDirt {
    key: Option<(StreamKey, Severity)>,
    density: Coarse<3>,
    /// What does not get through.
    opacity: Vec<[f32; 3]>,
    around: Coarse<3>,
    /// What gets through, and what is added.
    blend: Coarse<6>,
}

pub(in crate::corruption) fn lens_dirt() -> LensDirt {
    LensDirt::default()
}

/// An irregular spot.
struct Spot {
    x: f64,
    y: f64,
    radius: f64,
    density: f64,
    /// Phases of the waves of its outline.
    phases: [f64; 3],
}

impl Spot {
    /// A spot anywhere, its radius within `radii` in shares of `side`, small ones more often.
    fn new(rng: &mut Xoshiro256PlusPlus, picture: &Picture, radii: [f64; 2], densities: [f64; 2]) -> Self {
        let x = uniform(rng, 0.0, f64::from(picture.width()));
        let y = uniform(rng, 0.0, f64::from(picture.height()));
        let radius = side(picture) * radii[0] * (radii[1] / radii[0]).powf(uniform(rng, 0.0, 1.0).powi(2));
        // Steps of equal ratio: a few spots are much denser than most.
        let density = densities[0] * (densities[1] / densities[0]).powf(uniform(rng, 0.0, 1.0));
        let phases = std::array::from_fn(|_| uniform(rng, 0.0, std::f64::consts::TAU));
        Self { x, y, radius, density, phases }
    }

    fn add_to(&self, plane: &mut Coarse<3>) {
        let cell = plane.cell as f64;
        // Outlines reach up to 1.4 radii.
        let reach = 1.5 * self.radius + cell;
        let range = |centre: f64, cells: usize| {
            let first = ((centre - reach) / cell).floor().max(0.0) as usize;
            let last = ((centre + reach) / cell).ceil().max(0.0) as usize;
            first.min(cells)..last.min(cells)
        };
        let (columns, width) = (range(self.x, plane.width), plane.width);
        for row in range(self.y, plane.height) {
            for column in columns.clone() {
                let (dx, dy) = ((column as f64 + 0.5) * cell - self.x, (row as f64 + 0.5) * cell - self.y);
                let angle = dy.atan2(dx);
                let wave = |n: usize, size: f64| {
                    size * ((n + 2) as f64 * angle + self.phases.get(n).copied().unwrap_or(0.0)).cos()
                };
                let outline = self.radius * (1.0 + wave(0, 0.2) + wave(1, 0.12) + wave(2, 0.08));
                let inside = 1.0 - smoothstep(0.7, 1.0, dx.hypot(dy) / outline.max(1e-9));
                if let Some(density) = plane.values.get_mut(row * width + column) {
                    let added = self.density * inside;
                    *density = std::array::from_fn(|c| density[c] + (added * ABSORPTION[c]) as f32);
                }
            }
        }
    }
}

impl LensDirt {
    fn draw(&mut self, picture: &Picture, context: &Context) {
        let rng = &mut context.stream_rng(0);
        let plane = &mut self.density;
        plane.resize(picture, CELL);
        // The film: coarse uneven blotches, then everything blurred alike.
        plane.values.fill([0.0; 3]);
        for _ in 0..60 {
            Spot::new(rng, picture, [0.06, 0.25], [0.005, 0.04]).add_to(plane);
        }
        plane.blur(side(picture) * 0.05 / CELL as f64);
        let area = f64::from(picture.width()) * f64::from(picture.height()) / side(picture).powi(2);
        let count = |per_square: f64| (per_square * area).round() as usize;
        for _ in 0..count(160.0) {
            Spot::new(rng, picture, [0.003, 0.01], [0.1, 1.5]).add_to(plane);
        }
        for _ in 0..count(12.0) {
            self.splash(picture, rng);
        }
        self.density.blur(side(picture) * DEFOCUS / CELL as f64);
    }
}

impl LensDirt {
    /// A splash of mud: a spot, and smaller ones thrown around it, fewer further away.
    fn splash(&mut self, picture: &Picture, rng: &mut Xoshiro256PlusPlus) {
        let middle = Spot::new(rng, picture, [0.02, 0.13], [0.1, 2.5]);
        middle.add_to(&mut self.density);
        for _ in 0..12 {
            let mut spot = Spot::new(rng, picture, [0.006, 0.03], [0.3, 1.5]);
            let angle = uniform(rng, 0.0, std::f64::consts::TAU);
            let distance = middle.radius * (0.8 + 1.6 * uniform(rng, 0.0, 1.0).powi(2));
            (spot.x, spot.y) = (middle.x + distance * angle.cos(), middle.y + distance * angle.sin());
            spot.radius = spot.radius.min(middle.radius / 2.0);
            spot.density *= middle.density;
            spot.add_to(&mut self.density);
        }
    }
}

impl Kernel for LensDirt {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let key = StreamKey::new(picture, context);
        if self.key.is_none_or(|(known, _)| known != key) {
            self.draw(picture, context);
        }
        if self.key != Some((key, severity)) {
            let amount = severity.interpolate(0.0, AMOUNT) as f32;
            self.opacity.clear();
            self.opacity.extend(self.density.values.iter().map(|d| d.map(|d| -(-amount * d).exp_m1())));
            self.key = Some((key, severity));
        }
        let curve = Curve::get();
        self.around.gather(picture, CELL, |pixel| pixel.map(|value| curve.linear(value)));
        self.around.blur(side(picture) * AROUND / CELL as f64);
        self.blend.resize(picture, CELL);
        let cells = self.blend.values.iter_mut().zip(&self.opacity).zip(&self.around.values);
        for ((blend, [r, g, b]), around) in cells {
            let added = |c: usize, opacity: f32| opacity * ALBEDO[c] * around[c];
            *blend = [1.0 - r, 1.0 - g, 1.0 - b, added(0, *r), added(1, *g), added(2, *b)];
        }
        let blend = &self.blend;
        let width = picture.width() as usize;
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            blend.along(y, row, |_, pixel, blend| {
                for (c, value) in pixel.iter_mut().enumerate() {
                    *value = curve.encode(curve.linear(*value) * blend[c] + blend[c + 3]);
                }
            });
        });
        Ok(Delivery::Deliver)
    }
}
