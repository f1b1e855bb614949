use rand::Rng as _;

use crate::corruption::context::Context;
use crate::corruption::engine::{Delivery, Kernel};
use crate::corruption::{CorruptionError, Picture, Severity};

use super::Gaussian;

/// Standard deviation of the blur before and after, at the published levels (`imagecorruptions` 1.1.2).
const SIGMA: [f64; 5] = [0.7, 0.9, 1.0, 1.1, 1.5];

/// Farthest displacement in pixels, at the published levels.
const REACH: [f64; 5] = [1.0, 2.0, 2.0, 3.0, 4.0];

/// Passes, at the published levels.
const PASSES: [f64; 5] = [2.0, 1.0, 3.0, 2.0, 2.0];

/// Glass blur: a Gaussian blur, pixels displaced at random, the same blur again.
///
/// In the reference a pass goes from the lower right to the upper left and seems to swap each pixel with one nearby, at a
/// distance of −*r* … *r* − 1 in both directions. Written with views of one array, the second half of the swap reads what the
/// first has just written: the pixel takes over the other's value, and the other keeps it. That copying (in that order, so that
/// values can travel) is what is done here. A frame of *r* pixels at the lower and right, and *r* + 1 at the other sides, stays
/// as it is.
///
/// Between levels σ moves in straight lines, and a share of the pixels is displaced as at the next level, the others as at the
/// level before (none, below level 1). Bound by a random read and a write per pixel and pass, one after the other: a pass cannot be split
/// among threads without changing what travels where.
#[derive(Default)]
pub(in crate::corruption) struct GlassBlur(Gaussian);

pub(in crate::corruption) fn glass_blur() -> GlassBlur {
    GlassBlur::default()
}

impl Kernel for GlassBlur {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let scale = context.scale(picture);
        let sigma = severity.interpolate(0.0, SIGMA) * scale;
        let failed = |source| CorruptionError::OpenCv { corruption: "glass_blur", source };
        self.0.apply(picture, sigma.max(0.01)).map_err(failed)?;
        let level = |value: f64| {
            let at = |values: [f64; 5]| values.get((value as usize).wrapping_sub(1)).copied().unwrap_or(0.0);
            ((at(REACH) * scale).round() as usize, at(PASSES) as u64)
        };
        let (lower, upper) = (severity.value().floor(), severity.value().ceil());
        let share = severity.value() - lower;
        let (near, far) = (level(lower), level(upper));
        // Out of 65536.
        let chance = if lower < upper { (share * 65536.0) as u64 } else { 65536 };
        for pass in 0..near.1.max(far.1) {
            let reach = |(reach, passes): (usize, u64)| if pass < passes { reach } else { 0 };
            displace(picture, reach(near), reach(far), chance, context, pass);
        }
        self.0.apply(picture, sigma.max(0.01)).map_err(failed)?;
        Ok(Delivery::Deliver)
    }
}

/// One pass. A pixel is displaced by up to `far` with a chance of `chance` in 65536, otherwise by up to `near`.
fn displace(picture: &mut Picture, near: usize, far: usize, chance: u64, context: &Context, pass: u64) {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let edge = near.max(far);
    if width <= 2 * edge + 1 || height <= 2 * edge + 1 {
        return;
    }
    let pixels = picture.data_mut().as_chunks_mut::<3>().0;
    let mut rng = context.rng(pass);
    for y in (edge + 1..=height - edge).rev() {
        for x in (edge + 1..=width - edge).rev() {
            let random = rng.next_u64();
            let reach = if random & 0xffff < chance { far } else { near } as u64;
            if reach == 0 {
                continue;
            }
            // Sixteen bits times the range, the upper part of which is uniform within 2⁻¹³ for ranges of up to eight.
            let offset = |bits: u64| (((bits & 0xffff) * 2 * reach) >> 16) as usize;
            let (dx, dy) = (offset(random >> 16), offset(random >> 32));
            let (from_x, from_y) = (x + dx - reach as usize, y + dy - reach as usize);
            let from = pixels.get(from_y * width + from_x).copied();
            if let (Some(value), Some(to)) = (from, pixels.get_mut(y * width + x)) {
                *to = value;
            }
        }
    }
}
