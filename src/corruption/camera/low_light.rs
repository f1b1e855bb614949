use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::noise::normal_quantiles;
use crate::corruption::{CorruptionError, Picture, Severity};

use super::light::Curve;

/// Share of the light that is left, at the levels.
const LIGHT: [f64; 5] = [0.2, 0.08, 0.03, 0.012, 0.005];

/// Electrons that a photosite holds when it is full, as with a usual automotive sensor of 3 µm.
const FULL_WELL_E: f64 = 10_000.0;

/// Standard deviation of the read noise, electrons.
const READ_NOISE_E: f64 = 3.0;

/// Standard deviation of the noise that a whole row shares, electrons.
const ROW_NOISE_E: f64 = 0.6;

/// White balance: what red, green and blue are multiplied by after read-out, the middle of the ranges that Brooks et al.
/// draw from.
const WHITE_BALANCE: [f64; 3] = [2.1, 1.0, 1.7];

/// Share of the lost stops that the camera's gain gives back.
const GIVEN_BACK: f64 = 0.75;

/// Rows that share one stream of random numbers; fixed, so that the bytes do not depend on the number of threads.
const BLOCK_ROWS: usize = 16;

/// Low light: fewer photons, and a gain that gives back part of the brightness and all of the noise.
///
/// The way back to raw and forth again follows Brooks et al., "Unprocessing Images for Learned Raw Denoising" (CVPR 2019), the noise
/// the linear model of EMVA 1288. A byte is brought to linear light *E* (the curve of sRGB undone), to
/// *e = F l E / w* electrons (full well *F* = 10 000, share of the light *l*, the channel's white balance *w* undone), gets noise of variance
/// *e + r²* (photons, taken as normal; read noise *r* = 3 electrons) and the row's own of 0.6 electrons, is multiplied by
/// *w l^−0.75 / F* and brought back. *l* is 0.2, 0.08, 0.03, 0.012, 0.005 at the levels (2.3 to 7.6 stops), in constant ratios
/// between. Noise that a full exposure has too (*l* = 1) is in the picture already and is taken off the variance, so that the
/// effect begins from nothing.
///
/// Noise is drawn per photosite of an RGGB mosaic and interpolated bilinearly, as demosaicing does: hence it comes in coloured
/// grains larger than a pixel. The scene is not mosaiced a second time.
///
/// Bound by one random number and table look-up per pixel, and two look-ups per value.
#[derive(Default)]
pub(in crate::corruption) struct LowLight {
    severity: Option<Severity>,
    /// By channel and value: linear light and standard deviation that come out.
    signal: Vec<[[f32; 2]; 256]>,
    /// By channel: standard deviation of the row's noise.
    row: [f32; 3],
    /// Standard normal noise of each photosite, with a column more at either side.
    noise: Vec<f32>,
    row_noise: Vec<f32>,
}

pub(in crate::corruption) fn low_light() -> LowLight {
    LowLight::default()
}

impl LowLight {
    fn prepare(&mut self, severity: Severity) {
        let light = severity.interpolate_ratio(1.0, LIGHT);
        let kept = light.powf(1.0 - GIVEN_BACK);
        let curve = Curve::get();
        // Beyond what a full exposure has, in units of the scene's light.
        let photons = 1.0 / light - 1.0;
        let read = 1.0 / (light * light) - 1.0;
        self.signal.clear();
        for balance in WHITE_BALANCE {
            let entry = |value: usize| {
                let linear = f64::from(curve.linear(value as u8));
                let unit = balance / FULL_WELL_E;
                let variance = unit * linear * photons + (unit * READ_NOISE_E).powi(2) * read;
                [(linear * kept) as f32, (variance.sqrt() * kept) as f32]
            };
            self.signal.push(std::array::from_fn(entry));
        }
        self.row = WHITE_BALANCE.map(|w| (w / FULL_WELL_E * ROW_NOISE_E * read.sqrt() * kept) as f32);
        self.severity = Some(severity);
    }

    /// Draws the photosites' noise and the rows'.
    fn draw(&mut self, width: usize, height: usize, context: &Context) {
        let quantiles = normal_quantiles();
        let normal = |random: u64| quantiles.get(usize::from(random as u16)).copied().unwrap_or(0.0);
        let stride = width + 2;
        self.noise.resize(stride * height, 0.0);
        self.row_noise.resize(height, 0.0);
        let blocks =
            self.noise.par_chunks_mut(stride * BLOCK_ROWS).zip(self.row_noise.par_chunks_mut(BLOCK_ROWS));
        blocks.enumerate().for_each(|(lane, (rows, shared))| {
            let mut rng = context.rng(lane as u64);
            for (row, shared) in rows.chunks_exact_mut(stride).zip(shared) {
                *shared = normal(rng.next_u64());
                for four in row.chunks_mut(4) {
                    let random = rng.next_u64();
                    for (i, value) in four.iter_mut().enumerate() {
                        *value = normal(random >> (16 * i));
                    }
                }
                // Mirrored at the border, so that the mosaic goes on.
                row[0] = row[2];
                row[width + 1] = row[width - 1];
            }
        });
    }

    /// A row of noise, mirrored above and below.
    fn noise_row(&self, y: isize, width: usize, height: usize) -> &[f32] {
        let mirrored = if y < 0 { 1 } else { y as usize };
        let mirrored = if mirrored >= height { height - 2 } else { mirrored };
        self.noise.get(mirrored * (width + 2)..(mirrored + 1) * (width + 2)).unwrap_or_default()
    }
}

impl Kernel for LowLight {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if self.severity != Some(severity) {
            self.prepare(severity);
        }
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        self.draw(width, height, context);
        let this = &*self;
        let Ok(signal) = <&[[[f32; 2]; 256]; 3]>::try_from(this.signal.as_slice()) else {
            return Ok(Delivery::Deliver);
        };
        let curve = Curve::get();
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            let at = |dy| this.noise_row(y as isize + dy, width, height);
            let shared = this.row.map(|row| row * this.row_noise.get(y).copied().unwrap_or(0.0));
            let windows = at(-1).windows(3).zip(at(0).windows(3)).zip(at(1).windows(3));
            for (x, (pixel, ((above, own), below))) in
                row.as_chunks_mut::<3>().0.iter_mut().zip(windows).enumerate()
            {
                let (&[al, a, ar], &[l, here, r], &[bl, b, br]) = (above, own, below) else { continue };
                let noise = match (y & 1, x & 1) {
                    (0, 0) => [here, (l + r + a + b) / 4.0, (al + ar + bl + br) / 4.0],
                    (0, _) => [f32::midpoint(l, r), here, f32::midpoint(a, b)],
                    (_, 0) => [f32::midpoint(a, b), here, f32::midpoint(l, r)],
                    _ => [(al + ar + bl + br) / 4.0, (l + r + a + b) / 4.0, here],
                };
                for (c, value) in pixel.iter_mut().enumerate() {
                    let [light, deviation] = signal[c][usize::from(*value)];
                    *value = curve.encode(light + deviation * noise[c] + shared[c]);
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}
