//! Health: what the detections say about the detector.
//!
//! Each camera has a [`CameraWindow`]: a sliding window of aggregates of one second, from which it answers,
//! for the camera and for each class, how many detections there were, how their scores are distributed, and
//! whether that is enough to judge by. A class seen too rarely says so; it never passes for healthy.
//!
//! Nothing here reads a clock. The caller gives the time of every event in nanoseconds, so a recording played
//! back at any speed gives the figures that the live run gave.
//!
//! A [`CameraMonitor`] puts the window together with the image's quality, a [`Tracker`], drift measures and a detector of
//! changes, compares all of it with a [`Profile`] and judges: a status and a [`Reason`] for each class and the camera.

mod aggregates;
pub mod change;
mod config;
mod drift;
pub mod estimate;
mod histogram;
pub(crate) mod message;
mod monitor;
mod observation;
mod probe;
pub mod profile;
mod quality;
mod reason;
mod record;
mod report;
pub mod rules;
mod seconds;
mod summary;
#[cfg(test)]
mod testing;
mod tracker;
mod window;

pub use config::{HealthError, MAX_WINDOW_BYTES, MAX_WINDOW_S, MIN_WINDOW_S, WindowConfig};
pub(crate) use histogram::bin_of;
pub use histogram::{SCORE_BINS, SUMMARY_BINS, ScoreHistogram};
pub use monitor::CameraMonitor;
pub use observation::Observation;
pub use probe::{ProbeMargin, ProbeRetention, ProbeWindow, WorstProbe, found_again, profiled_retention};
pub use profile::{Profile, ProfileError};
pub use quality::{ImageQuality, ImageState, QualityMeans, QualityMeter, QualityWindow};
pub use reason::Reason;
pub use record::{ClassHealthRecord, HealthRecord};
pub use report::{CameraReport, ClassReport, Estimated};
pub use rules::{Level, Rules, RulesError};
pub use summary::{CameraSummary, ClassSummary, HealthStatus, ScoreQuantiles, WindowCounters};
pub use tracker::{MAX_TRACKED_DETECTIONS, MAX_TRACKS, TrackCounts, Tracker};
pub use window::{Arrival, CameraWindow};
