//! TODO: placeholder of the blur room.

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, Picture, Severity};

pub(super) struct Placeholder;

impl Kernel for Placeholder {
    fn apply(&mut self, _: &mut Picture, _: Severity, _: &Context) -> Result<Delivery, CorruptionError> {
        Ok(Delivery::Deliver)
    }
}

pub(super) fn defocus_blur() -> Placeholder {
    Placeholder
}

pub(super) fn glass_blur() -> Placeholder {
    Placeholder
}

pub(super) fn motion_blur() -> Placeholder {
    Placeholder
}

pub(super) fn zoom_blur() -> Placeholder {
    Placeholder
}

pub(super) fn gaussian_blur() -> Placeholder {
    Placeholder
}
