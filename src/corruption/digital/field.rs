//! Smooth random fields.

use rand::Rng as _;
use rayon::prelude::*;

use rand_xoshiro::Xoshiro256PlusPlus;

/// Standard deviation of the Gaussian that smooths a field, in parts of the side.
const SIGMA: f64 = 0.01;

/// How many standard deviations it reaches.
const TRUNCATE: f64 = 3.0;

/// Least standard deviation on the grid: the coarser the grid, the less smooth what is interpolated.
const GRID_SIGMA: f64 = 3.5;

/// One axis of the grid that a field is drawn on.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Pixels from one point to the next.
    step: usize,
    /// Points within the picture.
    points: usize,
    /// The Gaussian on the grid, from its middle outwards, of sum 1.
    half: Vec<f32>,
    /// Standard deviation of the field on the grid of pixels, relative to that on this grid.
    gain: f64,
}

/// A Gaussian from its middle outwards, of sum 1.
fn gaussian(sigma: f64) -> Vec<f64> {
    let reach = (TRUNCATE * sigma + 0.5) as usize;
    let gauss = |i: usize| if i == 0 { 1.0 } else { (-0.5 * (i as f64 / sigma).powi(2)).exp() };
    let sum = 2.0 * (0..=reach).map(gauss).sum::<f64>() - 1.0;
    (0..=reach).map(|i| gauss(i) / sum).collect()
}

/// Variance of white noise of variance 1 after smoothing, and the covariance of neighbours.
fn covariance(half: &[f64]) -> [f64; 2] {
    let at = |i: isize| half.get(i.unsigned_abs()).copied().unwrap_or(0.0);
    let reach = half.len() as isize;
    [0, 1].map(|lag| (-reach..=reach).map(|i| at(i) * at(i + lag)).sum())
}

impl Axis {
    /// The axis for a side of so many pixels.
    pub(super) fn new(side: usize) -> Self {
        let sigma = SIGMA * side as f64;
        let step = ((sigma / GRID_SIGMA) as usize).max(1);
        let half = gaussian(sigma / step as f64);
        let [fine, _] = covariance(&gaussian(sigma));
        let [variance, neighbours] = covariance(&half);
        // Interpolation between two points takes some of the variance.
        let interpolated = |i: usize| {
            let share = ((i as f64 + 0.5) / step as f64 + 0.5).fract();
            variance * (share.powi(2) + (1.0 - share).powi(2)) + 2.0 * share * (1.0 - share) * neighbours
        };
        let coarse = (0..step).map(interpolated).sum::<f64>() / step as f64;
        let half = half.iter().map(|value| *value as f32).collect();
        Self { step, points: side.div_ceil(step), half, gain: (fine / coarse).sqrt() }
    }

    /// Points, with the two beside the picture.
    pub(super) fn len(&self) -> usize {
        self.points + 2
    }

    /// Where a pixel lies: the point before, and how far it is to the next one. Points lie in the middle of `step` pixels,
    /// the first one before the picture.
    pub(super) fn place(&self, pixel: usize) -> (usize, f32) {
        let at = (pixel as f64 + 0.5) / self.step as f64 + 0.5;
        ((at as usize).min(self.points), at.fract() as f32)
    }

    fn reach(&self) -> usize {
        self.half.len() - 1
    }

    /// The point that stands for one `index` places behind the first, the field reflected at its ends.
    fn reflect(&self, index: isize) -> usize {
        let folded = index.rem_euclid(2 * self.points as isize) as usize;
        folded.min(2 * self.points - 1 - folded)
    }
}

/// A field of displacements, on a grid.
#[derive(Debug, Default)]
pub(super) struct Field {
    /// White noise, each row reflected at both ends.
    noise: Vec<f32>,
    /// The same, smoothed along rows.
    along: Vec<f32>,
    /// The field, with a point beside the picture at each end.
    smooth: Vec<f32>,
}

impl Field {
    /// Draws the field that noise uniform within ± `reach` on the grid of pixels becomes when smoothed; `rng` gives the random
    /// numbers of a row.
    pub(super) fn draw(
        &mut self,
        across: &Axis,
        down: &Axis,
        reach: f64,
        rng: impl Fn(u64) -> Xoshiro256PlusPlus + Sync,
    ) {
        let (margin, points) = (across.reach(), across.points);
        let stride = points + 2 * margin;
        self.noise.resize(stride * down.points, 0.0);
        self.along.resize(points * down.points, 0.0);
        self.smooth.resize(across.len() * down.len(), 0.0);
        let reach = reach * across.gain * down.gain;
        let scale = (2.0 * reach / 65536.0) as f32;
        let offset = (-reach) as f32 + scale / 2.0;
        let rows = self.noise.par_chunks_mut(stride).zip(self.along.par_chunks_mut(points));
        rows.enumerate().for_each(|(y, (noise, along))| {
            let mut rng = rng(y as u64);
            for four in noise.get_mut(margin..margin + points).unwrap_or_default().chunks_mut(4) {
                let random = rng.next_u64();
                for (i, value) in four.iter_mut().enumerate() {
                    *value = f32::from((random >> (16 * i)) as u16) * scale + offset;
                }
            }
            for i in 1..=margin {
                noise[margin - i] = noise[margin + across.reflect(-(i as isize))];
                noise[margin + points - 1 + i] = noise[margin + across.reflect((points + i - 1) as isize)];
            }
            smooth(&across.half, along, |k| noise.get((margin as isize + k) as usize..).unwrap_or_default());
        });
        let along = &self.along;
        self.smooth.par_chunks_mut(across.len()).enumerate().for_each(|(y, row)| {
            let [first, middle @ .., last] = row else { return };
            smooth(&down.half, middle, |k| {
                let y = down.reflect(y as isize - 1 + k);
                along.get(y * points..(y + 1) * points).unwrap_or_default()
            });
            *first = middle.first().copied().unwrap_or_default();
            *last = middle.last().copied().unwrap_or_default();
        });
    }

    /// The field along a row of pixels that lies at `place` of the other axis, into `out`.
    pub(super) fn row(&self, (above, share): (usize, f32), out: &mut [f32]) {
        let at = |row: usize| self.smooth.get(row * out.len()..(row + 1) * out.len()).unwrap_or_default();
        let (upper, lower) = (at(above), at(above + 1));
        for ((to, upper), lower) in out.iter_mut().zip(upper).zip(lower) {
            *to = upper + (lower - upper) * share;
        }
    }
}

/// Sums up what lies around, `at` a distance, weighted.
fn smooth<'a>(half: &[f32], out: &mut [f32], at: impl Fn(isize) -> &'a [f32]) {
    for (k, weight) in (0_isize..).zip(half) {
        let both = out.iter_mut().zip(at(-k)).zip(at(k));
        if k == 0 {
            both.for_each(|((to, value), _)| *to = value * weight);
        } else {
            both.for_each(|((to, before), after)| *to += (before + after) * weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;

    /// Variance over many draws, and where the field is: far from the ends, and at a corner.
    fn variances(width: usize, height: usize) -> [f64; 2] {
        let (across, down) = (Axis::new(width), Axis::new(height));
        let mut field = Field::default();
        let mut squares = [0.0; 2];
        let mut row = vec![0.0; across.len()];
        for seed in 0..400 {
            field
                .draw(&across, &down, 3_f64.sqrt(), |y| Xoshiro256PlusPlus::seed_from_u64(seed * 10_000 + y));
            for (i, part) in [(0, 0.5), (1, 0.0)] {
                let (x, y) = ((width as f64 * part) as usize, (height as f64 * part) as usize);
                for offset in 0..6 {
                    field.row(down.place(y + offset), &mut row);
                    let (left, share) = across.place(x + offset);
                    let value = row[left] + (row[left + 1] - row[left]) * share;
                    squares[i] += f64::from(value).powi(2) / 6.0 / 400.0;
                }
            }
        }
        squares
    }

    #[test]
    fn the_variance_is_that_of_the_fine_grid() {
        for (width, height) in [(1280, 720), (480, 360), (32, 32)] {
            let fine = |side: usize| covariance(&gaussian(SIGMA * side as f64))[0];
            let expected = fine(width) * fine(height);
            let [middle, corner] = variances(width, height);
            assert!((0.7..1.3).contains(&(middle / expected)), "{width}: {middle} for {expected}");
            assert!(
                corner > expected * 1.5 || width == 32,
                "reflected noise adds up: {corner} for {expected}"
            );
        }
    }

    #[test]
    fn every_pixel_has_points_on_both_sides() {
        for side in [32, 33, 480, 719, 720, 1280, 4001] {
            let axis = Axis::new(side);
            for pixel in 0..side {
                let (before, share) = axis.place(pixel);
                assert!(before + 1 < axis.len() && (0.0..1.0).contains(&share), "{side}: {pixel}");
            }
        }
    }
}
