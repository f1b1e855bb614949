//! Pictures of ice.

use opencv::core::{
    BORDER_DEFAULT, CV_32F, Mat, MatTraitConst, MatTraitConstManual, MatTraitManual, Scalar, Size, Vec3b,
};
use opencv::imgproc;
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::crystals::{Habit, draw};
use crate::corruption::noise::normal_quantiles;
use crate::corruption::weather::plane::Plane;

/// Scales, each twice as coarse as the one before, whose strength is known.
const SCALES: usize = 6;

/// How often strength and brightness are brought into line; each disturbs the other.
const ROUNDS: usize = 3;

/// What a picture of ice is made to look like.
#[derive(Debug)]
pub(super) struct Ice {
    habit: Habit,
    width: usize,
    height: usize,
    /// Standard deviations of the levels of a Laplacian pyramid (Burt & Adelson, IEEE Trans. Comm. 31(4), 1983), from the finest,
    /// and of what remains.
    scales: [f32; SCALES + 1],
    /// Share of shapeless noise in each scale.
    noise: [f32; SCALES + 1],
    /// Brightness at every sixteenth of the pixels, from the darkest to the brightest.
    quantiles: [f32; 17],
    /// R, G and B above the brightness where that is 0, and how much more where it is 255.
    tint: [(f32, f32); 3],
    /// How far R, G and B stray from that over the picture.
    hues: [f32; 3],
}

/// The four kinds of ice among the reference's five photographs (two are the same), by measurements of those: size, strength of the
/// scales, brightness and tint. The pictures themselves are our own.
pub(super) static ICES: [Ice; 4] = [
    Ice {
        habit: Habit::Sheet,
        width: 900,
        height: 600,
        scales: [8.1, 3.9, 2.6, 2.9, 3.6, 4.3, 11.9],
        noise: [0.5, 0.5, 0.7, 0.9, 1.0, 1.0, 1.0],
        quantiles: [
            82.0, 106.0, 111.0, 114.0, 118.0, 121.0, 123.0, 126.0, 129.0, 132.0, 135.0, 138.0, 142.0, 147.0,
            152.0, 161.0, 219.0,
        ],
        tint: [(-91.0, 83.0), (27.0, -22.0), (64.0, -61.0)],
        hues: [10.5, 3.0, -8.0],
    },
    Ice {
        habit: Habit::Needles,
        width: 560,
        height: 315,
        scales: [9.1, 6.2, 5.3, 4.3, 3.7, 3.4, 13.9],
        noise: [0.2, 0.2, 0.2, 0.4, 0.7, 1.0, 1.0],
        quantiles: [
            57.0, 170.0, 181.0, 189.0, 195.0, 199.0, 203.0, 207.0, 210.0, 213.0, 216.0, 219.0, 222.0, 226.0,
            230.0, 235.0, 254.0,
        ],
        tint: [(-3.0, -3.0), (-0.5, -0.5), (4.5, 3.5)],
        hues: [1.5, 0.3, -1.4],
    },
    Ice {
        habit: Habit::Rosettes,
        width: 527,
        height: 350,
        scales: [15.1, 8.9, 6.5, 4.9, 3.7, 4.2, 17.1],
        noise: [0.3, 0.2, 0.2, 0.4, 0.7, 1.0, 1.0],
        quantiles: [
            23.0, 108.0, 121.0, 128.0, 134.0, 139.0, 144.0, 148.0, 152.0, 156.0, 160.0, 165.0, 169.0, 175.0,
            182.0, 194.0, 254.0,
        ],
        tint: [(-13.0, -2.0), (1.0, 0.0), (10.0, 4.0)],
        hues: [1.6, 0.4, -2.0],
    },
    Ice {
        habit: Habit::Ferns,
        width: 660,
        height: 495,
        scales: [18.5, 12.2, 11.1, 10.5, 8.7, 6.8, 27.2],
        noise: [0.2, 0.1, 0.1, 0.2, 0.4, 0.7, 1.0],
        quantiles: [
            26.0, 63.0, 75.0, 84.0, 92.0, 99.0, 106.0, 112.0, 119.0, 126.0, 134.0, 142.0, 151.0, 161.0,
            176.0, 197.0, 255.0,
        ],
        tint: [(-13.0, 8.0), (-0.5, 0.5), (14.0, -9.0)],
        hues: [1.2, 0.0, -1.2],
    },
];

impl Ice {
    /// Makes the picture: R, G, B. Always the same one.
    ///
    /// Crystals are drawn, taken apart into scales and put together again with each scale as strong as it should be; then the pixels'
    /// brightness, in order of rank, is replaced by that of the quantiles.
    pub(super) fn picture(&self) -> opencv::Result<Mat> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.habit as u64);
        let mut plane = Plane::default();
        plane.resize(self.width, self.height);
        draw(self.habit, &mut plane, &mut rng);
        let rows = i32::try_from(self.height)?;
        let mut grey = Mat::from_slice(&plane.values)?.reshape(1, rows)?.try_clone()?;
        for round in 0..ROUNDS {
            grey = self.balance(&grey, (round == 0).then_some(&mut rng))?;
            self.rank(grey.data_typed_mut::<f32>()?);
        }
        let hue = self.hue(&mut rng)?;
        let colour = |grey: f32, hue: f32| {
            let channel = |i: usize| {
                let (offset, slope) = self.tint[i];
                (grey + offset + slope * grey / 255.0 + hue * self.hues[i]).round().clamp(0.0, 255.0) as u8
            };
            Vec3b::from([channel(0), channel(1), channel(2)])
        };
        let pixels = grey.data_typed::<f32>()?.iter().zip(hue.data_typed::<f32>()?);
        let pixels: Vec<Vec3b> = pixels.map(|(grey, hue)| colour(*grey, *hue)).collect();
        Mat::from_slice(&pixels)?.reshape(3, rows)?.try_clone()
    }

    /// Gives each scale its strength; with `rng`, its share of noise before that.
    fn balance(&self, grey: &Mat, mut rng: Option<&mut Xoshiro256PlusPlus>) -> opencv::Result<Mat> {
        let mut levels = Vec::with_capacity(SCALES + 1);
        let mut rest = grey.clone();
        for _ in 0..SCALES {
            let mut coarse = Mat::default();
            imgproc::pyr_down(&rest, &mut coarse, Size::default(), BORDER_DEFAULT)?;
            let mut fine = Mat::default();
            imgproc::pyr_up(&coarse, &mut fine, rest.size()?, BORDER_DEFAULT)?;
            let mut detail = Mat::default();
            opencv::core::subtract_def(&rest, &fine, &mut detail)?;
            levels.push(detail);
            rest = coarse;
        }
        levels.push(rest);
        for ((level, strength), share) in levels.iter_mut().zip(self.scales).zip(self.noise) {
            let values = level.data_typed_mut::<f32>()?;
            standardise(values, 1.0);
            if let Some(rng) = &mut rng {
                let crystals = (1.0 - share * share).sqrt();
                for value in values.iter_mut() {
                    *value = *value * crystals + normal(rng) * share;
                }
            }
            standardise(values, strength);
        }
        let mut sum = levels.pop().unwrap_or_default();
        while let Some(detail) = levels.pop() {
            let mut fine = Mat::default();
            imgproc::pyr_up(&sum, &mut fine, detail.size()?, BORDER_DEFAULT)?;
            opencv::core::add_def(&fine, &detail, &mut sum)?;
        }
        Ok(sum)
    }

    /// Replaces values by the quantile of their rank.
    fn rank(&self, values: &mut [f32]) {
        const BINS: usize = 4096;
        let (least, most) = values.iter().fold((f32::MAX, f32::MIN), |(a, b), v| (a.min(*v), b.max(*v)));
        let scale = (BINS - 1) as f32 / (most - least).max(1e-6);
        let bin = |value: f32| (((value - least) * scale) as usize).min(BINS - 1);
        let mut counts = [0_u32; BINS];
        for value in values.iter() {
            counts[bin(*value)] += 1;
        }
        let (mut below, total) = (0.0, values.len().max(1) as f32);
        let brightness = counts.map(|count| {
            let rank = (below + 0.5 * count as f32) / total * 16.0;
            below += count as f32;
            let lower = (rank as usize).min(15);
            self.quantiles[lower]
                + (self.quantiles[lower + 1] - self.quantiles[lower]) * (rank - lower as f32)
        });
        for value in values.iter_mut() {
            *value = brightness[bin(*value)];
        }
    }

    /// How the colour wanders over the picture: noise of some eight waves across it, of deviation 1.
    fn hue(&self, rng: &mut Xoshiro256PlusPlus) -> opencv::Result<Mat> {
        let (rows, columns) = (i32::try_from(self.height)?, i32::try_from(self.width)?);
        let mut coarse = Mat::new_rows_cols_with_default(8, 12, CV_32F, Scalar::default())?;
        coarse.data_typed_mut::<f32>()?.iter_mut().for_each(|value| *value = normal(rng));
        let mut hue = Mat::default();
        imgproc::resize(&coarse, &mut hue, Size::new(columns, rows), 0.0, 0.0, imgproc::INTER_CUBIC)?;
        standardise(hue.data_typed_mut::<f32>()?, 1.0);
        Ok(hue)
    }
}

fn normal(rng: &mut Xoshiro256PlusPlus) -> f32 {
    normal_quantiles().get(usize::from((rng.next_u64() >> 48) as u16)).copied().unwrap_or(0.0)
}

/// Brings values to mean 0 and this standard deviation.
fn standardise(values: &mut [f32], deviation: f32) {
    let count = values.len().max(1) as f32;
    let mean = values.iter().sum::<f32>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / count;
    let scale = deviation / variance.sqrt().max(1e-6);
    for value in values.iter_mut() {
        *value = (*value - mean) * scale;
    }
}
