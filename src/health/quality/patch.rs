//! What neighbours at full resolution say: noise, sharpness, block borders.

use std::f32::consts::PI;

use crate::image::PixelView;

use super::sample::luminance;

/// Side of a patch, pixels.
const PATCH_PX: usize = 32;

/// Patches beside each other, at most.
const ACROSS: usize = 8;

/// Patches above each other, at most.
const DOWN: usize = 6;

/// Side of a compression block, pixels.
const BLOCK_PX: usize = 8;

/// Distance of pixels whose difference is coarse detail.
const COARSE_PX: usize = 8;

/// Noise is the mean over the patches where it is lowest, one in so many.
const LOWEST: usize = 4;

/// Added to both sides of the ratio of block borders, so that a picture without detail has none: half a grey level.
const STEP_FLOOR: f32 = 0.5;

/// Added to the energy of coarse detail, for the same reason: one grey level squared.
const ENERGY_FLOOR: f64 = 1.0;

/// Parts of [`super::ImageQuality`], with its units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Fine {
    pub(super) noise: f32,
    pub(super) sharpness: f32,
    pub(super) blockiness: f32,
}

/// Measures patches; keeps the buffer of one and the noise of all.
#[derive(Debug, Default)]
pub(super) struct Patches {
    patch: Vec<u8>,
    noise: Vec<f32>,
}

/// A sum and what it is a sum of.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: i64,
    count: u64,
}

impl Sum {
    fn add(&mut self, sum: i32, count: usize) {
        self.sum += i64::from(sum);
        self.count += count as u64;
    }

    /// NaN without samples.
    fn mean(&self) -> f64 {
        self.sum as f64 / self.count as f64
    }
}

/// Sums over all patches.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    /// Energy of the differences of neighbours.
    fine: Sum,
    /// Energy of the differences of pixels [`COARSE_PX`] apart.
    coarse: Sum,
    /// Steps at block borders.
    border: Sum,
    /// Steps elsewhere.
    inside: Sum,
}

impl Patches {
    pub(super) fn measure(&mut self, pixels: &PixelView<'_>) -> Fine {
        let (width, height) = (pixels.width() as usize, pixels.height() as usize);
        let (patch_width, patch_height) = (width.min(PATCH_PX), height.min(PATCH_PX));
        let across = (width / PATCH_PX).clamp(1, ACROSS);
        let down = (height / PATCH_PX).clamp(1, DOWN);
        self.patch.resize(patch_width * patch_height, 0);
        self.noise.clear();

        let mut sums = Sums::default();
        // Of clipped patches, for pictures that have no others.
        let mut lowest_clipped = f32::INFINITY;
        for row in 0..down {
            let y = place(row, down, height - patch_height);
            for column in 0..across {
                let x = place(column, across, width - patch_width);
                load(pixels, x, y, patch_width, &mut self.patch);
                sums.detail(&self.patch, patch_width);
                sums.steps(&self.patch, patch_width);
                let noise = immerkaer(&self.patch, patch_width);
                if is_clipped(&self.patch) {
                    lowest_clipped = lowest_clipped.min(noise);
                } else {
                    self.noise.push(noise);
                }
            }
        }
        let noise = lowest_mean(&mut self.noise).unwrap_or(if lowest_clipped.is_finite() {
            lowest_clipped
        } else {
            0.0
        });
        Fine { noise, sharpness: sums.sharpness(), blockiness: sums.blockiness() }
    }
}

/// Where patch `index` of `count` begins, spread over `room` pixels, at a block's border.
fn place(index: usize, count: usize, room: usize) -> usize {
    let at = if count > 1 { room * index / (count - 1) } else { room / 2 };
    at / BLOCK_PX * BLOCK_PX
}

fn load(pixels: &PixelView<'_>, x: usize, y: usize, width: usize, patch: &mut [u8]) {
    for (index, out) in patch.chunks_exact_mut(width).enumerate() {
        let begin = (y + index) * pixels.step() + x * pixels.order().channels();
        let row = pixels.data().get(begin..).unwrap_or(&[]);
        let row = row.get(..width * pixels.order().channels()).unwrap_or(row);
        luminance(pixels.order(), row, 0, 1, out);
    }
}

/// Whether most of a patch is clipped; there noise cannot show.
fn is_clipped(patch: &[u8]) -> bool {
    let clipped: usize = patch.iter().map(|value| usize::from(*value <= 1 || *value >= 254)).sum();
    clipped * 2 > patch.len()
}

/// Immerkær's estimate of the noise's standard deviation: the mean magnitude of the difference of two Laplacians, which
/// leaves nothing of slopes and little of edges.
fn immerkaer(patch: &[u8], width: usize) -> f32 {
    let mut vertical = [0_i16; PATCH_PX];
    let (mut sum, mut count) = (0_u32, 0_usize);
    let rows = patch.chunks_exact(width);
    let (middle, below) = (rows.clone().skip(1), rows.clone().skip(2));
    for ((above, middle), below) in rows.zip(middle).zip(below) {
        let row = above.iter().zip(middle).zip(below);
        for (out, ((a, b), c)) in vertical.iter_mut().zip(row) {
            *out = i16::from(*a) - 2 * i16::from(*b) + i16::from(*c);
        }
        let (left, centre, right) = (vertical.iter(), vertical.iter().skip(1), vertical.iter().skip(2));
        let inner = width.saturating_sub(2);
        let magnitude = |((a, b), c): ((&i16, &i16), &i16)| u32::from((a - 2 * b + c).unsigned_abs());
        sum += left.zip(centre).zip(right).take(inner).map(magnitude).sum::<u32>();
        count += inner;
    }
    if count == 0 { 0.0 } else { (PI / 2.0).sqrt() * sum as f32 / (6.0 * count as f32) }
}

/// Mean of the lowest quarter, at least one; `None` if there are none.
fn lowest_mean(values: &mut [f32]) -> Option<f32> {
    let count = values.len().div_ceil(LOWEST);
    let last = count.checked_sub(1)?;
    values.select_nth_unstable_by(last, f32::total_cmp);
    let lowest = values.get_mut(..count)?;
    // In order, so that the sum does not depend on how the selection left them.
    lowest.sort_unstable_by(f32::total_cmp);
    Some(lowest.iter().sum::<f32>() / count as f32)
}

impl Sums {
    fn detail(&mut self, patch: &[u8], width: usize) {
        let rows = patch.chunks_exact(width);
        for (row, next) in rows.clone().zip(rows.clone().skip(1)) {
            self.fine.energy(row, row.get(1..), next, next.get(1..));
            self.coarse.energy(row, row.get(COARSE_PX..), next, next.get(COARSE_PX..));
        }
        for (row, below) in rows.clone().zip(rows.clone().skip(1)) {
            self.fine.energy(row, Some(below), row.get(1..).unwrap_or(&[]), below.get(1..));
        }
        for (row, below) in rows.clone().zip(rows.skip(COARSE_PX)) {
            self.coarse.energy(row, Some(below), row.get(1..).unwrap_or(&[]), below.get(1..));
        }
    }

    fn steps(&mut self, patch: &[u8], width: usize) {
        let mut columns = [0_i32; PATCH_PX];
        let mut rows = 0;
        for row in patch.chunks_exact(width) {
            let across = row.iter().zip(row.iter().skip(1)).zip(row.iter().skip(2)).zip(row.iter().skip(3));
            for (sum, (((a, b), c), d)) in columns.iter_mut().skip(2).zip(across) {
                *sum += step(*a, *b, *c, *d);
            }
            rows += 1;
        }
        for (x, sum) in columns.iter().enumerate().take(width.saturating_sub(1)).skip(2) {
            self.step_at(x).add(*sum, rows);
        }
        let lines = |from: usize| patch.chunks_exact(width).skip(from);
        for (index, (((a, b), c), d)) in lines(0).zip(lines(1)).zip(lines(2)).zip(lines(3)).enumerate() {
            let steps = a.iter().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| step(*a, *b, *c, *d));
            self.step_at(index + 2).add(steps.sum(), width);
        }
    }

    /// Steps between pixel `at - 1` and pixel `at` of a patch.
    fn step_at(&mut self, at: usize) -> &mut Sum {
        if at.is_multiple_of(BLOCK_PX) { &mut self.border } else { &mut self.inside }
    }

    fn sharpness(&self) -> f32 {
        if self.fine.count == 0 || self.coarse.count == 0 {
            return 0.0;
        }
        (self.fine.mean().max(0.0) / (self.coarse.mean().max(0.0) + ENERGY_FLOOR)) as f32
    }

    fn blockiness(&self) -> f32 {
        if self.border.count == 0 || self.inside.count == 0 {
            return 1.0;
        }
        // Steps are summed twice as large.
        let (border, inside) = (self.border.mean() as f32 / 2.0, self.inside.mean() as f32 / 2.0);
        (border + STEP_FLOOR) / (inside + STEP_FLOOR)
    }
}

impl Sum {
    /// Adds the products of the differences `b - a` and `d - c`, pixel by pixel. The second pair lies beside the first, so
    /// that an edge shows in both differences, and noise, independent in all four, averages to nothing.
    fn energy(&mut self, a: &[u8], b: Option<&[u8]>, c: &[u8], d: Option<&[u8]>) {
        let (Some(b), Some(d)) = (b, d) else { return };
        let count = b.len().min(d.len());
        let difference = |from: &u8, to: &u8| i32::from(i16::from(*to) - i16::from(*from));
        let product = |(((a, b), c), d): (((&u8, &u8), &u8), &u8)| difference(a, b) * difference(c, d);
        self.add(a.iter().zip(b).zip(c).zip(d).map(product).sum(), count);
    }
}

/// Twice the step between `b` and `c`: their difference less the mean of the differences beside it.
fn step(a: u8, b: u8, c: u8, d: u8) -> i32 {
    let (a, b, c, d) = (i16::from(a), i16::from(b), i16::from(c), i16::from(d));
    i32::from((3 * (c - b) - (d - a)).abs())
}
