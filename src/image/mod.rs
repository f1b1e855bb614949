//! Frames, encodings and conversions: from the bytes of a camera message to 8-bit pixels.
//!
//! Two ways lead to the same [`PixelView`], which is all that the rooms above know of a picture:
//!
//! - raw images: name and layout are checked once by [`ImageView::new`], then [`Converter::convert`]
//!   borrows them (RGB, BGR, RGBA, BGRA, grey) or converts them (Bayer, YUV, 16-bit grey);
//! - compressed images: [`CompressedDecoder::decode`] reads JPEG and PNG.
//!
//! Nothing here panics on outside data: a picture that can't be used is an [`ImageError`] that says why.

mod compressed;
mod convert;
mod encoding;
mod error;
mod view;

#[cfg(test)]
mod tests;

pub use compressed::{CompressedDecoder, DecodeLimits};
pub use convert::Converter;
pub use encoding::{BayerPattern, Encoding, Endianness};
pub use error::ImageError;
pub use view::{ChannelOrder, ImageView, MAX_PIXELS, PixelView};
