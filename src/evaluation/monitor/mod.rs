//! The monitor itself under test, and what its profile is made from: what a detector shows under known corruptions.

mod observed;

pub use observed::{Observed, ObservedCell, ObservedFrame};
