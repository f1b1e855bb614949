//! What cameras in vehicles do beyond the published corruptions: too little and too much light, the sun, what lies on the
//! lens, defects of the sensor, lamps.
//!
//! None of these has published levels, so the levels are ours: 1 is what a careful viewer notices, 3 what a driver would
//! complain about, 5 what a vehicle should not drive with. They work on linear light: the sRGB curve is undone, light is added,
//! taken away or amplified, and the curve applied again, through tables. Lengths are shares of the picture's shorter side in
//! either [`RadiusMode`](super::RadiusMode), since they stand for angles of the field of view. Sun, dirt, drops and defects are drawn
//! once for a stream and stay in their places in either [`WeatherMode`](super::WeatherMode): that is what tells them from the scene.

mod banding;
mod coarse;
mod dead_pixels;
mod lens_dirt;
mod light;
mod low_light;
mod night_motion;
mod overexposure;
mod sun_glare;
mod water_drops;

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::Picture;
use super::context::Context;

pub(super) use banding::banding;
pub(super) use dead_pixels::dead_pixels;
pub(super) use lens_dirt::lens_dirt;
pub(super) use low_light::low_light;
pub(super) use night_motion::night_motion;
pub(super) use overexposure::overexposure;
pub(super) use sun_glare::sun_glare;
pub(super) use water_drops::water_drops;

/// What a layer that stays over the stream was drawn for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StreamKey {
    width: u32,
    height: u32,
    seed: u64,
    camera: u32,
    position: usize,
}

impl StreamKey {
    fn new(picture: &Picture, context: &Context) -> Self {
        Self {
            width: picture.width(),
            height: picture.height(),
            seed: context.seed,
            camera: context.frame.camera,
            position: context.position,
        }
    }
}

/// Uniform in `low` … `high`.
fn uniform(rng: &mut Xoshiro256PlusPlus, low: f64, high: f64) -> f64 {
    low + (high - low) * ((rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64)
}

/// The picture's shorter side, pixels.
fn side(picture: &Picture) -> f64 {
    f64::from(picture.width().min(picture.height()))
}

/// 0 below `from`, 1 above `to`, and the cubic without kinks between.
fn smoothstep(from: f64, to: f64, x: f64) -> f64 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests;
