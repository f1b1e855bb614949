//! Optics and motion.
//!
//! Parameters and quirks are those of `imagecorruptions` 1.1.2 (Michaelis et al., arXiv 1907.07484; Apache-2.0), whose last
//! step is to cut off the fraction of every value. All five compute in sixteen-bit fixed point (see [`fixed`]) with whole rows
//! at a time, so the bytes are the same on every machine and at any number of threads.
//!
//! Below level 1 the cutting off sets in gradually (from rounding at 0), since otherwise the faintest blur would already darken
//! the picture by half a grey level.

mod defocus;
mod disc;
mod fixed;
mod gaussian;
mod glass;
mod motion;
mod pixels;
mod separable;
mod zoom;

use super::Severity;

pub(super) use defocus::defocus_blur;
pub(super) use gaussian::gaussian_blur;
pub(super) use glass::glass_blur;
pub(super) use motion::{Tap, motion_blur, taps};
pub(super) use pixels::{LANES, Pair, add_scaled, expand, pair_weights, sum_pair};
pub(super) use zoom::zoom_blur;

/// What is added, in grey levels, before the fraction is cut off: nothing from level 1 on, a half at severity 0.
pub(super) fn rounding(severity: Severity) -> f64 {
    0.5 * (1.0 - severity.value()).max(0.0)
}

#[cfg(test)]
mod tests;
