//! TODO: placeholder of the stream room.

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, Picture, Severity};

pub(super) struct Placeholder;

impl Kernel for Placeholder {
    fn apply(&mut self, _: &mut Picture, _: Severity, _: &Context) -> Result<Delivery, CorruptionError> {
        Ok(Delivery::Deliver)
    }
}

pub(super) fn frame_freeze() -> Placeholder {
    Placeholder
}

pub(super) fn frame_drop() -> Placeholder {
    Placeholder
}

pub(super) fn frame_delay() -> Placeholder {
    Placeholder
}

pub(super) fn black_frame() -> Placeholder {
    Placeholder
}

pub(super) fn rolling_tear() -> Placeholder {
    Placeholder
}
