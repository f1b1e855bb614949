//! The monitor itself under test, and what its profile is made from: what a detector shows under known corruptions.

mod feed;
mod observe;
mod observed;

pub use feed::Subject;
pub use observe::{Observation, ObservePlan, observe};
pub use observed::{Observed, ObservedCell, ObservedFrame};
