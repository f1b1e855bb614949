use opencv::core::{BORDER_DEFAULT, CV_32F, Mat, MatTraitConst, Point, Size};
use opencv::imgproc;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::{cut_off, with_matrix};

/// Radius in pixels, at the published levels (`imagecorruptions` 1.1.2).
const RADIUS: [f64; 5] = [3.0, 4.0, 6.0, 8.0, 10.0];

/// Standard deviation of the blur that softens the disc's edge, at the published levels.
const EDGE: [f64; 5] = [0.1, 0.5, 0.5, 0.5, 0.5];

/// Defocus blur: each channel convolved with a disc, its edge softened by a small Gaussian; the border is mirrored.
///
/// The disc holds the whole pixels whose distance from the centre is at most the radius, as in the reference, so between
/// levels it grows pixel by pixel. Bound by OpenCV's filter, which goes through the frequency domain for discs of this size.
#[derive(Default)]
pub(in crate::corruption) struct DefocusBlur {
    blurred: Mat,
}

pub(in crate::corruption) fn defocus_blur() -> DefocusBlur {
    DefocusBlur::default()
}

impl Kernel for DefocusBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let radius = severity.interpolate(0.0, RADIUS) * context.scale(picture);
        let edge = severity.interpolate(0.0, EDGE);
        let done = self.blur(picture, radius, edge);
        done.map_err(|source| CorruptionError::OpenCv { corruption: "defocus_blur", source })?;
        Ok(Delivery::Deliver)
    }
}

impl DefocusBlur {
    fn blur(&mut self, picture: &mut Picture, radius: f64, edge: f64) -> opencv::Result<()> {
        let kernel = disc(radius, edge)?;
        with_matrix(picture, |matrix| {
            let (centre, border) = (Point::new(-1, -1), BORDER_DEFAULT);
            let mut float = Mat::default();
            matrix.convert_to(&mut float, CV_32F, 1.0, 0.0)?;
            imgproc::filter_2d(&float, &mut self.blurred, CV_32F, &kernel, centre, 0.0, border)
        })?;
        cut_off(&self.blurred, picture)
    }
}

/// A disc of sum 1 in a square of at least 17 × 17 pixels, as the reference makes it.
fn disc(radius: f64, edge: f64) -> opencv::Result<Mat> {
    let reach = if radius <= 8.0 { 8 } else { radius.ceil() as i32 };
    let inside = |x: i32, y: i32| f64::from(x * x + y * y) <= radius * radius;
    let side = -reach..=reach;
    let values: Vec<f32> = side
        .clone()
        .flat_map(|y| side.clone().map(move |x| (x, y)))
        .map(|(x, y)| f32::from(u8::from(inside(x, y))))
        .collect();
    let sum: f32 = values.iter().sum();
    let values: Vec<f32> = values.iter().map(|value| value / sum).collect();
    let flat = Mat::from_slice(&values)?;
    let square = flat.reshape(1, 2 * reach + 1)?;
    if edge <= 0.0 {
        return square.try_clone();
    }
    let width = if radius <= 8.0 { 3 } else { 5 };
    let mut softened = Mat::default();
    imgproc::gaussian_blur(&square, &mut softened, Size::new(width, width), edge, edge, BORDER_DEFAULT)?;
    Ok(softened)
}
