use crate::image::{ImageView, PixelView};

/// One camera frame on its way through the pipeline; everything is borrowed from the source.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Index of the camera, below the number that the pipeline was made for.
    pub camera: usize,
    /// Capture time in nanoseconds since the epoch of the source's clock, from the message header.
    pub stamp_ns: i64,
    /// Coordinate frame of the camera, from the message header; handed through to every output.
    pub frame_id: &'a str,
    /// The picture.
    pub pixels: FramePixels<'a>,
}

/// The picture of a [`Frame`], in the form in which the source delivers it.
#[derive(Debug, Clone, Copy)]
pub enum FramePixels<'a> {
    /// Uncompressed, in one of the encodings of `sensor_msgs/Image`.
    Raw(ImageView<'a>),
    /// A JPEG or PNG file.
    Compressed {
        /// The `format` field of `sensor_msgs/CompressedImage`.
        format: &'a str,
        /// The file's bytes.
        data: &'a [u8],
    },
    /// Already 8-bit interleaved pixels, as image folders and videos deliver them.
    Pixels(PixelView<'a>),
}
