//! Checked views of borrowed pixels.

use super::{Encoding, ImageError};

/// The largest image that is accepted, in pixels: well over any camera's, and small enough that no size
/// computed from it overflows.
pub const MAX_PIXELS: u64 = 100_000_000;

/// `OpenCV` counts columns in 32 signed bits.
const MAX_STEP: usize = i32::MAX as usize;

/// A raw image in any [`Encoding`]: borrowed bytes whose layout has been checked.
#[derive(Debug, Clone, Copy)]
pub struct ImageView<'a> {
    encoding: Encoding,
    width: u32,
    height: u32,
    step: usize,
    data: &'a [u8],
}

impl<'a> ImageView<'a> {
    /// Checks the layout of an image of `width` × `height` pixels whose rows begin `step` bytes apart.
    ///
    /// `data` must be exactly [`Encoding::rows`] × `step` bytes; the padding of the last row may be missing.
    ///
    /// # Errors
    /// - [`ImageError::Empty`]: width or height is zero;
    /// - [`ImageError::TooLarge`]: over [`MAX_PIXELS`];
    /// - [`ImageError::SizeForEncoding`]: odd sizes for YUV encodings, under 3×3 for Bayer;
    /// - [`ImageError::Step`]: a row is shorter than its pixels, or over 2³¹ − 1 bytes;
    /// - [`ImageError::DataLength`]: too few or too many bytes.
    pub fn new(
        encoding: Encoding,
        width: u32,
        height: u32,
        step: usize,
        data: &'a [u8],
    ) -> Result<Self, ImageError> {
        check_size(width, height, MAX_PIXELS, u32::MAX)?;
        if let Some(expected) = encoding.size_rule_broken(width, height) {
            return Err(ImageError::SizeForEncoding { encoding, width, height, expected });
        }
        check_layout(encoding.bytes_per_row(width), encoding.rows(height), step, data.len())?;
        Ok(Self { encoding, width, height, step, data })
    }

    /// How the bytes are pixels.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from the beginning of one row to the next.
    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    /// All rows, with their padding (the last row's may be missing).
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }
}

/// Meaning of the interleaved 8-bit channels of a [`PixelView`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChannelOrder {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue, alpha.
    Rgba,
    /// Blue, green, red, alpha.
    Bgra,
    /// Grey.
    Mono,
}

impl ChannelOrder {
    /// Channels, and so bytes, per pixel: 1, 3 or 4.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }
}

/// A picture of interleaved 8-bit channels, borrowed: what the rooms above work on.
#[derive(Debug, Clone, Copy)]
pub struct PixelView<'a> {
    order: ChannelOrder,
    width: u32,
    height: u32,
    step: usize,
    data: &'a [u8],
}

impl<'a> PixelView<'a> {
    /// Checks the layout of a picture of `width` × `height` pixels whose rows begin `step` bytes apart.
    ///
    /// `data` must be exactly `height` × `step` bytes; the padding of the last row may be missing.
    ///
    /// # Errors
    /// As [`ImageView::new`].
    pub fn new(
        order: ChannelOrder,
        width: u32,
        height: u32,
        step: usize,
        data: &'a [u8],
    ) -> Result<Self, ImageError> {
        check_size(width, height, MAX_PIXELS, u32::MAX)?;
        check_layout(order.channels().saturating_mul(width as usize), height as usize, step, data.len())?;
        Ok(Self { order, width, height, step, data })
    }

    /// Meaning of the channels.
    #[must_use]
    pub fn order(&self) -> ChannelOrder {
        self.order
    }

    /// Width in pixels, at least 1.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels, at least 1.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Bytes from the beginning of one row to the next.
    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    /// All rows, with their padding (the last row's may be missing).
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Bytes that the pixels of one row take, without padding.
    #[must_use]
    pub fn bytes_per_row(&self) -> usize {
        self.order.channels() * self.width as usize
    }

    /// The rows from top to bottom, each [`Self::bytes_per_row`] bytes, without padding.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        let row_bytes = self.bytes_per_row();
        // Every chunk holds a whole row, by construction.
        self.data.chunks(self.step).map(move |row| row.get(..row_bytes).unwrap_or(row))
    }
}

/// Refuses empty sizes and sizes over the limits.
pub(super) fn check_size(
    width: u32,
    height: u32,
    max_pixels: u64,
    max_side_px: u32,
) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Empty { width, height });
    }
    if width > max_side_px || height > max_side_px || u64::from(width) * u64::from(height) > max_pixels {
        return Err(ImageError::TooLarge { width, height, max_pixels, max_side_px });
    }
    Ok(())
}

/// Refuses layouts whose bytes are not exactly `rows` × `step`, but for the last row's padding.
fn check_layout(row_bytes: usize, rows: usize, step: usize, found: usize) -> Result<(), ImageError> {
    if step < row_bytes || step > MAX_STEP {
        return Err(ImageError::Step { step, min: row_bytes, max: MAX_STEP });
    }
    let expected = step.saturating_mul(rows);
    let shortest = expected - (step - row_bytes);
    // `usize::MAX` bytes: the product overflowed, and no slice is that long.
    if found != expected && found != shortest || expected == usize::MAX {
        return Err(ImageError::DataLength { found, expected, shortest, rows, step });
    }
    Ok(())
}
