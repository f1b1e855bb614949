//! The shading of drops of water on a lens.

use opencv::core::{BORDER_DEFAULT, CV_8U, CV_32F, Mat, MatTraitConstManual, Point, Size};
use opencv::imgproc;
use rayon::prelude::*;

use super::plane::Plane;

/// From this distance on, in pixels, the inside of a drop is shaded alike.
const REACH_PX: f64 = 20.0;

/// Shading of drops: distance from their edges, equalised, embossed and softened, where there is liquid.
///
/// The filters and their order are those of the reference (`imagecorruptions` 1.1.2), its cuts to whole bytes included: Canny's edges
/// (50, 150) of the liquid, the chamfer distance from them up to 20 px, a mean over 3 × 3, cut to bytes, equalised, embossed by
/// [[−2, −1, 0], [−1, 1, 1], [0, 1, 2]], and a mean again; times the liquid, and in proportion to the largest product.
#[derive(Debug, Default)]
pub(super) struct Water {
    liquid: Vec<u8>,
    edges: Mat,
    distance: Mat,
    soft: Mat,
    levels: Vec<u8>,
    equal: Mat,
    embossed: Mat,
    shading: Mat,
}

impl Water {
    /// Writes how much of its colour the water adds at every pixel, `brightness` at most.
    pub(super) fn draw(
        &mut self,
        noise: &Plane,
        threshold: f32,
        brightness: f32,
        out: &mut [f32],
    ) -> opencv::Result<()> {
        let rows = i32::try_from(noise.height)?;
        let columns = i32::try_from(noise.width)?;
        let (size, anchor) = (Size::new(3, 3), Point::new(-1, -1));
        let bytes = |values: &[f32], to: &mut Vec<u8>, cut: f32, scale: f32| {
            to.resize(values.len(), 0);
            let cut_off = |value: f32| if value < cut { 0 } else { (value * scale) as u8 };
            to.par_iter_mut().zip(values).with_min_len(1 << 14).for_each(|(to, value)| *to = cut_off(*value));
        };
        bytes(&noise.values, &mut self.liquid, threshold, 255.0);
        let liquid = Mat::new_rows_cols_with_bytes::<u8>(rows, columns, &self.liquid)?;
        imgproc::canny(&liquid, &mut self.edges, 50.0, 150.0, 3, false)?;
        // The distance is that from zeros.
        let edges = std::mem::take(&mut self.edges);
        opencv::core::bitwise_not_def(&edges, &mut self.embossed)?;
        self.edges = edges;
        imgproc::distance_transform(&self.embossed, &mut self.distance, imgproc::DIST_L2, 5, CV_32F)?;
        imgproc::threshold(&self.distance, &mut self.soft, REACH_PX, REACH_PX, imgproc::THRESH_TRUNC)?;
        imgproc::blur(&self.soft, &mut self.distance, size, anchor, BORDER_DEFAULT)?;
        bytes(self.distance.data_typed()?, &mut self.levels, 0.0, 1.0);
        let levels = Mat::new_rows_cols_with_bytes::<u8>(rows, columns, &self.levels)?;
        imgproc::equalize_hist(&levels, &mut self.equal)?;
        let emboss = Mat::from_slice_2d(&[[-2.0_f32, -1.0, 0.0], [-1.0, 1.0, 1.0], [0.0, 1.0, 2.0]])?;
        imgproc::filter_2d(&self.equal, &mut self.embossed, CV_8U, &emboss, anchor, 0.0, BORDER_DEFAULT)?;
        imgproc::blur(&self.embossed, &mut self.shading, size, anchor, BORDER_DEFAULT)?;

        let shading = self.shading.data_bytes()?;
        let products = || shading.par_iter().zip(&self.liquid).with_min_len(1 << 14);
        let product = |(shading, liquid): (&u8, &u8)| u32::from(*shading) * u32::from(*liquid);
        let most = products().map(product).max().unwrap_or(0).max(1);
        let scale = brightness / most as f32;
        out.par_iter_mut().zip(products()).for_each(|(out, both)| *out = product(both) as f32 * scale);
        Ok(())
    }
}
