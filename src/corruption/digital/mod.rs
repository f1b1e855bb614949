//! What processing and compression do to a picture.

mod brightness;
mod colour_quantisation;
mod contrast;
mod elastic;
mod field;
mod jpeg;
mod pixelate;
mod saturate;

use rayon::prelude::*;

use super::Picture;

pub(super) use brightness::brightness;
pub(super) use colour_quantisation::colour_quantisation;
pub(super) use contrast::contrast;
pub(super) use elastic::elastic_transform;
pub(super) use jpeg::jpeg_compression;
pub(super) use pixelate::pixelate;
pub(super) use saturate::saturate;

/// Rows that one thread works on at a time.
const BLOCK_ROWS: usize = 32;

/// Changes every pixel by itself.
fn map_pixels(picture: &mut Picture, f: impl Fn(&mut [u8; 3]) + Sync) {
    let block = picture.width() as usize * 3 * BLOCK_ROWS;
    picture.data_mut().par_chunks_mut(block).for_each(|values| {
        values.as_chunks_mut::<3>().0.iter_mut().for_each(&f);
    });
}

#[cfg(test)]
mod tests;
