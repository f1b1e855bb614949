//! What a subsampled plane of the luminance says: exposure, contrast, colour, structure.

use crate::image::PixelView;

use super::sample::{luminance, saturation};

/// Longest side of the plane, pixels.
const LONGEST_PX: u32 = 256;

/// Side of a tile, pixels of the plane.
const TILE_PX: usize = 16;

/// Tiles beside each other, at most.
const TILES: usize = LONGEST_PX as usize / TILE_PX;

/// Highest variance of a tile without structure, squared grey levels: a standard deviation of 2.
const FLAT_VARIANCE: f64 = 4.0;

/// What noise may add to a flat tile's variance beyond its own: the estimate is low by a tenth, and a tile of 256 pixels is
/// off by another (relative to the noise's variance, and at most, squared grey levels).
const NOISE_ALLOWANCE: f64 = 0.25;
const NOISE_ALLOWANCE_MAX: f64 = 16.0;

/// Luminance from which down a pixel counts as clipped at black: compression moves black by a level or two.
const DARK: u8 = 2;

/// Luminance from which up a pixel counts as clipped at white.
const BRIGHT: u8 = 253;

/// Saturation is taken from one row in so many.
const SATURATION_ROWS: usize = 2;

/// Parts of [`super::ImageQuality`], with its units.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Coarse {
    pub(super) brightness: f32,
    pub(super) contrast: f32,
    pub(super) dark_share: f32,
    pub(super) bright_share: f32,
    pub(super) flat_share: f32,
    pub(super) saturation: f32,
    pub(super) digest: u64,
}

/// Measures the plane; keeps the buffer of a row.
#[derive(Debug, Default)]
pub(super) struct Plane {
    row: Vec<u8>,
}

/// Sums over pixels.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    pixels: u32,
    sum: u64,
    squares: u64,
}

impl Moments {
    fn add(&mut self, other: Self) {
        self.pixels += other.pixels;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn of(values: &[u8]) -> Self {
        let sum: u32 = values.iter().map(|v| u32::from(*v)).sum();
        let squares: u32 = values.iter().map(|v| u32::from(*v) * u32::from(*v)).sum();
        Self { pixels: values.len() as u32, sum: u64::from(sum), squares: u64::from(squares) }
    }

    fn mean(&self) -> f64 {
        self.sum as f64 / f64::from(self.pixels)
    }

    fn variance(&self) -> f64 {
        (self.squares as f64 / f64::from(self.pixels) - self.mean() * self.mean()).max(0.0)
    }
}

impl Plane {
    /// Measures; `noise` is the standard deviation that tiles have from noise alone.
    pub(super) fn measure(&mut self, pixels: &PixelView<'_>, noise: f32) -> Coarse {
        let step = pixels.width().max(pixels.height()).div_ceil(LONGEST_PX).max(1) as usize;
        let (left, width) = picked(pixels.width() as usize, step);
        let (top, height) = picked(pixels.height() as usize, step);
        self.row.resize(width, 0);

        let noise = f64::from(noise) * f64::from(noise);
        let flat_variance = FLAT_VARIANCE + noise + (NOISE_ALLOWANCE * noise).min(NOISE_ALLOWANCE_MAX);
        let mut sums = Sums::new(pixels.width(), pixels.height());
        let mut tiles = [Moments::default(); TILES];
        for index in 0..height {
            let Some(row) = pixels.data().get((top + index * step) * pixels.step()..) else { break };
            let row = row.get(..pixels.bytes_per_row()).unwrap_or(row);
            luminance(pixels.order(), row, left, step, &mut self.row);
            if index % SATURATION_ROWS == 0 {
                sums.saturation += saturation(pixels.order(), row, left, step);
                sums.coloured += width;
            }
            sums.dark += count(&self.row, |value| value <= DARK);
            sums.bright += count(&self.row, |value| value >= BRIGHT);
            sums.hash(&self.row);
            for (tile, values) in tiles.iter_mut().zip(self.row.chunks(TILE_PX)) {
                tile.add(Moments::of(values));
            }
            if index % TILE_PX == TILE_PX - 1 || index + 1 == height {
                for tile in tiles.iter().filter(|tile| tile.pixels > 0) {
                    sums.all.add(*tile);
                    if tile.variance() <= flat_variance {
                        sums.flat += tile.pixels;
                    }
                }
                tiles = [Moments::default(); TILES];
            }
        }
        sums.finish()
    }
}

/// The first pixel that is picked of a side of `length`, and how many are.
fn picked(length: usize, step: usize) -> (usize, usize) {
    let first = (step / 2).min(length.saturating_sub(1) / 2);
    (first, (length - first).div_ceil(step))
}

fn count(row: &[u8], is: impl Fn(u8) -> bool) -> u32 {
    row.iter().map(|value| u32::from(is(*value))).sum()
}

/// What the rows add up to.
struct Sums {
    all: Moments,
    dark: u32,
    bright: u32,
    flat: u32,
    saturation: f64,
    coloured: usize,
    digest: u64,
}

impl Sums {
    fn new(width: u32, height: u32) -> Self {
        Self {
            all: Moments::default(),
            dark: 0,
            bright: 0,
            flat: 0,
            saturation: 0.0,
            coloured: 0,
            digest: mix(mix(0, u64::from(width)), u64::from(height)),
        }
    }

    fn hash(&mut self, row: &[u8]) {
        let (words, rest) = row.as_chunks::<8>();
        let digest = words.iter().fold(self.digest, |digest, word| mix(digest, u64::from_le_bytes(*word)));
        self.digest = rest.iter().fold(digest, |digest, byte| mix(digest, u64::from(*byte)));
    }

    fn finish(self) -> Coarse {
        let pixels = self.all.pixels.max(1);
        let share = |count: u32| count as f32 / pixels as f32;
        Coarse {
            brightness: self.all.mean() as f32,
            contrast: self.all.variance().sqrt() as f32,
            dark_share: share(self.dark),
            bright_share: share(self.bright),
            flat_share: share(self.flat),
            saturation: (self.saturation / self.coloured.max(1) as f64) as f32,
            digest: self.digest,
        }
    }
}

/// One round of a multiplicative hash, in the manner of FNV (Fowler, Noll & Vo), eight bytes at a time; the rotation brings
/// the well-mixed upper bits down.
fn mix(digest: u64, word: u64) -> u64 {
    (digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
}
