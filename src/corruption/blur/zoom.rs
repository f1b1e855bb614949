use opencv::core::{BORDER_REPLICATE, CV_64F, Mat, MatTraitConst, MatTraitConstManual, Scalar, Size};
use opencv::imgproc;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::with_matrix;

/// Largest zoom factor, at the published levels (`imagecorruptions` 1.1.2, as its ranges come out in floating point).
const LARGEST: [f64; 5] = [1.11, 1.15, 1.20, 1.24, 1.30];

/// Number of zoom factors, the first of which is 1.
const COUNT: [f64; 5] = [12.0, 16.0, 11.0, 13.0, 11.0];

/// Zoom blur: the mean of the picture and of its enlargements by factors from 1 to *z*, evenly spaced.
///
/// An enlargement is the central part of the picture, interpolated bilinearly with its corners on the corners; where it comes
/// out larger than the picture the reference takes its *upper left* part rather than the middle, and so do we. *z* and the
/// number of factors move in straight lines; below level 1 the number is that of level 1. Bound by OpenCV's affine warp, once
/// per factor.
#[derive(Default)]
pub(in crate::corruption) struct ZoomBlur {
    layer: Mat,
    sum: Vec<u16>,
}

pub(in crate::corruption) fn zoom_blur() -> ZoomBlur {
    ZoomBlur::default()
}

impl Kernel for ZoomBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let whole = Severity::new(severity.value().max(1.0)).unwrap_or(severity);
        let count = whole.interpolate(0.0, COUNT).round();
        let step = (severity.interpolate(1.0, LARGEST) - 1.0) / (count - 1.0);
        // The picture itself counts twice: once by itself, once as the enlargement by 1.
        self.sum.clear();
        self.sum.extend(picture.data().iter().map(|value| 2 * u16::from(*value)));
        for i in 1..count as u32 {
            let done = self.add(picture, 1.0 + step * f64::from(i));
            done.map_err(|source| CorruptionError::OpenCv { corruption: "zoom_blur", source })?;
        }
        let parts = count as u32 + 1;
        for (to, sum) in picture.data_mut().iter_mut().zip(&self.sum) {
            *to = (u32::from(*sum) / parts) as u8;
        }
        Ok(Delivery::Deliver)
    }
}

impl ZoomBlur {
    fn add(&mut self, picture: &Picture, zoom: f64) -> opencv::Result<()> {
        let axis = |side: u32| {
            let side = f64::from(side);
            let part = (side / zoom).ceil();
            let start = ((side - part) / 2.0).floor();
            let enlarged = (part * zoom).round();
            (start, if enlarged > 1.0 { (part - 1.0) / (enlarged - 1.0) } else { 1.0 })
        };
        let ((left, scale_x), (top, scale_y)) = (axis(picture.width()), axis(picture.height()));
        let map = Mat::from_slice_2d(&[[scale_x, 0.0, left], [0.0, scale_y, top]])?;
        debug_assert_eq!(map.depth(), CV_64F);
        let size = Size::new(i32::try_from(picture.width())?, i32::try_from(picture.height())?);
        let flags = imgproc::INTER_LINEAR | imgproc::WARP_INVERSE_MAP;
        let border = Scalar::default();
        with_matrix(picture, |matrix| {
            imgproc::warp_affine(matrix, &mut self.layer, &map, size, flags, BORDER_REPLICATE, border)
        })?;
        for (sum, value) in self.sum.iter_mut().zip(self.layer.data_bytes()?) {
            *sum += u16::from(*value);
        }
        Ok(())
    }
}
