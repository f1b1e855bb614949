use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::fixed::fraction;
use super::rounding;
use super::separable::{Border, Separable, Weights};

/// Standard deviation in pixels, at the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 6.0];

/// Gaussian blur: each channel convolved with a Gaussian of standard deviation σ, cut off at 4 σ, the border repeated.
///
/// σ grows in straight lines from 0. Bound by arithmetic: 4 σ + 1 multiplications per value for each of the two directions.
#[derive(Default)]
pub(in crate::corruption) struct GaussianBlur(Separable);

pub(in crate::corruption) fn gaussian_blur() -> GaussianBlur {
    GaussianBlur::default()
}

/// The Gaussian that scikit-image cuts off at four standard deviations.
pub(super) fn four_sigma(sigma: f64) -> Weights {
    Weights::gaussian(sigma, (4.0 * sigma + 0.5) as usize)
}

impl Kernel for GaussianBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let weights = four_sigma(severity.interpolate(0.0, SIGMA) * context.scale(picture));
        self.0.blur(picture, &weights, Border::Repeat, fraction(rounding(severity)));
        Ok(Delivery::Deliver)
    }
}
