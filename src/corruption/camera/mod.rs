//! What cameras do beyond the published corruptions.

mod low_light;

pub(super) use low_light::low_light;
