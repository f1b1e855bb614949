//! TODO: placeholder of the weather room.

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, Picture, Severity};

pub(super) struct Placeholder;

impl Kernel for Placeholder {
    fn apply(&mut self, _: &mut Picture, _: Severity, _: &Context) -> Result<Delivery, CorruptionError> {
        Ok(Delivery::Deliver)
    }
}

pub(super) fn snow() -> Placeholder {
    Placeholder
}

pub(super) fn frost() -> Placeholder {
    Placeholder
}

pub(super) fn fog() -> Placeholder {
    Placeholder
}

pub(super) fn spatter() -> Placeholder {
    Placeholder
}

pub(super) fn rain() -> Placeholder {
    Placeholder
}
