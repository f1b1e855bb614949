//! TODO: placeholder of the digital room.

use super::context::Context;
use super::engine::{Delivery, Kernel};
use super::{CorruptionError, Picture, Severity};

pub(super) struct Placeholder;

impl Kernel for Placeholder {
    fn apply(&mut self, _: &mut Picture, _: Severity, _: &Context) -> Result<Delivery, CorruptionError> {
        Ok(Delivery::Deliver)
    }
}

pub(super) fn brightness() -> Placeholder {
    Placeholder
}

pub(super) fn contrast() -> Placeholder {
    Placeholder
}

pub(super) fn saturate() -> Placeholder {
    Placeholder
}

pub(super) fn elastic_transform() -> Placeholder {
    Placeholder
}

pub(super) fn pixelate() -> Placeholder {
    Placeholder
}

pub(super) fn jpeg_compression() -> Placeholder {
    Placeholder
}

pub(super) fn colour_quantisation() -> Placeholder {
    Placeholder
}
