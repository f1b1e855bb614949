//! TODO: placeholder of the camera room.

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, Picture, Severity};

pub(super) struct Placeholder;

impl Kernel for Placeholder {
    fn apply(&mut self, _: &mut Picture, _: Severity, _: &Context) -> Result<Delivery, CorruptionError> {
        Ok(Delivery::Deliver)
    }
}

pub(super) fn low_light() -> Placeholder {
    Placeholder
}

pub(super) fn overexposure() -> Placeholder {
    Placeholder
}

pub(super) fn sun_glare() -> Placeholder {
    Placeholder
}

pub(super) fn lens_dirt() -> Placeholder {
    Placeholder
}

pub(super) fn water_drops() -> Placeholder {
    Placeholder
}

pub(super) fn dead_pixels() -> Placeholder {
    Placeholder
}

pub(super) fn banding() -> Placeholder {
    Placeholder
}

pub(super) fn night_motion() -> Placeholder {
    Placeholder
}
