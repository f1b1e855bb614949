use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::Gaussian;

/// Standard deviation in pixels, at the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 6.0];

/// Gaussian blur: each channel convolved with a Gaussian of standard deviation σ, cut off at 4 σ, the border repeated.
///
/// σ grows in straight lines from 0. Bound by OpenCV's separable filter in single precision, since the reference's cutting off
/// of fractions needs the fractions.
#[derive(Default)]
pub(in crate::corruption) struct GaussianBlur(Gaussian);

pub(in crate::corruption) fn gaussian_blur() -> GaussianBlur {
    GaussianBlur::default()
}

impl Kernel for GaussianBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let sigma = severity.interpolate(0.0, SIGMA) * context.scale(picture);
        let done = self.0.apply(picture, sigma.max(0.01));
        done.map_err(|source| CorruptionError::OpenCv { corruption: "gaussian_blur", source })?;
        Ok(Delivery::Deliver)
    }
}
