//! Layers of one channel in single precision, and how they are made.

use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::blur::Tap;
use crate::corruption::context::Context;

/// A layer of `width` × `height` values.
#[derive(Debug, Clone, Default)]
pub(super) struct Plane {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) values: Vec<f32>,
}

impl Plane {
    pub(super) fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.values.resize(width * height, 0.0);
    }

    /// Fills the plane with independent normal values, row by row from lanes of their own.
    pub(super) fn fill_normal(&mut self, context: &Context, first_lane: u64, mean: f32, deviation: f32) {
        let quantiles = crate::corruption::noise::normal_quantiles();
        self.values.par_chunks_mut(self.width.max(1)).enumerate().for_each(|(row, values)| {
            let mut rng = context.weather_rng(first_lane + row as u64);
            for four in values.chunks_mut(4) {
                let random = rng.next_u64();
                for (i, value) in four.iter_mut().enumerate() {
                    let quantile = quantiles.get(usize::from((random >> (16 * i)) as u16));
                    *value = mean + deviation * quantile.copied().unwrap_or(0.0);
                }
            }
        });
    }

    pub(super) fn row(&self, y: usize) -> &[f32] {
        self.values.get(y * self.width..(y + 1) * self.width).unwrap_or_default()
    }

    /// Enlarges the plane bilinearly to `width` × `height`, `step` source pixels per pixel, starting at the upper left.
    pub(super) fn enlarge(&self, step_x: f64, step_y: f64, out: &mut Plane, width: usize, height: usize) {
        out.resize(width, height);
        let columns: Vec<(usize, usize, f32)> =
            (0..width).map(|x| between(x as f64 * step_x, self.width)).collect();
        out.values.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, row)| {
            let (upper, lower, share) = between(y as f64 * step_y, self.height);
            let source = |y: usize| self.values.get(y * self.width..(y + 1) * self.width).unwrap_or_default();
            let (upper, lower) = (source(upper), source(lower));
            for (value, (left, right, along)) in row.iter_mut().zip(&columns) {
                let at = |row: &[f32]| match (row.get(*left), row.get(*right)) {
                    (Some(left), Some(right)) => left + (right - left) * along,
                    _ => 0.0,
                };
                let (upper, lower) = (at(upper), at(lower));
                *value = upper + (lower - upper) * share;
            }
        });
    }

    /// Sums weighted copies displaced by the taps; repeated in all directions, so that it has no seam when it moves.
    pub(super) fn smear(&self, taps: &[Tap], out: &mut Plane) {
        out.resize(self.width, self.height);
        let (width, height) = (self.width as i64, self.height as i64);
        out.values.par_chunks_mut(self.width.max(1)).enumerate().for_each(|(y, row)| {
            row.fill(0.0);
            for tap in taps {
                let from = (y as i64 + i64::from(tap.dy)).rem_euclid(height.max(1)) as usize;
                let source = self.values.get(from * self.width..(from + 1) * self.width).unwrap_or_default();
                let split = i64::from(tap.dx).rem_euclid(width.max(1)) as usize;
                let (head, tail) = source.split_at(split.min(source.len()));
                let (first, second) = row.split_at_mut(tail.len());
                add(first, tail, tap.weight);
                add(second, head, tap.weight);
            }
        });
    }
}

fn add(to: &mut [f32], from: &[f32], weight: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from * weight;
    }
}

/// The two neighbours of a place along a side, and the share of the second.
fn between(place: f64, side: usize) -> (usize, usize, f32) {
    let last = side.saturating_sub(1);
    let first = (place.max(0.0) as usize).min(last);
    (first, (first + 1).min(last), (place - first as f64).clamp(0.0, 1.0) as f32)
}
