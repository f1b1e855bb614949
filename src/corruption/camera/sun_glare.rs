use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::light::Curve;
use super::{StreamKey, side, smoothstep, uniform};

/// How strongly the sun shines through haze and onto the lens, at the levels.
const INTENSITY: [f64; 5] = [0.15, 0.35, 0.7, 1.2, 2.0];

/// Radius of the sun's disc in shares of the shorter side: a quarter degree of a field of view of 40°.
const DISC: f64 = 0.007;

/// Sun glare: *y = C(min(E + i G, 1))*, *E* the pixel's linear light, *G* the light that the sun adds at intensity 1, *C* the curve
/// of sRGB; *i* is 0.15, 0.35, 0.7, 1.2, 2 at the levels, in straight lines from 0.
///
/// *G* is drawn once for a stream. With *r* the distance from the sun in shares of the shorter side, it is the sum of
/// - the disc, far brighter than white;
/// - bloom, *8 (1 + (r / 0.012)²)^−1.2*, which falls off like the stray light of Stiles and Holladay (CIE 146): where it is beyond white
///   it clips, so the white patch grows with the intensity;
/// - veiling glare, *0.45 e^(−r / 0.35) + 0.05*: light that dust and lens surfaces scatter all over the picture, which lifts blacks and
///   takes contrast;
/// - the diffraction spikes of a diaphragm of seven blades, fourteen in number;
/// - ghosts: faint coloured images of the diaphragm, from reflections between lens surfaces, on the line through sun
///   and picture centre (Hullin et al., SIGGRAPH 2011, trace them; here they are drawn).
///
/// The sun stands in the upper third of the picture. Bound by reading the layer (12 bytes per pixel) and two look-ups per value.
#[derive(Default)]
pub(in crate::corruption) struct SunGlare {
    key: Option<StreamKey>,
    layer: Vec<[f32; 3]>,
}

pub(in crate::corruption) fn sun_glare() -> SunGlare {
    SunGlare::default()
}

/// An image of the diaphragm.
struct Ghost {
    x: f64,
    y: f64,
    radius: f64,
    colour: [f64; 3],
}

struct Sun {
    x: f64,
    y: f64,
    side: f64,
    /// Direction of the first spike, radians.
    turn: f64,
    ghosts: Vec<Ghost>,
}

/// Places of ghosts on the line from the sun (−1) through the centre (0), and the colours of their coatings.
const GHOSTS: [(f64, f64, [f64; 3]); 7] = [
    (-0.55, 0.020, [0.9, 0.7, 0.3]),
    (-0.25, 0.045, [0.3, 0.6, 0.35]),
    (0.3, 0.025, [0.9, 0.45, 0.25]),
    (0.5, 0.060, [0.25, 0.5, 0.4]),
    (0.85, 0.035, [0.35, 0.45, 0.9]),
    (1.15, 0.110, [0.5, 0.3, 0.5]),
    (1.45, 0.050, [0.3, 0.65, 0.45]),
];

impl Sun {
    fn new(picture: &Picture, rng: &mut Xoshiro256PlusPlus) -> Self {
        let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
        let x = width * uniform(rng, 0.2, 0.8);
        let y = height * uniform(rng, 0.08, 0.33);
        let side = side(picture);
        let ghost = |(place, radius, colour): (f64, f64, [f64; 3])| Ghost {
            x: width / 2.0 + place * (width / 2.0 - x),
            y: height / 2.0 + place * (height / 2.0 - y),
            radius: radius * side * uniform(rng, 0.8, 1.25),
            // The same light in a smaller image is brighter.
            colour: colour.map(|c| c * 0.09 * (0.04 / radius).sqrt()),
        };
        let ghosts = GHOSTS.into_iter().map(ghost).collect();
        Self { x, y, side, turn: uniform(rng, 0.0, std::f64::consts::TAU), ghosts }
    }

    fn light(&self, x: f64, y: f64) -> [f32; 3] {
        let (dx, dy) = (x - self.x, y - self.y);
        let r = dx.hypot(dy) / self.side;
        let disc = 60.0 * (1.0 - smoothstep(DISC * 0.8, DISC * 1.2, r));
        let bloom = 8.0 * (1.0 + (r / 0.012).powi(2)).powf(-1.2);
        let veil = 0.45 * (-r / 0.35).exp() + 0.05;
        let angle = dy.atan2(dx) - self.turn;
        // Spikes keep about the same width, so they fill less of the circle further out.
        let sharpness = 12.0 + 2500.0 * r;
        let spike = (7.0 * angle).cos().abs().powf(sharpness) * 0.9 * (-r / 0.09).exp();
        // What is scattered is yellowish, as sunlight low in the sky.
        let scattered = |bloom_tint, veil_tint| disc + spike + bloom_tint * bloom + veil_tint * veil;
        let mut light = [scattered(1.0, 1.0), scattered(0.97, 0.95), scattered(0.9, 0.84)];
        for ghost in &self.ghosts {
            let (dx, dy) = ((x - ghost.x) / ghost.radius, (y - ghost.y) / ghost.radius);
            if dx * dx + dy * dy < 1.5 {
                let inside = ghost_profile(dx, dy, self.turn);
                light = std::array::from_fn(|c| light[c] + inside * ghost.colour[c]);
            }
        }
        light.map(|light| light as f32)
    }
}

/// A heptagon with soft edges and a brighter rim; `x` and `y` in its circumradius.
fn ghost_profile(x: f64, y: f64, turn: f64) -> f64 {
    let sector = std::f64::consts::TAU / 7.0;
    let angle = (y.atan2(x) - turn).rem_euclid(sector) - sector / 2.0;
    let distance = x.hypot(y) * angle.cos() / (sector / 2.0).cos();
    (0.55 + 0.45 * smoothstep(0.3, 0.95, distance)) * (1.0 - smoothstep(0.88, 1.02, distance))
}

impl Kernel for SunGlare {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let key = StreamKey::new(picture, context);
        if self.key != Some(key) {
            let sun = Sun::new(picture, &mut context.stream_rng(0));
            self.layer.resize(width * height, [0.0; 3]);
            self.layer.par_chunks_mut(width).enumerate().for_each(|(y, row)| {
                for (x, light) in row.iter_mut().enumerate() {
                    *light = sun.light(x as f64 + 0.5, y as f64 + 0.5);
                }
            });
            self.key = Some(key);
        }
        let intensity = severity.interpolate(0.0, INTENSITY) as f32;
        let curve = Curve::get();
        let rows = picture.data_mut().par_chunks_mut(width * 3).zip(self.layer.par_chunks(width));
        rows.for_each(|(row, layer)| {
            for (pixel, light) in row.as_chunks_mut::<3>().0.iter_mut().zip(layer) {
                for (value, light) in pixel.iter_mut().zip(light) {
                    *value = curve.encode(curve.linear(*value) + intensity * light);
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}
