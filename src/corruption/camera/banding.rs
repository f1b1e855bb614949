use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::noise::normal_quantiles;
use crate::corruption::{CorruptionError, Picture, Severity};

use super::light::Curve;
use super::{StreamKey, uniform};

/// How far lamps brighten and darken the rows, at the levels: share of the light.
const DEPTH: [f64; 5] = [0.08, 0.18, 0.3, 0.45, 0.65];

/// Standard deviation of the columns' gain, at the levels,
const COLUMN_GAIN: [f64; 5] = [0.004, 0.008, 0.014, 0.022, 0.035];
/// and of their offset, in shares of white.
const COLUMN_OFFSET: [f64; 5] = [0.0002, 0.0004, 0.0008, 0.0014, 0.0024];

/// How long reading a picture's rows takes, seconds.
const READOUT_S: f64 = 0.03;

/// How much deeper than green the channels are modulated: a lamp's blue follows the current fastest.
const CHANNELS: [f64; 3] = [0.9, 1.0, 1.15];

/// Banding: *y = C(E b(row) g(column) + o(column))*, *E* the pixel's linear light, *C* the curve of sRGB.
///
/// *b = 1 + d cos(2 π f (t + T row / rows))*: lamps on alternating current flicker at twice its frequency, and a rolling
/// shutter exposes the rows one after another over *T* = 30 ms, so about three bands run through the picture. *t* is the frame's stamp;
/// *f* is twice 50 Hz give or take up to 0.1 Hz, drawn for the stream, so that bands drift as mains do at any frame rate
/// that divides 100 Hz. *d* is 0.08, 0.18, 0.3, 0.45, 0.65 at the levels, a little more for blue and less for red, as
/// with fluorescent lamps.
///
/// The columns' gain *g* and offset *o* are the fixed pattern of amplifiers at the columns' ends (EMVA 1288: PRNU and DSNU by column):
/// normal, fixed for the stream, with standard deviations of 0.4, 0.8, 1.4, 2.2, 3.5 % and 0.02, 0.04, 0.08, 0.14, 0.24 % of white. All
/// grow in straight lines from 0. Bound by two look-ups per value.
#[derive(Default)]
pub(in crate::corruption) struct Banding {
    key: Option<StreamKey>,
    /// Standard normal, by column: for gain and offset.
    pattern: Vec<[f32; 2]>,
    /// The flicker's period in nanoseconds, and where in it stamp 0 lies, in turns.
    period_ns: i64,
    phase: f64,
    columns: Vec<[f32; 2]>,
}

pub(in crate::corruption) fn banding() -> Banding {
    Banding::default()
}

impl Banding {
    fn draw(&mut self, picture: &Picture, context: &Context) {
        let quantiles = normal_quantiles();
        let rng = &mut context.stream_rng(0);
        let normal = |random: u64| quantiles.get(usize::from(random as u16)).copied().unwrap_or(0.0);
        self.pattern.clear();
        self.pattern.extend((0..picture.width()).map(|_| {
            let random = rng.next_u64();
            [normal(random), normal(random >> 16)]
        }));
        let side = if uniform(rng, 0.0, 1.0) < 0.5 { -1.0 } else { 1.0 };
        let flicker_hz = 2.0 * (50.0 + side * uniform(rng, 0.03, 0.1));
        self.period_ns = (1e9 / flicker_hz).round() as i64;
        self.phase = uniform(rng, 0.0, 1.0);
    }
}

impl Kernel for Banding {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let key = StreamKey::new(picture, context);
        if self.key != Some(key) {
            self.draw(picture, context);
            self.key = Some(key);
        }
        let depth = severity.interpolate(0.0, DEPTH);
        let gain = severity.interpolate(0.0, COLUMN_GAIN) as f32;
        let offset = severity.interpolate(0.0, COLUMN_OFFSET) as f32;
        self.columns.clear();
        self.columns.extend(self.pattern.iter().map(|[g, o]| [1.0 + gain * g, offset * o]));
        let period_ns = self.period_ns.max(1);
        // In whole numbers, since stamps since 1970 leave a double precision number no microseconds.
        let start = self.phase + context.frame.stamp_ns.rem_euclid(period_ns) as f64 / period_ns as f64;
        let turns = READOUT_S * 1e9 / period_ns as f64 / f64::from(picture.height());
        let (columns, curve) = (&self.columns, Curve::get());
        let width = picture.width() as usize;
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            let wave = (std::f64::consts::TAU * (start + turns * y as f64)).cos();
            let band = CHANNELS.map(|channel| (1.0 + depth * channel * wave) as f32);
            for (pixel, [gain, offset]) in row.as_chunks_mut::<3>().0.iter_mut().zip(columns) {
                for (value, band) in pixel.iter_mut().zip(band) {
                    *value = curve.encode(curve.linear(*value) * band * gain + offset);
                }
            }
        });
        Ok(Delivery::Deliver)
    }
}
