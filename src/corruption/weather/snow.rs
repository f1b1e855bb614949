use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::blur::taps;
use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::plane::Plane;
use super::{LayerKey, moved};

/// At the published levels (`imagecorruptions` 1.1.2): mean of the noise that flakes are made of,
const MEAN: [f64; 5] = [0.1, 0.2, 0.55, 0.55, 0.55];
/// its enlargement,
const ZOOM: [f64; 5] = [3.0, 2.0, 4.0, 4.5, 2.5];
/// the value from which it is a flake,
const THRESHOLD: [f64; 5] = [0.5, 0.5, 0.9, 0.85, 0.85];
/// length and spread of their fall, pixels,
const RADIUS: [f64; 5] = [10.0, 12.0, 12.0, 12.0, 12.0];
const SIGMA: [f64; 5] = [4.0, 4.0, 8.0, 8.0, 12.0];
/// and how much of the scene keeps its own brightness.
const KEPT: [f64; 5] = [0.8, 0.7, 0.7, 0.65, 0.55];

/// Standard deviation of the noise.
const DEVIATION: f32 = 0.3;

/// Speed at which coherent snow falls, picture heights per second.
const FALL_HEIGHTS_S: f64 = 0.6;

/// Snow: *y = floor(255 (k x + (1 − k) max(x, 1.5 g + 0.5) + s + s'))*, *g* the pixel's grey, *s* the layer of flakes, *s'* the same
/// turned by half a turn.
///
/// The layer is normal noise, enlarged, cut off below a threshold and smeared in the direction of the fall, which is drawn within 45° of
/// straight down, as in the reference. Between levels the parameters are those of the level above, the flakes' and the whitening's
/// strength in proportion to the level below; so that it grows steadily although the published levels use quite different flakes.
/// In coherent mode the layer is drawn once and falls.
#[derive(Default)]
pub(in crate::corruption) struct Snow {
    key: Option<LayerKey>,
    noise: Plane,
    flakes: Plane,
    layer: Plane,
}

pub(in crate::corruption) fn snow() -> Snow {
    Snow::default()
}

impl Kernel for Snow {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let upper = Severity::new(severity.value().ceil()).unwrap_or(severity);
        let key = LayerKey::of(upper, picture, context);
        if self.key != Some(key) {
            self.draw(picture, upper, context);
            self.key = Some(key);
        }
        // Within a level, how far between what it and the level below add on average.
        let added = |level: f64| {
            Severity::new(level).map_or(0.0, |s| s.interpolate(0.0, [0.10, 0.22, 0.26, 0.36, 0.55]))
        };
        let strength =
            severity.interpolate(0.0, [0.10, 0.22, 0.26, 0.36, 0.55]) / added(upper.value()).max(1e-9);
        let kept = severity.interpolate(1.0, KEPT) as f32;
        self.blend(picture, strength as f32, kept, context);
        Ok(Delivery::Deliver)
    }
}

impl Snow {
    fn draw(&mut self, picture: &Picture, level: Severity, context: &Context) {
        let at = |values| level.interpolate(0.0, values);
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let scale = context.scale(picture);
        let zoom = at(ZOOM) * scale.max(0.25);
        let part = |side: usize| ((side as f64 / zoom).ceil() as usize).max(2);
        self.noise.resize(part(width), part(height));
        self.noise.fill_normal(context, 16, at(MEAN) as f32, DEVIATION);
        let step = |part: usize| {
            let enlarged = (part as f64 * zoom).round().max(2.0);
            (part as f64 - 1.0) / (enlarged - 1.0)
        };
        let (step_x, step_y) = (step(self.noise.width), step(self.noise.height));
        self.noise.enlarge(step_x, step_y, &mut self.flakes, width, height);
        let threshold = at(THRESHOLD) as f32;
        self.flakes.values.par_iter_mut().for_each(|value| {
            *value = if *value < threshold { 0.0 } else { value.min(1.0) };
        });
        let share = (context.weather_rng(0).next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let angle = -135.0 + 90.0 * share;
        let taps = taps(at(RADIUS) * scale, at(SIGMA) * scale, angle, picture.width(), picture.height());
        self.flakes.smear(&taps, &mut self.layer);
        self.layer.values.par_iter_mut().for_each(|value| *value = (*value * 255.0).round() / 255.0);
    }

    fn blend(&self, picture: &mut Picture, strength: f32, kept: f32, context: &Context) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let fall = moved(context, FALL_HEIGHTS_S * height as f64) as i64;
        let layer = |y: i64| {
            let y = y.rem_euclid(height.max(1) as i64) as usize;
            self.layer.values.get(y * width..(y + 1) * width).unwrap_or_default()
        };
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            let y = y as i64 - fall;
            let (falling, turned) = (layer(y), layer(height as i64 - 1 - y));
            let flakes = falling.iter().zip(turned.iter().rev());
            for (pixel, (a, b)) in row.as_chunks_mut::<3>().0.iter_mut().zip(flakes) {
                let [red, green, blue] = pixel.map(f32::from);
                // ITU-R BT.601, as OpenCV's RGB2GRAY.
                let grey = 0.299 * red + 0.587 * green + 0.114 * blue;
                let white = grey * 1.5 + 127.5;
                let flakes = 255.0 * (a + b) * strength + 1e-3;
                for value in pixel {
                    let x = f32::from(*value);
                    *value = (kept * x + (1.0 - kept) * x.max(white) + flakes).min(255.0) as u8;
                }
            }
        });
    }
}
