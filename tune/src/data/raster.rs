//! 8-bit pictures that are put together.

use opencv::core::{Mat, MatTraitConst as _, MatTraitConstManual as _, Size, Vector};
use opencv::{imgcodecs, imgproc};
use roadproof::image::{ChannelOrder, ImageError, PixelView};

/// A picture that owns its pixels: RGB, 8 bits per channel, rows without padding. Keeps its buffer from one to the next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Raster {
    width: u32,
    height: u32,
    data: Vec<u8>,
}

impl Raster {
    /// Takes over the pixels of `view`. Grey becomes three equal channels, an alpha channel is dropped.
    pub(super) fn assign(&mut self, view: &PixelView<'_>) {
        (self.width, self.height) = (view.width(), view.height());
        self.data.clear();
        let data = &mut self.data;
        for row in view.rows() {
            match view.order() {
                ChannelOrder::Rgb => data.extend_from_slice(row),
                ChannelOrder::Bgr => {
                    data.extend(row.as_chunks::<3>().0.iter().flat_map(|[b, g, r]| [*r, *g, *b]));
                }
                ChannelOrder::Rgba => {
                    data.extend(row.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]));
                }
                ChannelOrder::Bgra => {
                    data.extend(row.as_chunks::<4>().0.iter().flat_map(|[b, g, r, _]| [*r, *g, *b]));
                }
                ChannelOrder::Mono => data.extend(row.iter().flat_map(|grey| [*grey; 3])),
            }
        }
    }

    /// Makes it a picture of this size, all of one grey level.
    pub(super) fn fill(&mut self, width: u32, height: u32, grey: u8) {
        (self.width, self.height) = (width, height);
        self.data.clear();
        self.data.resize(width as usize * height as usize * 3, grey);
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    /// R G B R G B …, row after row.
    pub(super) fn data_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }

    /// # Errors
    /// There is no pixel.
    pub(super) fn view(&self) -> Result<PixelView<'_>, ImageError> {
        PixelView::new(ChannelOrder::Rgb, self.width, self.height, self.width as usize * 3, &self.data)
    }

    /// Pixels `from..to` of row `y`, for writing; empty beyond the borders.
    pub(super) fn part_mut(&mut self, y: u32, from: u32, to: u32) -> &mut [u8] {
        let start = y as usize * self.width as usize;
        let part = (start + from as usize) * 3..(start + to.min(self.width) as usize) * 3;
        self.data.get_mut(part).unwrap_or_default()
    }

    /// The picture as a JPEG file of this quality, 0 to 100.
    pub(super) fn to_jpeg(&self, quality: i32) -> opencv::Result<Vec<u8>> {
        let rows = i32::try_from(self.height)?;
        let rgb = Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(self.width)? * 3, &self.data)?;
        let (mut bgr, mut file) = (Mat::default(), Vector::new());
        imgproc::cvt_color_def(&rgb.reshape(3, rows)?, &mut bgr, imgproc::COLOR_RGB2BGR)?;
        let options = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, quality]);
        imgcodecs::imencode(".jpg", &bgr, &mut file, &options)?;
        Ok(file.as_slice().to_vec())
    }
}

/// Resizes a picture: the mean over the source's pixels where it shrinks, bilinear where it grows.
pub(super) fn resize(from: &Raster, width: u32, height: u32, into: &mut Raster) -> opencv::Result<()> {
    let rows = i32::try_from(from.height)?;
    let source = Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(from.width)? * 3, &from.data)?;
    let shrinks = width <= from.width && height <= from.height;
    let method = if shrinks { imgproc::INTER_AREA } else { imgproc::INTER_LINEAR };
    let size = Size::new(i32::try_from(width)?, i32::try_from(height)?);
    let mut resized = Mat::default();
    imgproc::resize(&source.reshape(3, rows)?, &mut resized, size, 0.0, 0.0, method)?;
    (into.width, into.height) = (width, height);
    into.data.clear();
    into.data.extend_from_slice(resized.data_bytes()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use roadproof::image::{CompressedDecoder, DecodeLimits};

    #[test]
    fn every_channel_order_gives_the_same_picture() {
        let rgb: Vec<u8> = (0..2 * 3 * 3).map(|value| value * 10).collect();
        let pixels = rgb.as_chunks::<3>().0;
        let orders = [
            (ChannelOrder::Rgb, rgb.clone()),
            (ChannelOrder::Bgr, pixels.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect()),
            (ChannelOrder::Rgba, pixels.iter().flat_map(|[r, g, b]| [*r, *g, *b, 9]).collect()),
            (ChannelOrder::Bgra, pixels.iter().flat_map(|[r, g, b]| [*b, *g, *r, 9]).collect()),
        ];
        let mut raster = Raster::default();
        for (order, data) in orders {
            raster.assign(&PixelView::new(order, 2, 3, 2 * order.channels(), &data).unwrap());
            assert_eq!(raster.view().unwrap().data(), rgb, "{order:?}");
        }
        // rows with a byte of padding
        raster.assign(&PixelView::new(ChannelOrder::Mono, 2, 2, 3, &[1, 2, 0, 3, 4, 0]).unwrap());
        assert_eq!(raster.view().unwrap().data(), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
    }

    #[test]
    fn colours_survive_jpeg_and_resizing() {
        let mut raster = Raster::default();
        raster.fill(40, 30, 0);
        for pixel in raster.data_mut().as_chunks_mut::<3>().0 {
            *pixel = [200, 60, 20];
        }
        let file = raster.to_jpeg(95).unwrap();
        let mut decoder = CompressedDecoder::new(DecodeLimits::default());
        let decoded = decoder.decode("", &file).unwrap();
        let near = |pixel: &[u8; 3]| pixel.iter().zip([200, 60, 20]).all(|(a, b)| a.abs_diff(b) < 6);
        assert!(decoded.data().as_chunks::<3>().0.iter().all(near));
        let mut resized = Raster::default();
        resize(&raster, 13, 17, &mut resized).unwrap();
        assert_eq!((resized.width(), resized.height()), (13, 17));
        assert!(
            resized.view().unwrap().data().as_chunks::<3>().0.iter().all(|pixel| *pixel == [200, 60, 20])
        );
        assert!(resized.part_mut(17, 0, 2).is_empty());
        assert_eq!(resized.part_mut(16, 11, 99).len(), 6);
    }
}
