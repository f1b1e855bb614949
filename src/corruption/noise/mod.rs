//! Noise of sensor and link.
//!
//! All four work the same way: a byte of the picture and sixteen random bits give the byte that comes out, through
//! tables made once per severity that fit the first-level cache. Adding noise *v* to an integer *x* and cutting off the
//! fraction is `x + floor(v)`, so the tables hold integers. What bounds them is said with each: the random numbers, a
//! quarter of a 64-bit word per value, and a look-up.

mod gaussian;
mod impulse;
mod normal;
mod random;
mod shot;
mod speckle;
mod table;

use rayon::prelude::*;

use super::Picture;
use super::context::Context;
use random::{CHUNK, Generators};

pub(super) use gaussian::gaussian_noise;
pub(super) use impulse::impulse_noise;
pub(super) use shot::shot_noise;
pub(super) use speckle::speckle_noise;
pub(super) use table::normal_quantiles;

/// Rows that share one stream of random numbers; fixed, so that the bytes do not depend on the number of threads.
const BLOCK_ROWS: usize = 16;

/// Gives every run of up to [`CHUNK`] values to `f`, with as many uniform sixteen-bit numbers or more.
fn map_values(picture: &mut Picture, context: &Context, f: impl Fn(&mut [u8], &[u16; CHUNK]) + Sync) {
    let block = picture.width() as usize * 3 * BLOCK_ROWS;
    picture.data_mut().par_chunks_mut(block).enumerate().for_each(|(lane, values)| {
        let mut generators = Generators::new(context, lane as u64);
        let mut random = [0; CHUNK];
        for run in values.chunks_mut(CHUNK) {
            generators.fill(&mut random);
            f(run, &random);
        }
    });
}

#[cfg(test)]
mod tests;
