use opencv::core::{Mat, MatTrait, MatTraitConst, Vector};
use opencv::{imgcodecs, imgproc};

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

/// Quality of libjpeg, at the published levels (`imagecorruptions` 1.1.2).
const QUALITY: [f64; 5] = [25.0, 18.0, 15.0, 10.0, 7.0];

/// JPEG compression at *quality* 1 … 100 with chroma at half the resolution, and decompression.
///
/// Quality goes in straight lines from 100 at severity 0 through the published levels; between two of the hundred whole
/// qualities nothing changes. Bound by the codec (libjpeg-turbo), which is the reference's too.
#[derive(Default)]
pub(in crate::corruption) struct JpegCompression {
    bgr: Mat,
    file: Vector<u8>,
}

pub(in crate::corruption) fn jpeg_compression() -> JpegCompression {
    JpegCompression::default()
}

impl Kernel for JpegCompression {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let quality = severity.interpolate(100.0, QUALITY).round() as i32;
        let done = self.round_trip(picture, quality);
        done.map_err(|source| CorruptionError::OpenCv { corruption: "jpeg_compression", source })?;
        Ok(Delivery::Deliver)
    }
}

impl JpegCompression {
    fn round_trip(&mut self, picture: &mut Picture, quality: i32) -> opencv::Result<()> {
        let rows = i32::try_from(picture.height())?;
        let bytes_per_row = i32::try_from(picture.width())? * 3;
        let rgb = Mat::new_rows_cols_with_bytes::<u8>(rows, bytes_per_row, picture.data())?;
        imgproc::cvt_color_def(&rgb.reshape(3, rows)?, &mut self.bgr, imgproc::COLOR_RGB2BGR)?;
        let options = Vector::from_slice(&[imgcodecs::IMWRITE_JPEG_QUALITY, quality]);
        imgcodecs::imencode(".jpg", &self.bgr, &mut self.file, &options)?;
        imgcodecs::imdecode_to(&self.file, imgcodecs::IMREAD_COLOR, &mut self.bgr)?;
        let mut rgb = Mat::new_rows_cols_with_bytes_mut::<u8>(rows, bytes_per_row, picture.data_mut())?;
        imgproc::cvt_color_def(&self.bgr, &mut rgb.reshape_mut(3, rows)?, imgproc::COLOR_BGR2RGB)
    }
}
