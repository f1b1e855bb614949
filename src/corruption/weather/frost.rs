use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity, WeatherMode};

use super::plane::Plane;

/// Share of the scene and of the ice, at the published levels (`imagecorruptions` 1.1.2).
const SCENE: [f64; 5] = [1.0, 0.8, 0.7, 0.65, 0.6];
const ICE: [f64; 5] = [0.4, 0.6, 0.7, 0.7, 0.75];

/// Mean colour (R, G, B) and standard deviation of the ice, as measured on the reference's five photographs.
const ICES: [([f32; 3], f32); 5] = [
    ([78.0, 149.0, 166.0], 18.0),
    ([201.0, 205.0, 214.0], 22.0),
    ([201.0, 205.0, 214.0], 22.0),
    ([138.0, 153.0, 165.0], 29.0),
    ([112.0, 123.0, 135.0], 43.0),
];

/// Side of the texture; a picture takes a random part of it, repeated where it is larger.
const SIDE: usize = 1024;

/// Scales of the texture; the coarsest has 8 × 8 cells.
const OCTAVES: u32 = 7;

/// Frost: *y = floor(min(a x + b f, 255))*, *f* a picture of ice.
///
/// The reference blends with a random part of one of five photographs (a sixth is never drawn). Here the ice is made: fractal
/// noise whose amplitude halves from scale to scale, the spectrum of the photographs (their power falls with about the square of the
/// frequency or somewhat faster), half of it folded into ridges for crystals, in their mean colours and contrasts. The texture is
/// drawn once (at the first frame); after that it is bound by reading two pictures and writing one. On a lens ice stays: in coherent mode the
/// part is chosen once.
#[derive(Default)]
pub(in crate::corruption) struct Frost {
    texture: Plane,
    seed: Option<u64>,
}

pub(in crate::corruption) fn frost() -> Frost {
    Frost::default()
}

impl Kernel for Frost {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.seed != Some(context.seed) {
            // The same ice for all frames; what differs is the part that is seen.
            let lens = Context { weather_mode: WeatherMode::Coherent, ..*context };
            draw(&mut self.texture, &lens);
            self.seed = Some(context.seed);
        }
        let mut rng = context.weather_rng(0);
        let mut below = |n: usize| (rng.next_u64() % n as u64) as usize;
        let (colour, deviation) = ICES.get(below(ICES.len())).copied().unwrap_or(ICES[0]);
        let (left, top) = (below(SIDE), below(SIDE));
        let (scene, ice) = (severity.interpolate(1.0, SCENE) as f32, severity.interpolate(0.0, ICE) as f32);
        let width = picture.width() as usize;
        let texture = &self.texture.values;
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            let line = (y + top) % SIDE * SIDE;
            let line = texture.get(line..line + SIDE).unwrap_or_default();
            let ice_values = line.iter().cycle().skip(left);
            for (pixel, shade) in row.as_chunks_mut::<3>().0.iter_mut().zip(ice_values) {
                for (value, colour) in pixel.iter_mut().zip(colour) {
                    let frost = (colour + shade * deviation).clamp(0.0, 255.0);
                    *value = (scene * f32::from(*value) + ice * frost + 1e-3).min(255.0) as u8;
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}

/// Draws the texture, of mean 0 and standard deviation 1, repeating in both directions.
fn draw(texture: &mut Plane, context: &Context) {
    texture.resize(SIDE, SIDE);
    texture.values.fill(0.0);
    for octave in 0..OCTAVES {
        let cells = 8_usize << octave;
        let mut grid = Plane::default();
        grid.resize(cells, cells);
        grid.fill_normal(context, u64::from(octave) << 32, 0.0, 1.0);
        let amplitude = 0.5_f32.powi(octave as i32);
        let size = SIDE / cells;
        texture.values.par_chunks_mut(SIDE).enumerate().for_each(|(y, row)| {
            let (cell_y, share_y) = ((y / size) as i64, smooth((y % size) as f32 / size as f32));
            for (x, value) in row.iter_mut().enumerate() {
                let (cell_x, share_x) = ((x / size) as i64, smooth((x % size) as f32 / size as f32));
                let at = |dx: i64, dy: i64| grid.wrapped(cell_x + dx, cell_y + dy);
                let upper = at(0, 0) + (at(1, 0) - at(0, 0)) * share_x;
                let lower = at(0, 1) + (at(1, 1) - at(0, 1)) * share_x;
                let noise = upper + (lower - upper) * share_y;
                // Ridges where the noise changes its sign.
                *value += amplitude * if octave % 2 == 0 { noise } else { 1.0 - 2.0 * noise.abs() };
            }
        });
    }
    let count = texture.values.len().max(1) as f32;
    let mean = texture.values.iter().sum::<f32>() / count;
    let variance = texture.values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / count;
    let scale = variance.sqrt().max(1e-6).recip();
    texture.values.par_iter_mut().for_each(|value| *value = (*value - mean) * scale);
}

/// 3 t² − 2 t³: no edges at the cells' borders.
fn smooth(t: f32) -> f32 {
    t * t * (3.0 - 2.0 * t)
}
