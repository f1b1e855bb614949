//! What can be wrong with a picture.

use super::encoding::{Encoding, SUPPORTED_NAMES};

/// A picture that can't be used, and why.
///
/// Text that comes from outside (encoding and format names) is shown shortened and with control characters
/// escaped, so that a message is always fit for a log line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The encoding's name is not one that Roadproof reads.
    #[error(
        "image encoding {name:?} isn't supported, expected one of {SUPPORTED_NAMES}: set the camera driver to \
         one of them, or convert with image_proc"
    )]
    UnknownEncoding {
        /// The name found, shortened.
        name: String,
    },
    /// Width or height is zero.
    #[error("image of {width}x{height} px has no pixels: width and height must be at least 1")]
    Empty {
        /// Width found, in pixels.
        width: u32,
        /// Height found, in pixels.
        height: u32,
    },
    /// More pixels than the limit allows; found before anything was allocated.
    #[error(
        "image of {width}x{height} px is over the limit of {max_pixels} pixels and {max_side_px} px a side: \
         the header is corrupt, or the camera needs a smaller output size"
    )]
    TooLarge {
        /// Width found, in pixels.
        width: u32,
        /// Height found, in pixels.
        height: u32,
        /// The limit on width × height.
        max_pixels: u64,
        /// The limit on width and on height, in pixels.
        max_side_px: u32,
    },
    /// The size does not suit the encoding.
    #[error("{} image of {width}x{height} px: expected {expected}", encoding.ros_name())]
    SizeForEncoding {
        /// The encoding.
        encoding: Encoding,
        /// Width found, in pixels.
        width: u32,
        /// Height found, in pixels.
        height: u32,
        /// What the encoding asks for, in words.
        expected: &'static str,
    },
    /// A row is shorter than its pixels, or longer than can be addressed.
    #[error("row step of {step} bytes: expected at least {min} (the pixels of a row) and at most {max}")]
    Step {
        /// Bytes from row to row, as found.
        step: usize,
        /// The bytes of one row's pixels.
        min: usize,
        /// The longest row that `OpenCV` can address.
        max: usize,
    },
    /// The data's length does not match rows × step.
    #[error(
        "image data of {found} bytes: expected {rows} rows x {step} bytes = {expected} (or {shortest} without \
         the last row's padding), the message is cut off or its step is wrong"
    )]
    DataLength {
        /// Length found, in bytes.
        found: usize,
        /// rows × step.
        expected: usize,
        /// The same without the padding of the last row.
        shortest: usize,
        /// Rows of bytes.
        rows: usize,
        /// Bytes from row to row.
        step: usize,
    },
    /// A compressed image in a format that Roadproof doesn't read.
    #[error("compressed image format {format:?} (data begins with {magic:02x?}) isn't supported: {hint}")]
    UnsupportedFormat {
        /// The message's `format`, shortened.
        format: String,
        /// The first bytes of the data.
        magic: Vec<u8>,
        /// What to do.
        hint: &'static str,
    },
    /// Compressed data that ends before the picture is complete.
    #[error(
        "{codec} data of {found} bytes is cut off: {missing}; it was damaged between the camera and here, look \
         for dropped packets"
    )]
    Truncated {
        /// `JPEG` or `PNG`.
        codec: &'static str,
        /// Length found, in bytes.
        found: usize,
        /// What was looked for in vain.
        missing: &'static str,
    },
    /// Compressed data that the decoder refuses.
    #[error("{codec} data of {found} bytes can't be decoded: {reason}")]
    Corrupt {
        /// `JPEG` or `PNG`.
        codec: &'static str,
        /// Length found, in bytes.
        found: usize,
        /// The decoder's words.
        reason: String,
    },
    /// Compressed data that is well formed, but of a kind that Roadproof doesn't read.
    #[error("{codec} image {found}: expected {expected}")]
    UnsupportedKind {
        /// `JPEG` or `PNG`.
        codec: &'static str,
        /// The kind found.
        found: String,
        /// The kinds that are read.
        expected: &'static str,
    },
    /// `OpenCV` refused a conversion of a checked image.
    #[error("OpenCV could not convert a {} image of {width}x{height} px: {reason}", encoding.ros_name())]
    OpenCv {
        /// The encoding converted from.
        encoding: Encoding,
        /// Width, in pixels.
        width: u32,
        /// Height, in pixels.
        height: u32,
        /// `OpenCV`'s words.
        reason: String,
    },
}

/// The beginning of a name that comes from outside: enough to recognise it, too short to flood a log.
pub(super) fn shorten(name: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut short: String = name.chars().take(MAX_CHARS).collect();
    if short.len() < name.len() {
        short.push('…');
    }
    short
}
