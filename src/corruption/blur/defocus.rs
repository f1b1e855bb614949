use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::disc::{Disc, Profile};
use super::fixed::{FRACTION_BITS, ONE, TILE, Tile, convert, fraction, grey, lost, scaled, tile};
use super::rounding;
use super::separable::{Border, Separable, Weights};

/// Radius in pixels, at the published levels (`imagecorruptions` 1.1.2).
const RADIUS: [f64; 5] = [3.0, 4.0, 6.0, 8.0, 10.0];

/// Standard deviation of the blur that softens the disc's edge, at the published levels.
const EDGE: [f64; 5] = [0.1, 0.5, 0.5, 0.5, 0.5];

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 32;

/// Values of a row that are worked on at a time, few enough for the first-level cache.
const STRIP: usize = 4 * TILE;

/// Defocus blur: each channel convolved with a [`Disc`], its edge softened by a small Gaussian; the border is mirrored.
///
/// The small Gaussian is applied to the picture instead, which is the same but for a few hundredths of a grey level near the border
/// of large discs. The disc is a sum of vertical runs; sums down the columns give any run by one subtraction. Bound by additions:
/// one per value and column of the disc, and four operations per value and different run.
#[derive(Default)]
pub(in crate::corruption) struct DefocusBlur {
    edge: Separable,
    /// The picture with its edges softened, each row mirrored at both ends.
    soft: Vec<u16>,
    /// For each block of rows, sums down the columns, and a row of runs.
    scratch: Vec<u16>,
}

pub(in crate::corruption) fn defocus_blur() -> DefocusBlur {
    DefocusBlur::default()
}

impl Kernel for DefocusBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let disc = Disc::new(
            severity.interpolate(0.0, RADIUS) * context.scale(picture),
            severity.interpolate(0.0, EDGE),
        );
        self.soften(picture, severity.interpolate(0.0, EDGE), &disc);
        self.blur(picture, &disc, fraction(rounding(severity)));
        Ok(Delivery::Deliver)
    }
}

/// How many of the seven bits behind the point must go, so that the longest run still fits into sixteen bits.
fn shift(disc: &Disc) -> u32 {
    let longest = (2 * disc.reach() + 3) * 255;
    let spare = (0..=FRACTION_BITS).rev().find(|bits| longest << bits <= 65535);
    FRACTION_BITS - spare.unwrap_or(0)
}

impl DefocusBlur {
    /// Applies the small Gaussian, and mirrors as far as the disc reaches.
    fn soften(&mut self, picture: &Picture, edge: f64, disc: &Disc) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (margin, shift) = (disc.reach(), shift(disc));
        let stride = (width + 2 * margin) * 3;
        self.soft.resize(stride * height, 0);
        let weights = Weights::gaussian(edge, if disc.reach() <= 8 { 1 } else { 2 });
        self.edge.filter_along(picture, &weights, Border::Mirror);
        // Sums of many values: what is cut off here must be nothing on the average.
        let round = (1 << shift) >> 1;
        let columns = margin * 3..(margin + width) * 3;
        let fewer_bits = |value: u16| (value + round) >> shift;
        self.edge.filter_down(&weights, Border::Mirror, height, &mut self.soft, stride, columns, fewer_bits);
        self.soft.par_chunks_mut(stride).for_each(|row| Border::Mirror.fill(row, margin, width));
    }

    fn blur(&mut self, picture: &mut Picture, disc: &Disc, rounding: u16) {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (margin, shift) = (disc.reach(), shift(disc));
        let profiles = disc.profiles(f64::from(1_u32 << shift));
        let sum = disc.sum();
        let ideal = |value: u16| (f64::from(value) * sum).round() as u16;
        let start = rounding + lost(|value| flat(&profiles, value, shift), ideal);
        let strip = Strip { profiles: &profiles, margin: margin * 3, start };
        let stride = (width + 2 * margin) * 3;
        let scratch = strip.length();
        self.scratch.resize(height.div_ceil(BLOCK_ROWS) * scratch, 0);
        let soft = &self.soft;
        let blocks = picture.data_mut().par_chunks_mut(width * 3 * BLOCK_ROWS);
        blocks.zip(self.scratch.par_chunks_mut(scratch)).enumerate().for_each(|(block, (out, scratch))| {
            let row_at = |y: usize| {
                let y = (block * BLOCK_ROWS + y) as isize - margin as isize;
                let start = Border::Mirror.index(y, height) * stride;
                soft.get(start..start + stride).unwrap_or_default()
            };
            for first in (0..width * 3).step_by(STRIP) {
                strip.apply(row_at, first, width * 3, out, scratch);
            }
        });
    }
}

/// What becomes of a flat picture.
fn flat(profiles: &[Profile], value: u16, shift: u32) -> u16 {
    let run = |(half, weight): &(usize, u16)| scaled((2 * half + 1) as u16 * (value >> shift), *weight);
    profiles.iter().fold(0, |sum, profile| {
        let column: u16 = profile.runs.iter().map(run).sum();
        profile
            .distances
            .iter()
            .fold(sum, |sum, distance| sum + if *distance == 0 { column } else { 2 * column })
    })
}

/// Works on a part of a block of rows that fits into the first-level cache.
struct Strip<'a> {
    profiles: &'a [Profile],
    /// Values on either side, and three times the rows above and below.
    margin: usize,
    /// What sums start with.
    start: u16,
}

impl Strip<'_> {
    /// Values of a strip with its margins.
    fn stride(&self) -> usize {
        STRIP + 2 * self.margin
    }

    /// Values that [`Strip::apply`] needs for itself: sums down the columns, one row of runs, and one of sums.
    fn length(&self) -> usize {
        self.stride() * (BLOCK_ROWS + 2 * (self.margin / 3) + 1 + 1) + STRIP
    }

    /// Makes the values from `first` on of all rows of `out`; `row_at` gives the rows, counted from the topmost that is needed.
    fn apply<'s>(
        &self,
        row_at: impl Fn(usize) -> &'s [u16],
        first: usize,
        length: usize,
        out: &mut [u8],
        scratch: &mut [u16],
    ) {
        let (stride, reach) = (self.stride(), self.margin / 3);
        let rows = out.len() / length;
        let (below, scratch) = scratch.split_at_mut(stride * (BLOCK_ROWS + 2 * reach + 1));
        let (runs, sums) = scratch.split_at_mut(stride);
        below.get_mut(..stride).unwrap_or_default().fill(0);
        for y in 0..rows + 2 * reach {
            let (above, next) = below.split_at_mut((y + 1) * stride);
            let above = above.get(y * stride..).unwrap_or_default();
            add_rows(above, row_at(y).get(first..).unwrap_or_default(), next);
        }
        let out = out.chunks_exact_mut(length).filter_map(|row| row.get_mut(first..));
        for (y, out) in out.enumerate() {
            let sums = sums.as_chunks_mut::<TILE>().0;
            sums.fill([self.start; TILE]);
            for profile in self.profiles {
                let widest = profile.distances.last().copied().unwrap_or(0) * 3;
                let columns = self.margin - widest..self.margin + STRIP + widest;
                let runs = runs.get_mut(columns.clone()).unwrap_or_default();
                for (i, (half, weight)) in profile.runs.iter().enumerate() {
                    let at = |row: usize| below.get(row * stride..(row + 1) * stride)?.get(columns.clone());
                    if let (Some(top), Some(bottom)) = (at(y + reach - half), at(y + reach + half + 1)) {
                        if i == 0 {
                            put_runs(top, bottom, *weight, runs);
                        } else {
                            add_runs(top, bottom, *weight, runs);
                        }
                    }
                }
                for (i, sums) in sums.iter_mut().enumerate() {
                    add_columns(profile, runs, widest + i * TILE, sums);
                }
            }
            convert(sums.as_flattened(), out, grey);
        }
    }
}

// What follows is not inlined, so that the compiler knows that nothing overlaps, and vectorises.

#[inline(never)]
fn add_rows(a: &[u16], b: &[u16], out: &mut [u16]) {
    for ((to, a), b) in out.iter_mut().zip(a).zip(b) {
        *to = a.wrapping_add(*b);
    }
}

/// Weighted runs, from the sums down the columns above and below.
#[inline(never)]
fn put_runs(top: &[u16], bottom: &[u16], weight: u16, out: &mut [u16]) {
    for ((to, top), bottom) in out.iter_mut().zip(top).zip(bottom) {
        *to = scaled(bottom.wrapping_sub(*top), weight);
    }
}

/// The same, added.
#[inline(never)]
fn add_runs(top: &[u16], bottom: &[u16], weight: u16, out: &mut [u16]) {
    for ((to, top), bottom) in out.iter_mut().zip(top).zip(bottom) {
        *to = to.wrapping_add(scaled(bottom.wrapping_sub(*top), weight));
    }
}

/// Adds the columns of a profile on both sides of `centre` to a tile.
#[inline(never)]
fn add_columns(profile: &Profile, runs: &[u16], centre: usize, out: &mut Tile) {
    let mut sums = *out;
    let mut add = |start: usize| {
        if let Some(values) = tile(runs, start) {
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = sum.wrapping_add(*value);
            }
        }
    };
    for distance in &profile.distances {
        add(centre - distance * 3);
        if *distance > 0 {
            add(centre + distance * 3);
        }
    }
    *out = sums;
}

const _: () = assert!(ONE == 128 && STRIP.is_multiple_of(TILE));
