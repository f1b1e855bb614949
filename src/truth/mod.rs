//! Detections against ground truth, while both come in: how good the detector really is, and how far the estimate
//! without labels is from that.
//!
//! Messages of ground truth and processed frames are matched by their stamps ([`TruthMonitor`]), in whatever order they
//! come. What is matched is compared by the rules of [`evaluation`](crate::evaluation), frame by frame, and kept for a
//! window of so many frames. What never finds a partner, and what cannot be used, is counted as a [`Problem`].
//!
//! Nothing here reads a clock: the caller says when something came.

mod message;
mod monitor;
mod pairing;
mod problem;
mod report;
#[cfg(test)]
mod tests;

pub use message::MAX_OBJECTS;
pub use monitor::{FrameResult, TruthConfig, TruthMonitor};
pub use pairing::MAX_WAITING;
pub use problem::{MAX_UNKNOWN_CLASSES, Problem};
pub use report::{ClassEstimate, TruthClass, TruthCounts, TruthReport};
