//! Messages as a bag holds them: CDR, the serialisation of ROS 2.
//!
//! Read are both byte orders of plain CDR; written is little-endian. Large fields are borrowed from the
//! message. Whatever the bytes are, reading ends in a value or in a [`CdrError`] and allocates no more than
//! the message is long.

mod detections;
mod health;
mod image;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use detections::{DETECTIONS_TYPE, Detection2D, Detection2DArray, Hypothesis};
pub use health::{CAMERA_HEALTH_TYPE, CameraHealth, ClassHealth};
pub use image::{COMPRESSED_IMAGE_TYPE, CompressedImage, IMAGE_TYPE, Image};

/// Why bytes are not the message that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CdrError {
    /// The message does not begin with the header of plain CDR.
    #[error("message begins with {found:02x?}: expected 00 00 or 00 01 (plain CDR, big or little-endian)")]
    Encapsulation {
        /// The first bytes, at most 4.
        found: Vec<u8>,
    },
    /// The message ends before a field does.
    #[error(
        "{field} at byte {offset} needs {needed} bytes, {left} are left: the message is cut off or not a {message}"
    )]
    Truncated {
        /// The type that was asked for.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Where it begins, from the message's first byte.
        offset: usize,
        /// Its length in bytes.
        needed: u64,
        /// What the message still has.
        left: usize,
    },
    /// A text that is not UTF-8, or does not end in a zero byte.
    #[error(
        "{field} at byte {offset} is not a text: expected UTF-8 that ends in a zero byte (is this a {message}?)"
    )]
    Text {
        /// The type that was asked for.
        message: &'static str,
        /// The field.
        field: &'static str,
        /// Where it begins, from the message's first byte.
        offset: usize,
    },
    /// A text with a zero byte inside, or data too long for CDR's 32-bit lengths, cannot be written.
    #[error("{field} cannot be written: expected {expected}")]
    Unwritable {
        /// The field.
        field: &'static str,
        /// What is allowed.
        expected: &'static str,
    },
}
