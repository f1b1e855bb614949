//! Noise of sensor and link.
//!
//! All four work the same way: a byte of the picture and sixteen random bits give the byte that comes out, through tables
//! made once per severity. Adding noise *v* to an integer *x* and cutting off the fraction is `x + floor(v)`, so the
//! tables hold integers. What bounds them is one table look-up per value, on top of the random numbers (a quarter of a
//! 64-bit word per value).

mod gaussian;
mod impulse;
mod shot;
mod speckle;
mod table;

use rand::Rng as _;
use rayon::prelude::*;

use super::Picture;
use super::context::Context;

pub(super) use gaussian::gaussian_noise;
pub(super) use impulse::impulse_noise;
pub(super) use shot::shot_noise;
pub(super) use speckle::speckle_noise;
pub(super) use table::normal_quantiles;

/// Rows that share one stream of random numbers; fixed, so that the bytes do not depend on the number of threads.
const BLOCK_ROWS: usize = 16;

/// Replaces every value by `f(value, random)`, `random` being uniform over all sixteen-bit numbers.
fn map_values(picture: &mut Picture, context: &Context, f: impl Fn(u8, u16) -> u8 + Sync) {
    let block = picture.width() as usize * 3 * BLOCK_ROWS;
    picture.data_mut().par_chunks_mut(block).enumerate().for_each(|(lane, values)| {
        let mut rng = context.rng(lane as u64);
        let mut words = values.chunks_exact_mut(4);
        for four in &mut words {
            let random = rng.next_u64();
            for (i, value) in four.iter_mut().enumerate() {
                *value = f(*value, (random >> (16 * i)) as u16);
            }
        }
        let random = rng.next_u64();
        for (i, value) in words.into_remainder().iter_mut().enumerate() {
            *value = f(*value, (random >> (16 * i)) as u16);
        }
    });
}

#[cfg(test)]
mod tests;
