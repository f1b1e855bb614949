//! What happens to the stream of frames. These need to see every frame, also where severity is 0.
//!
//! Whether a fault strikes is drawn per frame (from the seed and the frame's index), so a stream is corrupted in the same
//! way however it is played.

mod history;

use rand::Rng as _;

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, FrameKey, Picture, Severity};
use history::History;

/// Uniform in [0, 1), for the frame at hand.
fn draw(context: &Context, lane: u64) -> f64 {
    (context.rng(lane).next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// Frame freeze: the stream stands still for a while: 5, 10, 20, 35, 50 % of the frames, at the levels, repeat the last picture
/// before.
///
/// After each frame a freeze begins with probability *p* and lasts 2 to 2 + 4 *severity* frames, all lengths alike; where several
/// overlap, the stream stands still till the last of them ends. *p* is −ln(1 − share) divided by the mean length, 2 + 2
/// *severity*. Whether a frame is frozen follows from its index alone, and a frame frozen at one severity is frozen at any
/// stronger one.
#[derive(Default)]
pub(super) struct FrameFreeze {
    frozen: History,
}

/// Share of frames that are frozen, at the levels.
const FROZEN: [f64; 5] = [0.05, 0.1, 0.2, 0.35, 0.5];

/// Longest freeze, frames: at severity 5.
const LONGEST_FREEZE: u64 = 22;

pub(super) fn frame_freeze() -> FrameFreeze {
    FrameFreeze::default()
}

/// Whether a freeze that began after an earlier frame covers this one.
fn is_frozen(severity: Severity, context: &Context) -> bool {
    let share = severity.interpolate(0.0, FROZEN);
    let begins = -(1.0 - share).ln() / (2.0 + 2.0 * severity.value());
    let lengths = 1.0 + 4.0 * severity.value();
    (1..=LONGEST_FREEZE.min(context.frame.index)).any(|back| {
        let frame = FrameKey { index: context.frame.index - back, ..context.frame };
        let before = Context { frame, ..*context };
        draw(&before, 0) < begins && 2 + (draw(&before, 1) * lengths) as u64 >= back
    })
}

impl Kernel for FrameFreeze {
    fn apply(
        &mut self,
        picture: &mut Picture,
        severity: Severity,
        context: &Context,
    ) -> Result<Delivery, CorruptionError> {
        if !is_frozen(severity, context) || !self.frozen.replace(picture, 1) {
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
