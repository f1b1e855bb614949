//! `sensor_msgs/msg/Image` and `sensor_msgs/msg/CompressedImage`.

use super::CdrError;
use super::reader::Reader;
use super::writer::Writer;

/// The type that [`Image`] reads and writes.
pub const IMAGE_TYPE: &str = "sensor_msgs/msg/Image";
/// The type that [`CompressedImage`] reads and writes.
pub const COMPRESSED_IMAGE_TYPE: &str = "sensor_msgs/msg/CompressedImage";

/// What a message has beside its texts and data, rounded up.
const FIXED: usize = 64;

/// A raw image; texts and pixels lie in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image<'a> {
    /// When the picture was taken, nanoseconds since 1970.
    pub stamp_ns: i64,
    /// Coordinate frame of the camera.
    pub frame_id: &'a str,
    /// Height in pixels.
    pub height: u32,
    /// Width in pixels.
    pub width: u32,
    /// Name of the encoding.
    pub encoding: &'a str,
    /// Whether numbers of more than 8 bits are big-endian (not 0).
    pub is_bigendian: u8,
    /// Bytes from row to row.
    pub step: u32,
    /// The pixels; their number is not checked against the size here.
    pub data: &'a [u8],
}

impl<'a> Image<'a> {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`CdrError`] where the bytes are not one.
    pub fn decode(message: &'a [u8]) -> Result<Self, CdrError> {
        let mut reader = Reader::new(IMAGE_TYPE, message)?;
        Ok(Self {
            stamp_ns: reader.time()?,
            frame_id: reader.str("frame_id")?,
            height: reader.u32("height")?,
            width: reader.u32("width")?,
            encoding: reader.str("encoding")?,
            is_bigendian: reader.u8("is_bigendian")?,
            step: reader.u32("step")?,
            data: reader.bytes("data")?,
        })
    }

    /// The message's bytes.
    ///
    /// # Errors
    ///
    /// [`CdrError::Unwritable`] for a text with a zero byte inside or 4 GiB of data.
    pub fn encode(&self) -> Result<Vec<u8>, CdrError> {
        let mut writer =
            Writer::with_capacity(FIXED + self.frame_id.len() + self.encoding.len() + self.data.len());
        writer.time(self.stamp_ns);
        writer.str("frame_id", self.frame_id)?;
        writer.u32(self.height);
        writer.u32(self.width);
        writer.str("encoding", self.encoding)?;
        writer.u8(self.is_bigendian);
        writer.u32(self.step);
        writer.bytes("data", self.data)?;
        Ok(writer.finish())
    }
}

/// A compressed image; texts and data lie in the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressedImage<'a> {
    /// When the picture was taken, nanoseconds since 1970.
    pub stamp_ns: i64,
    /// Coordinate frame of the camera.
    pub frame_id: &'a str,
    /// Name of the format.
    pub format: &'a str,
    /// The compressed picture.
    pub data: &'a [u8],
}

impl<'a> CompressedImage<'a> {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`CdrError`] where the bytes are not one.
    pub fn decode(message: &'a [u8]) -> Result<Self, CdrError> {
        let mut reader = Reader::new(COMPRESSED_IMAGE_TYPE, message)?;
        Ok(Self {
            stamp_ns: reader.time()?,
            frame_id: reader.str("frame_id")?,
            format: reader.str("format")?,
            data: reader.bytes("data")?,
        })
    }

    /// The message's bytes.
    ///
    /// # Errors
    ///
    /// [`CdrError::Unwritable`] for a text with a zero byte inside or 4 GiB of data.
    pub fn encode(&self) -> Result<Vec<u8>, CdrError> {
        let mut writer =
            Writer::with_capacity(FIXED + self.frame_id.len() + self.format.len() + self.data.len());
        writer.time(self.stamp_ns);
        writer.str("frame_id", self.frame_id)?;
        writer.str("format", self.format)?;
        writer.bytes("data", self.data)?;
        Ok(writer.finish())
    }
}
