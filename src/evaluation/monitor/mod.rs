//! The monitor itself under test, and what its profile is made from: what a detector shows under known corruptions.

mod alarms;
mod feed;
mod measure;
mod observe;
mod observed;
mod profile;
mod ranks;
mod results;
mod sampled;
mod stream;
mod train;

pub use alarms::{AlarmOptions, alarms};
pub use feed::Subject;
pub use measure::{MeasureOptions, measure};
pub use observe::{Observation, ObservePlan, observe};
pub use observed::{Observed, ObservedCell, ObservedFrame};
pub use profile::{ISOTONIC_FROM, PLATT_FROM, ProfileOptions, make_profile};
pub use results::*;
pub use sampled::{SampledCell, SampledWindow, Weights};
pub use train::fit_estimator;

/// Sizes of windows that estimates are fitted and measured on, frames.
pub const WINDOW_SIZES: [usize; 3] = [30, 100, 300];
