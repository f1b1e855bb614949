//! TODO: placeholder of the noise room.

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, Picture, Severity};

pub(super) struct Placeholder;

impl Kernel for Placeholder {
    fn apply(&mut self, _: &mut Picture, _: Severity, _: &Context) -> Result<Delivery, CorruptionError> {
        Ok(Delivery::Deliver)
    }
}

pub(super) fn gaussian_noise() -> Placeholder {
    Placeholder
}

pub(super) fn shot_noise() -> Placeholder {
    Placeholder
}

pub(super) fn impulse_noise() -> Placeholder {
    Placeholder
}

pub(super) fn speckle_noise() -> Placeholder {
    Placeholder
}
