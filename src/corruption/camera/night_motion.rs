use std::ops::Range;

use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::coarse::Coarse;
use super::light::Curve;
use super::{side, smoothstep, uniform};

/// Share of the scene's light that is left, at the levels,
const LIGHT: [f64; 5] = [0.4, 0.22, 0.12, 0.065, 0.035];
/// and length of the trails, in shares of the shorter side.
const LENGTH: [f64; 5] = [0.02, 0.045, 0.08, 0.12, 0.17];

/// What is left of red, green and blue, relative to the scene's light: a night's is bluish.
const TINT: [f32; 3] = [0.85, 0.95, 1.15];

/// How much brighter than white lamps are.
const LAMP: f32 = 7.0;

/// Rows that trails are computed with, about.
const ROWS: f64 = 240.0;

/// Night motion: *y = C(l E + T)*, *E* the pixel's linear light, *l* what the night leaves of it, *T* the trails of lamps, *C* the curve of
/// sRGB. In an exposure long enough for a night, only what is far brighter than its surroundings leaves a trail that is seen.
///
/// Lamps are small and bright: *L = E max(w − 4 w', 0)*, *w* going from 0 to 1 as the largest channel goes from 0.5 to 0.95 of
/// white, *w'* the same averaged around (σ 3.5 % of the shorter side), which rules out sky and walls. They are seven times as bright as
/// they look, since the picture clipped them, and drawn along a slightly bent path, about horizontal, as the camera turns and
/// shakes: its direction is that of the stream give or take 10° per frame. *l* is 0.4, 0.22, 0.12, 0.065, 0.035 at the levels,
/// in constant ratios; trails are 2, 4.5, 8, 12, 17 % of the shorter side long. Noise is left to
/// [`Corruption::LowLight`](crate::corruption::Corruption::LowLight).
///
/// Bound by four look-ups per value; trails are computed in cells of several pixels.
#[derive(Default)]
pub(in crate::corruption) struct NightMotion {
    lamps: Coarse<3>,
    /// The lamps' largest channel, averaged around.
    around: Coarse<1>,
    /// By row of cells: from where to where there are lamps.
    spans: Vec<Range<usize>>,
    trails: Coarse<3>,
    path: Vec<Tap>,
}

pub(in crate::corruption) fn night_motion() -> NightMotion {
    NightMotion::default()
}

/// One place of the path, in cells, and the share of the exposure spent there.
#[derive(Debug, Clone, Copy)]
struct Tap {
    dx: i32,
    dy: i32,
    weight: f32,
}

impl NightMotion {
    /// Lays the path out over the cells: about one point per cell, each shared among the four cells around it.
    fn lay(&mut self, length: f64, context: &Context) {
        let mut stream = context.stream_rng(0);
        let mut frame = context.rng(0);
        let angle = (uniform(&mut stream, -20.0, 20.0) + uniform(&mut frame, -10.0, 10.0)).to_radians();
        let bend = uniform(&mut frame, -0.25, 0.25);
        let haste = uniform(&mut frame, 0.0, std::f64::consts::TAU);
        let points = length.ceil().max(1.0);
        self.path.clear();
        let mut sum = 0.0;
        for i in 0..=points as usize {
            let u = i as f64 / points - 0.5;
            let (along, across) = (length * u, length * bend * (u * u - 0.25));
            let (sin, cos) = angle.sin_cos();
            let (x, y) = (along * cos - across * sin, along * sin + across * cos);
            // Longer where the camera is slower.
            let spent = 1.0 + 0.5 * (std::f64::consts::TAU * u + haste).cos();
            for (dx, dy) in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)] {
                let (cell_x, cell_y) = (x.floor() + dx, y.floor() + dy);
                let weight = spent * (1.0 - (x - cell_x).abs()) * (1.0 - (y - cell_y).abs());
                self.add(cell_x as i32, cell_y as i32, weight as f32);
                sum += weight;
            }
        }
        for tap in &mut self.path {
            tap.weight *= LAMP / sum as f32;
        }
    }

    fn add(&mut self, dx: i32, dy: i32, weight: f32) {
        match self.path.iter_mut().find(|tap| (tap.dx, tap.dy) == (dx, dy)) {
            Some(tap) => tap.weight += weight,
            None => self.path.push(Tap { dx, dy, weight }),
        }
    }

    /// Adds up the lamps along the path, as seen from each cell.
    fn smear(&mut self, picture: &Picture, cell: usize) {
        let width = self.lamps.width;
        self.spans.clear();
        self.spans.extend(self.lamps.values.chunks_exact(width).map(|row| {
            let lit = |lamp: &[f32; 3]| lamp.iter().any(|light| *light > 0.0);
            let first = row.iter().position(lit).unwrap_or(0);
            first..row.iter().rposition(lit).map_or(0, |last| last + 1)
        }));
        self.trails.resize(picture, cell);
        let (lamps, path, spans) = (&self.lamps.values, &self.path, &self.spans);
        self.trails.values.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
            row.fill([0.0; 3]);
            for tap in path {
                let Some(from) = y.checked_add_signed(tap.dy as isize) else { continue };
                let Some(span) = spans.get(from) else { continue };
                // Where the lamps come to lie that do not leave the picture.
                let shifted = |x: usize| (x as i64 - i64::from(tap.dx)).clamp(0, width as i64) as usize;
                let to = shifted(span.start)..shifted(span.end);
                let first = from as i64 * width as i64 + to.start as i64 + i64::from(tap.dx);
                let source = lamps.get(first.max(0) as usize..).unwrap_or_default();
                let Some(to) = row.get_mut(to) else { continue };
                for (to, from) in to.as_flattened_mut().iter_mut().zip(source.as_flattened()) {
                    *to += from * tap.weight;
                }
            }
        });
    }
}

impl Kernel for NightMotion {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let curve = Curve::get();
        let cell = ((side(picture) / ROWS) as usize).clamp(1, 6);
        let cells = side(picture) / cell as f64;
        // At small severities the trails fade in.
        let fade = severity.value().min(1.0) as f32;
        let brightness: [f32; 256] =
            std::array::from_fn(|value| smoothstep(0.5, 0.95, f64::from(curve.linear(value as u8))) as f32);
        let weight = |pixel: [u8; 3]| brightness[usize::from(pixel[0].max(pixel[1]).max(pixel[2]))];
        self.lamps.gather(picture, cell, |pixel| {
            let weight = weight(pixel);
            pixel.map(|value| weight * curve.linear(value))
        });
        // The largest channel of a lamp's light stands for its weight.
        self.around.resize(picture, cell);
        for (around, lamp) in self.around.values.iter_mut().zip(&self.lamps.values) {
            *around = [lamp[0].max(lamp[1]).max(lamp[2])];
        }
        self.around.blur(0.035 * cells);
        for (lamp, around) in self.lamps.values.iter_mut().zip(&self.around.values) {
            let own = lamp[0].max(lamp[1]).max(lamp[2]);
            let kept = if own > 0.0 { fade * (own - 4.0 * around[0]).max(0.0) / own } else { 0.0 };
            *lamp = lamp.map(|light| light * kept);
        }
        self.lay(severity.interpolate(0.0, LENGTH) * cells, context);
        self.smear(picture, cell);
        let light = severity.interpolate_ratio(1.0, LIGHT) as f32;
        let darker: [f32; 3] = TINT.map(|tint| light * (1.0 + (tint - 1.0) * (1.0 - light)));
        let trails = &self.trails;
        let width = picture.width() as usize;
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            trails.along(y, row, |_, pixel, trail| {
                for (c, value) in pixel.iter_mut().enumerate() {
                    *value = curve.encode(curve.linear(*value) * darker[c] + trail[c]);
                }
            });
        });
        Ok(Delivery::Deliver)
    }
}
