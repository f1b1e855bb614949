//! JPEG and PNG, as `sensor_msgs/CompressedImage` carries them.

mod jpeg;
mod png;

#[cfg(test)]
mod tests;

use super::error::shorten;
use super::{ChannelOrder, ImageError, PixelView};

/// How large a compressed picture may be. Its header is held against this before anything is allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most pixels (width × height).
    pub max_pixels: u64,
    /// Largest width and largest height, in pixels.
    pub max_side_px: u32,
}

impl Default for DecodeLimits {
    /// 50 million pixels and 16 384 px a side: an 8K camera with room to spare.
    fn default() -> Self {
        Self { max_pixels: 50_000_000, max_side_px: 16_384 }
    }
}

/// Decodes JPEG and PNG, keeping its pixel buffer from frame to frame.
///
/// One per camera: after the first frame of a size the pixels are not allocated again. (The codecs
/// allocate working memory of their own, a few rows of the picture for baseline JPEG and for PNG.)
#[derive(Debug)]
pub struct CompressedDecoder {
    limits: DecodeLimits,
    /// The coded picture as the JPEG decoder gets to see it.
    coded: Vec<u8>,
    pixels: Vec<u8>,
}

/// Size and channels of what a codec wrote: rows without padding.
struct Decoded {
    order: ChannelOrder,
    width: u32,
    height: u32,
}

const HINT_FORMATS: &str = "expected JPEG or PNG, set the publisher's image_transport to `compressed`";
const HINT_DEPTH: &str =
    "a depth image is not a picture to detect objects in, take the camera's colour topic";
const HINT_BAYER: &str =
    "a compressed Bayer mosaic has no colours, compress after debayering (image_proc) or take the raw topic";

impl CompressedDecoder {
    /// A decoder without a buffer yet.
    #[must_use]
    pub fn new(limits: DecodeLimits) -> Self {
        Self { limits, coded: Vec::new(), pixels: Vec::new() }
    }

    /// Decodes `data`, which its first bytes say is JPEG or PNG.
    ///
    /// `format` is the message's `format` (such as `jpeg` or `rgb8; jpeg compressed bgr8`). It is not trusted
    /// to name the codec, but depth images and Bayer mosaics, which hide in PNG and JPEG, are refused by it.
    ///
    /// Colour becomes RGB (RGBA if a PNG has transparency), grey becomes [`ChannelOrder::Mono`], 16-bit
    /// samples keep their high byte. An EXIF orientation is not applied: detections are in the coordinates of
    /// the pixels as stored.
    ///
    /// # Errors
    /// - [`ImageError::UnsupportedFormat`]: neither JPEG nor PNG, or a format refused by name;
    /// - [`ImageError::UnsupportedKind`]: CMYK JPEG, animated PNG;
    /// - [`ImageError::Empty`], [`ImageError::TooLarge`]: by the header, before decoding;
    /// - [`ImageError::Truncated`], [`ImageError::Corrupt`]: the data is damaged. There is no half picture; the
    ///   one thing that passes is a progressive JPEG that ends after some of its scans, a whole but coarser
    ///   picture.
    pub fn decode<'a>(&'a mut self, format: &str, data: &[u8]) -> Result<PixelView<'a>, ImageError> {
        let unsupported = |hint| ImageError::UnsupportedFormat {
            format: shorten(format),
            magic: data.iter().take(8).copied().collect(),
            hint,
        };
        if format.contains("compressedDepth") {
            return Err(unsupported(HINT_DEPTH));
        }
        if is_bayer_mosaic(format) {
            return Err(unsupported(HINT_BAYER));
        }
        let decoded = if data.starts_with(&jpeg::MAGIC) {
            jpeg::decode(data, self.limits, &mut self.coded, &mut self.pixels)?
        } else if data.starts_with(&png::MAGIC) {
            png::decode(data, self.limits, &mut self.pixels)?
        } else {
            return Err(unsupported(HINT_FORMATS));
        };
        let step = decoded.order.channels() * decoded.width as usize;
        PixelView::new(decoded.order, decoded.width, decoded.height, step, &self.pixels)
    }
}

/// Whether `format` says that a mosaic was compressed as if it were a grey picture.
///
/// `compressed_image_transport` writes `<raw encoding>; <codec> compressed <compressed encoding>`. The last
/// is a colour encoding if the picture was converted before it was compressed, otherwise empty or grey.
fn is_bayer_mosaic(format: &str) -> bool {
    format.starts_with("bayer_") && !["rgb", "bgr"].iter().any(|colour| format.contains(colour))
}
