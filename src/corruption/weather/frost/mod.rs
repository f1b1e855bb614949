mod crystals;
mod ice;

use opencv::core::{Mat, MatTraitConst, MatTraitConstManual, Size};
use opencv::imgproc;
use rand::Rng as _;
use rayon::prelude::*;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use ice::ICES;

/// Share of the scene and of the ice, at the published levels (`imagecorruptions` 1.1.2).
const SCENE: [f64; 5] = [1.0, 0.8, 0.7, 0.65, 0.6];
const ICE: [f64; 5] = [0.4, 0.6, 0.7, 0.7, 0.75];

/// Which of [`ICES`] the reference's five photographs are; it never draws its sixth.
const DRAWN: [usize; 5] = [0, 1, 1, 2, 3];

/// By how much the ice is larger than the picture, at least.
const SPARE: f64 = 1.1;

/// Frost: *y = floor(min(a x + b f, 255))*, *f* a random part of a picture of ice.
///
/// The reference draws one of five photographs, enlarges it to cover the picture with a tenth to spare (or, where it does so already,
/// by a tenth) and takes a part at random. So do we, with pictures of our own: crystals of four habits, drawn once and brought to the
/// photographs' brightness, tint and strength of each scale ([`ice`]). They are made when first drawn, and enlarged once for each size of
/// picture; after that a frame is bound by reading two pictures and writing one. On a lens ice stays: in coherent mode picture and part are
/// chosen once.
///
/// From level 3 to 4 the scene loses light and the ice gains none: pictures change less in the mean. That is as published.
#[derive(Default)]
pub(in crate::corruption) struct Frost {
    /// As made.
    made: [Option<Mat>; ICES.len()],
    /// As large as the last picture, of this width and height, needed it.
    fitting: [(u32, u32, Mat); ICES.len()],
}

pub(in crate::corruption) fn frost() -> Frost {
    Frost::default()
}

impl Kernel for Frost {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let mut rng = context.weather_rng(0);
        let mut below = |n: usize| (rng.next_u64() % n.max(1) as u64) as usize;
        let which = DRAWN[below(DRAWN.len())];
        self.fit(which, picture).map_err(|source| CorruptionError::OpenCv { corruption: "frost", source })?;
        let ice = &self.fitting[which].2;
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (columns, rows) = (ice.cols() as usize, ice.rows() as usize);
        let (top, left) = (below(rows - height), below(columns - width));
        let pixels = ice.data_bytes().unwrap_or_default();
        let (scene, share) = (severity.interpolate(1.0, SCENE), severity.interpolate(0.0, ICE));
        picture.data_mut().par_chunks_mut(width * 3).enumerate().for_each(|(y, row)| {
            let start = ((y + top) * columns + left) * 3;
            blend(row, pixels.get(start..).unwrap_or_default(), scene as f32, share as f32);
        });
        Ok(Delivery::Deliver)
    }
}

impl Frost {
    /// Makes the ice if it is not there, and as large as the picture needs it.
    fn fit(&mut self, which: usize, picture: &Picture) -> opencv::Result<()> {
        let (width, height, fitting) = &mut self.fitting[which];
        if (*width, *height) == (picture.width(), picture.height()) {
            return Ok(());
        }
        let made = match &mut self.made[which] {
            Some(made) => made,
            none => none.insert(ICES[which].picture()?),
        };
        let needed = |needed: u32, side: i32| f64::from(needed) / f64::from(side);
        let enlarged =
            needed(picture.width(), made.cols()).max(needed(picture.height(), made.rows())).max(1.0);
        let side = |side: i32| (f64::from(side) * enlarged * SPARE).ceil() as i32;
        let size = Size::new(side(made.cols()), side(made.rows()));
        imgproc::resize(made, fitting, size, 0.0, 0.0, imgproc::INTER_CUBIC)?;
        (*width, *height) = (picture.width(), picture.height());
        Ok(())
    }
}

/// The small summand keeps what is whole from falling below.
fn blend(row: &mut [u8], ice: &[u8], scene: f32, share: f32) {
    for (value, ice) in row.iter_mut().zip(ice) {
        *value = (f32::from(*value) * scene + (f32::from(*ice) * share + 1e-3)).min(255.0) as u8;
    }
}
