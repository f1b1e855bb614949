use opencv::core::{
    BORDER_REFLECT, CV_32FC1, Mat, MatTraitConst, MatTraitConstManual, MatTraitManual, Scalar, Size,
};
use opencv::imgproc;
use rand::Rng as _;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

/// What the smoothed displacements are multiplied by, at the published levels (`imagecorruptions` 1.1.2).
const ALPHA: [f64; 5] = [250.0 * 0.05, 250.0 * 0.065, 250.0 * 0.085, 250.0 * 0.1, 250.0 * 0.12];

/// How many standard deviations the reference's kernel reaches.
const TRUNCATE: f64 = 3.0;

/// Elastic transform: each pixel is taken from a place displaced by smooth random fields.
///
/// Displacements along both axes are uniform within ± 0.005 of the *height*, smoothed by a Gaussian of σ = 0.01 of each side
/// (cut off at 3 σ), times α; bilinear interpolation, the borders reflected. α grows in straight lines from 0.
///
/// The random numbers are drawn on a grid and smoothed in single precision by OpenCV's separable filter, which together with
/// the remapping is what bounds it.
#[derive(Default)]
pub(in crate::corruption) struct ElasticTransform {
    noise: [Mat; 2],
    smooth: Mat,
    maps: [Mat; 2],
    out: Mat,
}

pub(in crate::corruption) fn elastic_transform() -> ElasticTransform {
    ElasticTransform::default()
}

impl Kernel for ElasticTransform {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let alpha = severity.interpolate(0.0, ALPHA);
        let done = self.transform(picture, alpha, context);
        done.map_err(|source| CorruptionError::OpenCv { corruption: "elastic_transform", source })?;
        Ok(Delivery::Deliver)
    }
}

impl ElasticTransform {
    fn transform(&mut self, picture: &mut Picture, alpha: f64, context: &Context) -> opencv::Result<()> {
        let (rows, columns) = (i32::try_from(picture.height())?, i32::try_from(picture.width())?);
        for axis in 0..2 {
            self.displace(axis, rows, columns, alpha, context)?;
        }
        let flat = Mat::new_rows_cols_with_bytes::<u8>(rows, columns * 3, picture.data())?;
        let source = flat.reshape(3, rows)?;
        let [map_x, map_y] = &self.maps;
        let border = Scalar::default();
        imgproc::remap(&source, &mut self.out, map_x, map_y, imgproc::INTER_LINEAR, BORDER_REFLECT, border)?;
        picture.data_mut().copy_from_slice(self.out.data_bytes()?);
        Ok(())
    }

    /// Makes the map of one axis (0: columns, 1: rows).
    fn displace(
        &mut self,
        axis: usize,
        rows: i32,
        columns: i32,
        alpha: f64,
        context: &Context,
    ) -> opencv::Result<()> {
        let noise = &mut self.noise[axis];
        fit(noise, rows, columns)?;
        let reach = f64::from(rows) * 0.005;
        let scale = (2.0 * reach * alpha / f64::from(1 << 16)) as f32;
        let offset = (-reach * alpha) as f32 + scale / 2.0;
        for row in 0..rows {
            let mut rng = context.rng(u64::from(row.unsigned_abs()) * 2 + axis as u64);
            for four in noise.at_row_mut::<f32>(row)?.chunks_mut(4) {
                let random = rng.next_u64();
                for (i, value) in four.iter_mut().enumerate() {
                    *value = f32::from((random >> (16 * i)) as u16) * scale + offset;
                }
            }
        }
        let (sigma_y, sigma_x) = (f64::from(rows) * 0.01, f64::from(columns) * 0.01);
        let width = |sigma: f64| 2 * ((TRUNCATE * sigma + 0.5) as i32) + 1;
        let size = Size::new(width(sigma_x), width(sigma_y));
        imgproc::gaussian_blur(noise, &mut self.smooth, size, sigma_x, sigma_y, BORDER_REFLECT)?;
        let map = &mut self.maps[axis];
        fit(map, rows, columns)?;
        for row in 0..rows {
            let smooth = self.smooth.at_row::<f32>(row)?;
            for (x, (to, moved)) in map.at_row_mut::<f32>(row)?.iter_mut().zip(smooth).enumerate() {
                *to = moved + if axis == 0 { x as f32 } else { row as f32 };
            }
        }
        Ok(())
    }
}

/// Makes `matrix` that large, if it is not.
fn fit(matrix: &mut Mat, rows: i32, columns: i32) -> opencv::Result<()> {
    if (matrix.rows(), matrix.cols()) != (rows, columns) {
        *matrix = Mat::new_rows_cols_with_default(rows, columns, CV_32FC1, Scalar::default())?;
    }
    Ok(())
}
