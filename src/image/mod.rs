//! Frames, encodings and conversions.

use thiserror::Error;

/// What can be wrong with pixels that came from outside.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageError {
    /// The buffer does not hold what its description promises.
    #[error("image of {width}x{height} pixels in {order:?}: expected {expected}, found {found}")]
    Buffer {
        /// Channel order of the description.
        order: ChannelOrder,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// What the description asks for.
        expected: String,
        /// What came.
        found: String,
    },
}

/// The order of the interleaved 8-bit channels of a pixel.
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
    /// One grey channel.
    Mono,
}

impl ChannelOrder {
    /// Channels per pixel.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba | Self::Bgra => 4,
        }
    }
}

/// Borrowed 8-bit interleaved pixels, `height` rows of `step` bytes.
#[derive(Debug, Clone, Copy)]
pub struct PixelView<'a> {
    order: ChannelOrder,
    width: u32,
    height: u32,
    step: usize,
    data: &'a [u8],
}

impl<'a> PixelView<'a> {
    /// Checks that `data` holds `height` rows of `step` bytes (the last row may lack its padding).
    ///
    /// # Errors
    /// [`ImageError::Buffer`] when it does not.
    pub fn new(
        order: ChannelOrder,
        width: u32,
        height: u32,
        step: usize,
        data: &'a [u8],
    ) -> Result<Self, ImageError> {
        let row = width as usize * order.channels();
        let needed = (height as usize).checked_sub(1).and_then(|n| n.checked_mul(step)).map(|n| n + row);
        if row == 0 || step < row || needed.is_none_or(|needed| data.len() < needed) {
            return Err(ImageError::Buffer {
                order,
                width,
                height,
                expected: format!("rows of at least {row} bytes, {needed:?} bytes in all"),
                found: format!("rows of {step} bytes, {} bytes in all", data.len()),
            });
        }
        Ok(Self { order, width, height, step, data })
    }

    /// The channel order.
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

    /// Bytes from one row to the next.
    #[must_use]
    pub fn step(&self) -> usize {
        self.step
    }

    /// The bytes, `height` rows of `step`; the last row may lack its padding.
    #[must_use]
    pub fn data(&self) -> &'a [u8] {
        self.data
    }
}
