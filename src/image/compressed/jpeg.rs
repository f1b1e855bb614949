//! JPEG (ITU-T T.81), baseline and progressive.

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{DecodeLimits, Decoded};
use crate::image::view::check_size;
use crate::image::{ChannelOrder, ImageError};

/// Start of image, and the first byte of the marker that has to follow.
pub(super) const MAGIC: [u8; 3] = [0xff, 0xd8, 0xff];

const CODEC: &str = "JPEG";

/// End of image.
const EOI: u8 = 0xd9;
/// Start of scan.
const SOS: u8 = 0xda;

/// Pixels that one bit of data can describe at most: a block of 8×8 samples takes at least one bit (the
/// shortest Huffman code of its DC coefficient; T.81, F.1.2.1), whatever the rest of it costs.
const MAX_PIXELS_PER_BIT: u64 = 64;

/// What is put before the end marker: 1-bits, which no Huffman code consists of (T.81, C.2), more of them than
/// a code and its value take (16 and 15 bits) and than the decoder reads ahead (64 bits). 0xff is written
/// 0xff 0x00 within a scan.
///
/// When its bits run out before its pixels do, a JPEG decoder traditionally goes on with 0-bits, and the rest
/// of the picture is grey or garbage. With these it stumbles over a code that doesn't exist, and a picture
/// that is complete never gets to see them.
const SENTINEL: [u8; 2 * 24] = {
    let mut bytes = [0xff; 2 * 24];
    let mut index = 1;
    while index < bytes.len() {
        bytes[index] = 0x00;
        index += 2;
    }
    bytes
};

/// Decodes `data` into `pixels`, which ends up exactly as long as the picture. `coded` is working memory.
pub(super) fn decode(
    data: &[u8],
    limits: DecodeLimits,
    coded: &mut Vec<u8>,
    pixels: &mut Vec<u8>,
) -> Result<Decoded, ImageError> {
    let Some(picture) = up_to_end(data) else {
        return Err(ImageError::Truncated {
            codec: CODEC,
            found: data.len(),
            missing: "no end marker (EOI)",
        });
    };
    coded.clear();
    coded.extend_from_slice(picture);
    coded.extend_from_slice(&SENTINEL);
    coded.extend_from_slice(&[0xff, EOI]);

    let corrupt = |reason: DecodeErrors| corrupt(data, reason.to_string());
    let options = DecoderOptions::new_fast()
        .set_strict_mode(true)
        .set_max_width(limits.max_side_px as usize)
        .set_max_height(limits.max_side_px as usize)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(coded.as_slice()), options);
    decoder.decode_headers().map_err(corrupt)?;
    let (Some(info), Some(colours)) = (decoder.info(), decoder.input_colorspace()) else {
        return Err(self::corrupt(data, "no frame header (SOF)".to_owned()));
    };
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    check_size(width, height, limits.max_pixels, limits.max_side_px)?;
    check_plausible(data, width, height)?;

    let order = match colours {
        ColorSpace::YCbCr | ColorSpace::RGB => ChannelOrder::Rgb,
        ColorSpace::Luma => {
            decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
            ChannelOrder::Mono
        }
        other => {
            return Err(ImageError::UnsupportedKind {
                codec: CODEC,
                found: format!("in {other:?} colours with {} components", info.components),
                expected: "YCbCr, RGB or grey, which is what cameras write",
            });
        }
    };
    pixels.resize(order.channels() * width as usize * height as usize, 0);
    decoder.decode_into(pixels).map_err(corrupt)?;
    Ok(Decoded { order, width, height })
}

fn corrupt(data: &[u8], reason: String) -> ImageError {
    ImageError::Corrupt { codec: CODEC, found: data.len(), reason }
}

/// Refuses a header that promises more pixels than the data can hold, so that a few hundred bytes can't
/// make us allocate a picture at the limit.
fn check_plausible(data: &[u8], width: u32, height: u32) -> Result<(), ImageError> {
    let most = (data.len() as u64).saturating_mul(8 * MAX_PIXELS_PER_BIT);
    if u64::from(width) * u64::from(height) > most {
        return Err(ImageError::Truncated {
            codec: CODEC,
            found: data.len(),
            missing: "too few bytes for the size in its header",
        });
    }
    Ok(())
}

/// What `data` holds before its end marker; `None` if its markers don't lead through a scan to an end
/// (T.81, B.1.1 and B.2.1).
///
/// Segments are skipped by their length, so that the end of a thumbnail inside one doesn't count. What
/// follows the end (padding of a camera's buffer, further pictures) is of no interest.
fn up_to_end(data: &[u8]) -> Option<&[u8]> {
    let mut position = 2;
    let mut seen_scan = false;
    loop {
        // To the next marker. 0xff 0x00 is a byte of a scan, RST0 to RST7 belong to it, of several 0xff the
        // last begins the marker.
        position += data.get(position..)?.iter().position(|&byte| byte == 0xff)?;
        match *data.get(position + 1)? {
            0xff => position += 1,
            0x00 | 0x01 | 0xd0..=0xd8 => position += 2,
            EOI => return data.get(..position).filter(|_| seen_scan),
            marker => {
                seen_scan |= marker == SOS;
                let length = data.get(position + 2..)?.first_chunk().copied().map(u16::from_be_bytes)?;
                position += 2 + usize::from(length);
            }
        }
    }
}
