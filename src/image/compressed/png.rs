//! PNG (W3C Portable Network Graphics, third edition).

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, DecodingError, Limits, Transformations};

use super::{DecodeLimits, Decoded};
use crate::image::view::check_size;
use crate::image::{ChannelOrder, ImageError};

/// The PNG signature.
pub(super) const MAGIC: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

const CODEC: &str = "PNG";

/// Deflate's largest expansion: 258 bytes from 2 bits.
const MAX_EXPANSION: u64 = 1_032;

/// Memory for the decoder's own use, on top of the picture: chunks and a few rows.
const WORKING_BYTES: usize = 16 << 20;

/// Decodes `data` into `pixels`, which ends up exactly as long as the picture.
pub(super) fn decode(data: &[u8], limits: DecodeLimits, pixels: &mut Vec<u8>) -> Result<Decoded, ImageError> {
    let failed = |error: DecodingError| failed(data, &error);
    let mut decoder = Decoder::new_with_limits(Cursor::new(data), Limits { bytes: WORKING_BYTES });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    // Palettes to colours, fewer than 8 bits to 8, a transparent colour to an alpha channel, 16 bits to 8.
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(failed)?;
    let (width, height) = header.size();
    check_size(width, height, limits.max_pixels, limits.max_side_px)?;
    let raw_bytes = (header.raw_row_length() as u64).saturating_mul(u64::from(height));
    if raw_bytes > (data.len() as u64).saturating_mul(MAX_EXPANSION) {
        return Err(truncated(data, "too few bytes for the size in its header"));
    }

    let mut reader = decoder.read_info().map_err(failed)?;
    if reader.info().is_animated() {
        return Err(ImageError::UnsupportedKind {
            codec: CODEC,
            found: "with an animation".to_owned(),
            expected: "a still picture",
        });
    }
    let Some(size) = reader.output_buffer_size() else {
        return Err(corrupt(data, "its size overflows".to_owned()));
    };
    pixels.resize(size, 0);
    let frame = reader.next_frame(pixels).map_err(failed)?;
    // To the end marker, so that a picture whose tail is missing is noticed.
    reader.finish().map_err(failed)?;

    let order = match (frame.color_type, frame.bit_depth) {
        (ColorType::Grayscale, BitDepth::Eight) => ChannelOrder::Mono,
        (ColorType::GrayscaleAlpha, BitDepth::Eight) => {
            drop_alpha(pixels);
            ChannelOrder::Mono
        }
        (ColorType::Rgb, BitDepth::Eight) => ChannelOrder::Rgb,
        (ColorType::Rgba, BitDepth::Eight) => ChannelOrder::Rgba,
        (colour, depth) => {
            return Err(ImageError::UnsupportedKind {
                codec: CODEC,
                found: format!("of {colour:?} pixels with {depth:?} bits"),
                expected: "grey, RGB or RGBA",
            });
        }
    };
    Ok(Decoded { order, width, height })
}

/// Grey and alpha pairs to grey, in place. Road pictures have nothing behind them to shine through.
fn drop_alpha(pixels: &mut Vec<u8>) {
    let grey_len = pixels.len() / 2;
    for pixel in 0..grey_len {
        if let Some(&grey) = pixels.get(2 * pixel)
            && let Some(slot) = pixels.get_mut(pixel)
        {
            *slot = grey;
        }
    }
    pixels.truncate(grey_len);
}

fn failed(data: &[u8], error: &DecodingError) -> ImageError {
    match error {
        DecodingError::IoError(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
            truncated(data, "no end chunk (IEND)")
        }
        other => corrupt(data, other.to_string()),
    }
}

fn truncated(data: &[u8], missing: &'static str) -> ImageError {
    ImageError::Truncated { codec: CODEC, found: data.len(), missing }
}

fn corrupt(data: &[u8], reason: String) -> ImageError {
    ImageError::Corrupt { codec: CODEC, found: data.len(), reason }
}
