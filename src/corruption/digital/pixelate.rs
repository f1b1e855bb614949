use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Size};
use opencv::imgproc;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

/// What is left of width and height, at the published levels (`imagecorruptions` 1.1.2).
const LEFT: [f64; 5] = [0.6, 0.5, 0.4, 0.3, 0.25];

/// Pixelate: shrunk to *c* of width and height by averaging areas, enlarged again by repeating pixels.
///
/// The reference's box filter is OpenCV's area interpolation; the nearest pixel is that under the centre, as in Pillow.
/// Below level 1 the picture is blended with that of level 1, since nearly as many pixels as before are no small change.
/// Bound by reading the picture once.
#[derive(Default)]
pub(in crate::corruption) struct Pixelate {
    small: Mat,
    /// Column of the small picture for each column of the large one.
    columns: Vec<usize>,
}

pub(in crate::corruption) fn pixelate() -> Pixelate {
    Pixelate::default()
}

impl Kernel for Pixelate {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let whole = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
        let left = whole.interpolate(1.0, LEFT);
        // In 1/256.
        let share = (severity.value().min(1.0) * 256.0).round() as u32;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let shrink = |side: usize| ((side as f64 * left) as usize).max(1);
        let (small_width, small_height) = (shrink(width), shrink(height));
        let resized = self.shrink(picture, small_width, small_height);
        resized.map_err(|source| CorruptionError::OpenCv { corruption: "pixelate", source })?;
        self.columns.clear();
        self.columns.extend((0..width).map(|x| nearest(x, small_width, width)));
        for (y, row) in picture.data_mut().chunks_exact_mut(width * 3).enumerate() {
            let from = i32::try_from(nearest(y, small_height, height)).unwrap_or(0);
            let source = self.small.at_row::<opencv::core::Vec3b>(from);
            let source =
                source.map_err(|source| CorruptionError::OpenCv { corruption: "pixelate", source })?;
            for (pixel, column) in row.as_chunks_mut::<3>().0.iter_mut().zip(&self.columns) {
                if let Some(value) = source.get(*column) {
                    for (old, new) in pixel.iter_mut().zip(value.0) {
                        *old = ((u32::from(*old) * (256 - share) + u32::from(new) * share + 128) >> 8) as u8;
                    }
                }
            }
        }
        Ok(Delivery::Deliver)
    }
}

/// The pixel of the small side under the centre of pixel `i` of the large one.
fn nearest(i: usize, small: usize, large: usize) -> usize {
    ((2 * i + 1) * small / (2 * large)).min(small - 1)
}

impl Pixelate {
    fn shrink(&mut self, picture: &Picture, width: usize, height: usize) -> opencv::Result<()> {
        let rows = i32::try_from(picture.height())?;
        let flat =
            Mat::new_rows_cols_with_bytes::<u8>(rows, i32::try_from(picture.width())? * 3, picture.data())?;
        let source = flat.reshape(3, rows)?;
        let size = Size::new(i32::try_from(width)?, i32::try_from(height)?);
        imgproc::resize(&source, &mut self.small, size, 0.0, 0.0, imgproc::INTER_AREA)
    }
}
