//! What happens to the stream of frames. These need to see every frame, also where severity is 0.
//!
//! Whether a fault strikes is drawn per frame (from the seed and the frame's index), so a stream is corrupted in the same
//! way however it is played.

mod history;

use rand::Rng as _;

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, Picture, Severity};
use history::History;

/// Uniform in [0, 1), for the frame at hand.
fn draw(context: &Context, lane: u64) -> f64 {
    (context.rng(lane).next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Frame freeze: with probability *p* the stream stands still at a frame, for 2 to 2 + 4 *severity* frames.
///
/// *p* per frame is 0.02, 0.05, 0.1, 0.15, 0.25 at the levels.
#[derive(Default)]
pub(super) struct FrameFreeze {
    frozen: History,
    left: u64,
}

pub(super) fn frame_freeze() -> FrameFreeze {
    FrameFreeze::default()
}

impl Kernel for FrameFreeze {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if severity.is_none() {
            self.left = 0;
        }
        if self.left > 0 && self.frozen.replace(picture, 1) {
            self.left -= 1;
            return Ok(Delivery::Deliver);
        }
        self.left = 0;
        if draw(context, 0) < severity.interpolate(0.0, [0.02, 0.05, 0.1, 0.15, 0.25]) {
            let longest = 1.0 + 4.0 * severity.value();
            self.left = 1 + (draw(context, 1) * longest) as u64;
            self.frozen.keep(picture, 1);
        }
        Ok(Delivery::Deliver)
    }
}

/// Frame drop: each frame is lost with probability 0.05, 0.1, 0.2, 0.35, 0.5 at the levels.
pub(super) struct FrameDrop;

pub(super) fn frame_drop() -> FrameDrop {
    FrameDrop
}

impl Kernel for FrameDrop {
    fn apply(
        &mut self,
        _: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let lost = draw(context, 0) < severity.interpolate(0.0, [0.05, 0.1, 0.2, 0.35, 0.5]);
        Ok(if lost { Delivery::Drop } else { Delivery::Deliver })
    }
}

/// Frame delay: the picture of 1, 2, 3, 5 or 8 frames ago, at the levels, under the new stamp; between them the nearest
/// whole number. While the stream is younger than that, its first picture.
#[derive(Default)]
pub(super) struct FrameDelay {
    history: History,
}

/// Most frames that are kept.
const LONGEST_DELAY: usize = 8;

pub(super) fn frame_delay() -> FrameDelay {
    FrameDelay::default()
}

impl Kernel for FrameDelay {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        _: &Context,
    ) -> Result<Delivery, CorruptionError> {
        let delay = severity.interpolate(0.0, [1.0, 2.0, 3.0, 5.0, LONGEST_DELAY as f64]).round() as usize;
        self.history.keep(picture, LONGEST_DELAY + 1);
        self.history.replace(picture, delay + 1);
        Ok(Delivery::Deliver)
    }
}

/// Black frame: each frame is black with probability 0.02, 0.05, 0.1, 0.3, 1 at the levels.
pub(super) struct BlackFrame;

pub(super) fn black_frame() -> BlackFrame {
    BlackFrame
}

impl Kernel for BlackFrame {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if draw(context, 0) < severity.interpolate(0.0, [0.02, 0.05, 0.1, 0.3, 1.0]) {
            picture.data_mut().fill(0);
        }
        Ok(Delivery::Deliver)
    }
}

/// Rolling tear: with probability 0.1, 0.25, 0.5, 0.75, 1 at the levels a frame is put together from its own upper part and
/// the lower part of the frame before, the seam at a random row.
#[derive(Default)]
pub(super) struct RollingTear {
    history: History,
}

pub(super) fn rolling_tear() -> RollingTear {
    RollingTear::default()
}

impl Kernel for RollingTear {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        self.history.keep(picture, 2);
        if draw(context, 0) < severity.interpolate(0.0, [0.1, 0.25, 0.5, 0.75, 1.0]) {
            let row = (draw(context, 1) * f64::from(picture.height())) as usize;
            let seam = row * picture.width() as usize * 3;
            if let Some(before) = self.history.get(picture, 2) {
                let lower = picture.data_mut().get_mut(seam..).unwrap_or_default();
                lower.copy_from_slice(before.data().get(seam..).unwrap_or_default());
            }
        }
        Ok(Delivery::Deliver)
    }
}

#[cfg(test)]
mod tests;
