//! What falls or hangs between camera and scene, or lies on the lens.
//!
//! With [`WeatherMode::Independent`] every frame draws its own layers, as in the reference. With
//! [`WeatherMode::Coherent`] layers are drawn once per camera and severity, and move over the stream by
//! its stamps: snow and rain fall, fog drifts, what lies on the lens stays.

mod fog;
mod frost;
mod plane;
mod plasma;
mod rain;
mod smooth;
mod snow;
mod spatter;
mod water;

use rand::Rng as _;

use super::context::Context;
use super::{Severity, WeatherMode};

pub(super) use fog::fog;
pub(super) use frost::frost;
pub(super) use rain::rain;
pub(super) use snow::snow;
pub(super) use spatter::spatter;

/// What a cached layer was drawn for; it is drawn anew when this changes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct LayerKey {
    severity: Severity,
    width: usize,
    height: usize,
    /// A random number of the layer's: stands for seed, camera and step, and for the frame unless the layer stays.
    randomness: u64,
}

impl LayerKey {
    fn new(severity: Severity, width: usize, height: usize, context: &Context) -> Self {
        Self { severity, width, height, randomness: context.weather_rng(u64::MAX).next_u64() }
    }

    fn of(severity: Severity, picture: &super::Picture, context: &Context) -> Self {
        Self::new(severity, picture.width() as usize, picture.height() as usize, context)
    }
}

/// Pixels that something moving at `speed` pixels per second has moved by the frame's time; 0 where every frame is drawn
/// anew.
fn moved(context: &Context, speed_px_s: f64) -> f64 {
    match context.weather_mode {
        WeatherMode::Independent => 0.0,
        WeatherMode::Coherent => context.frame.stamp_ns as f64 / 1e9 * speed_px_s,
    }
}

#[cfg(test)]
mod tests;
