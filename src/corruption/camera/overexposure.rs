use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::coarse::Coarse;
use super::light::Curve;
use super::side;

/// Stops too long, at the levels.
const STOPS: [f64; 5] = [0.6, 1.2, 1.8, 2.5, 3.3];

/// Share of the light beyond white that spreads near, and far,
const BLOOM: [f32; 2] = [0.06, 0.03];
/// and how far: standard deviations in shares of the shorter side.
const REACH: [f64; 2] = [0.015, 0.07];

/// Pixels to a side of the cells that bloom is computed in.
const CELL: usize = 8;

/// Overexposure: *y = C(min(g E + b, 1))*, *E* the pixel's linear light, *g = 2^stops*, *b* the bloom, *C* the curve of sRGB.
///
/// 0.6, 1.2, 1.8, 2.5, 3.3 stops at the levels, in straight lines from 0. Channels clip one by one, so bright colours wash out. Light
/// beyond white, *max(g E − 1, 0)*, is scattered in lens and sensor: 6 % of it falls near (σ 1.5 % of the shorter side), 3 % far
/// (σ 7 %). Light that the picture had clipped already is not known, so its bloom is that of white. Bound by three look-ups
/// per value, one of them for the bloom's source.
#[derive(Default)]
pub(in crate::corruption) struct Overexposure {
    near: Coarse<3>,
    far: Coarse<3>,
}

pub(in crate::corruption) fn overexposure() -> Overexposure {
    Overexposure::default()
}

impl Kernel for Overexposure {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let gain = severity.interpolate(0.0, STOPS).exp2() as f32;
        let curve = Curve::get();
        let beyond: [f32; 256] =
            std::array::from_fn(|value| (gain * curve.linear(value as u8) - 1.0).max(0.0));
        self.near.gather(picture, CELL, |pixel| pixel.map(|value| beyond[usize::from(value)]));
        self.far.resize(picture, CELL);
        self.far.values.copy_from_slice(&self.near.values);
        let cells = side(picture) / CELL as f64;
        self.near.blur(REACH[0] * cells);
        self.far.blur(REACH[1] * cells);
        for (near, far) in self.near.values.iter_mut().zip(&self.far.values) {
            *near = std::array::from_fn(|c| near[c] * BLOOM[0] + far[c] * BLOOM[1]);
        }
        let brighter: [f32; 256] = std::array::from_fn(|value| gain * curve.linear(value as u8));
        let bloom = &self.near;
        let width = picture.width() as usize;
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            bloom.along(y, row, |_, pixel, bloom| {
                for (value, bloom) in pixel.iter_mut().zip(bloom) {
                    *value = curve.encode(brighter[usize::from(*value)] + bloom);
                }
            });
        });
        Ok(Delivery::Deliver)
    }
}
