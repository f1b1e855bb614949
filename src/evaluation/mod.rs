//! How accurate a detector is: class by class, corruption by corruption, the worst class first.

mod average_precision;
mod bootstrap;
mod calibration;
mod confusion;
mod instance;
mod matching;
pub mod monitor;
mod results;
pub mod study;

pub use average_precision::{Matches, accuracy};
pub use bootstrap::{ResampledAp, Resamples, difference, interval};
pub use calibration::calibration;
pub use confusion::confusion;
pub use instance::{Found, Labelled, Rect, Truth};
pub use matching::{ImageMatches, IouThreshold, Tally};
pub use results::*;

#[cfg(test)]
mod tests;
