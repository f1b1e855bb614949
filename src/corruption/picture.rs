use crate::image::{ChannelOrder, ImageError, PixelView};

use super::CorruptionError;

/// Least width and height that can be corrupted, pixels (the reference's smallest sensible size).
pub const MIN_SIDE_PX: u32 = 32;

/// A picture that is being corrupted: RGB, 8 bits per channel, rows without padding.
///
/// Always RGB, so that the same scene gets the same noise whatever encoding it comes in. A grey picture has three equal
/// channels, as in the reference; an alpha channel is dropped. Keeps its buffer from frame to frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Picture {
    /// A picture from RGB bytes, `width × height × 3` of them.
    ///
    /// # Errors
    /// Smaller than [`MIN_SIDE_PX`], or the number of bytes does not fit the size.
    pub fn from_rgb(width: u32, height: u32, data: Vec<u8>) -> Result<Self, CorruptionError> {
        PixelView::new(ChannelOrder::Rgb, width, height, width as usize * 3, &data)?;
        check_size(width, height)?;
        Ok(Self { width, height, data })
    }

    /// Takes over the pixels of `view`, converted to RGB.
    ///
    /// # Errors
    /// Smaller than [`MIN_SIDE_PX`]; the picture is as it was then.
    pub fn assign(&mut self, view: &PixelView<'_>) -> Result<(), CorruptionError> {
        check_size(view.width(), view.height())?;
        (self.width, self.height) = (view.width(), view.height());
        self.data.clear();
        let data = &mut self.data;
        for row in view.rows() {
            match view.order() {
                ChannelOrder::Rgb => data.extend_from_slice(row),
                ChannelOrder::Bgr => data.extend(row.chunks_exact(3).flat_map(|p| [p[2], p[1], p[0]])),
                ChannelOrder::Rgba => data.extend(row.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]])),
                ChannelOrder::Bgra => data.extend(row.chunks_exact(4).flat_map(|p| [p[2], p[1], p[0]])),
                ChannelOrder::Mono => data.extend(row.iter().flat_map(|&v| [v, v, v])),
            }
        }
        Ok(())
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes, R G B R G B …, row after row.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The bytes, to be changed in place.
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// The picture as the detector takes it.
    ///
    /// # Errors
    /// The picture is empty, as it is before the first [`Picture::assign`].
    pub fn view(&self) -> Result<PixelView<'_>, ImageError> {
        PixelView::new(ChannelOrder::Rgb, self.width, self.height, self.width as usize * 3, &self.data)
    }
}

fn check_size(width: u32, height: u32) -> Result<(), CorruptionError> {
    if width < MIN_SIDE_PX || height < MIN_SIDE_PX {
        return Err(CorruptionError::TooSmall { width, height });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_order_gives_the_same_picture() {
        let (w, h) = (32_u32, 33_u32);
        let rgb: Vec<[u8; 3]> = (0..w * h).map(|i| [i as u8, (i / 7) as u8, (i / 3) as u8]).collect();
        let bytes = |f: &dyn Fn(&[u8; 3]) -> Vec<u8>| rgb.iter().flat_map(f).collect::<Vec<u8>>();
        let expected = bytes(&|p| p.to_vec());
        let cases = [
            (ChannelOrder::Rgb, bytes(&|p| p.to_vec())),
            (ChannelOrder::Bgr, bytes(&|p| vec![p[2], p[1], p[0]])),
            (ChannelOrder::Rgba, bytes(&|p| vec![p[0], p[1], p[2], 9])),
            (ChannelOrder::Bgra, bytes(&|p| vec![p[2], p[1], p[0], 9])),
        ];
        let mut picture = Picture::default();
        for (order, data) in cases {
            let view = PixelView::new(order, w, h, w as usize * order.channels(), &data).unwrap();
            picture.assign(&view).unwrap();
            assert_eq!(picture.data(), expected, "{order:?}");
        }
        let grey: Vec<u8> = rgb.iter().map(|p| p[0]).collect();
        picture.assign(&PixelView::new(ChannelOrder::Mono, w, h, w as usize, &grey).unwrap()).unwrap();
        assert_eq!(picture.data(), bytes(&|p| vec![p[0]; 3]));
    }

    #[test]
    fn small_and_inconsistent_pictures_are_refused() {
        assert!(matches!(
            Picture::from_rgb(31, 64, vec![0; 31 * 64 * 3]),
            Err(CorruptionError::TooSmall { .. })
        ));
        assert!(matches!(Picture::from_rgb(64, 64, vec![0; 5]), Err(CorruptionError::Image(_))));
        let mut picture = Picture::default();
        let data = [0; 31 * 31 * 3];
        let view = PixelView::new(ChannelOrder::Rgb, 31, 31, 93, &data).unwrap();
        assert!(picture.assign(&view).is_err());
        assert!(picture.view().is_err(), "an empty picture has no view");
    }
}
