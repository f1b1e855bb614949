//! Optics and motion.

mod defocus;
mod gaussian;
mod glass;
mod motion;
mod zoom;

use opencv::boxed_ref::BoxedRef;
use opencv::core::{BORDER_REPLICATE, CV_32F, Mat, MatTraitConst, MatTraitConstManual, Size};
use opencv::imgproc;

use super::Picture;

pub(super) use defocus::defocus_blur;
pub(super) use gaussian::gaussian_blur;
pub(super) use glass::glass_blur;
pub(super) use motion::{Tap, motion_blur, taps};
pub(super) use zoom::zoom_blur;

/// The picture as an OpenCV matrix of three channels, in place.
fn with_matrix<T>(
    picture: &Picture,
    f: impl FnOnce(&BoxedRef<'_, Mat>) -> opencv::Result<T>,
) -> opencv::Result<T> {
    let rows = i32::try_from(picture.height())?;
    let columns = i32::try_from(picture.width())? * 3;
    let flat = Mat::new_rows_cols_with_bytes::<u8>(rows, columns, picture.data())?;
    let matrix = flat.reshape(3, rows)?;
    f(&matrix)
}

/// Writes single precision values back as bytes, the fraction cut off as the reference does.
fn cut_off(values: &Mat, picture: &mut Picture) -> opencv::Result<()> {
    let flat = values.reshape(1, 0)?;
    for (to, from) in picture.data_mut().iter_mut().zip(flat.data_typed::<f32>()?) {
        // A hair keeps what is exact in the reference's double precision from falling to the value below.
        *to = (from + 1e-3) as u8;
    }
    Ok(())
}

/// Gaussian blur as scikit-image does it: the kernel reaches four standard deviations, the border is repeated.
#[derive(Default)]
struct Gaussian {
    float: Mat,
    blurred: Mat,
}

impl Gaussian {
    fn apply(&mut self, picture: &mut Picture, sigma: f64) -> opencv::Result<()> {
        with_matrix(picture, |matrix| matrix.convert_to(&mut self.float, CV_32F, 1.0, 0.0))?;
        let width = 2 * ((4.0 * sigma + 0.5) as i32) + 1;
        let size = Size::new(width, width);
        imgproc::gaussian_blur(&self.float, &mut self.blurred, size, sigma, sigma, BORDER_REPLICATE)?;
        cut_off(&self.blurred, picture)
    }
}

#[cfg(test)]
mod tests;
