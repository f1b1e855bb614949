//! The monitor itself under test, and what its profile is made from: what a detector shows under known corruptions.

mod feed;
mod observe;
mod observed;
mod profile;

pub use feed::Subject;
pub use observe::{Observation, ObservePlan, observe};
pub use observed::{Observed, ObservedCell, ObservedFrame};
pub use profile::{ISOTONIC_FROM, PLATT_FROM, ProfileOptions, make_profile};
