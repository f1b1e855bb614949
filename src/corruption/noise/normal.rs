//! Normal noise out of a small table.

use super::random::CHUNK;
use super::table::{SIZE, normal_quantiles};

/// Entries: those of the upper half of the distribution, the lower half is its mirror image.
const HALF: usize = 1 << 13;

/// Normal noise in whole units, a table over thirteen random bits and a sign: 16 KiB, which stay in the first-level
/// cache.
///
/// Each entry stands for 1/16384 of the distribution and holds the mean of its piece; the outermost is at 4.1 standard
/// deviations. A negated entry has all its bits flipped, −*t* − 1: for *t = floor(v)* that is *floor(−v)*.
#[derive(Default)]
pub(super) struct NormalTable(Vec<i16>);

impl NormalTable {
    /// Makes the table for noise `floor(scale × n)`, *n* standard normal.
    pub(super) fn prepare(&mut self, scale: f64) {
        let upper = normal_quantiles().get(SIZE / 2..).unwrap_or_default();
        let pieces = upper.chunks_exact(SIZE / 2 / HALF);
        let mean = |piece: &[f32]| piece.iter().map(|n| f64::from(*n)).sum::<f64>() / piece.len() as f64;
        self.0.clear();
        self.0.extend(pieces.map(|piece| (scale * mean(piece)).floor() as i16));
    }

    /// The noise that `random` stands for; none before [`NormalTable::prepare`].
    pub(super) fn draw(&self, random: &[u16; CHUNK]) -> [i16; CHUNK] {
        let mut noise = [0; CHUNK];
        if let Ok(table) = <&[i16; HALF]>::try_from(self.0.as_slice()) {
            for (noise, random) in noise.iter_mut().zip(random) {
                // All bits of the sign are the topmost random bit.
                let sign = (*random as i16) >> 15;
                *noise = table[usize::from(*random) % HALF] ^ sign;
            }
        }
        noise
    }
}
