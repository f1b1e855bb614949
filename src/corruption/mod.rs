//! Image corruptions: what bad weather, bad light, bad optics and bad links do to a camera's picture.
//!
//! The nineteen of the published benchmark (Hendrycks & Dietterich, ICLR 2019, arXiv 1903.12261; for detection Michaelis
//! et al. 2019, arXiv 1907.07484) with its severities 1 to 5, and beyond them what cameras in vehicles really do.
//! Severity is continuous: 0 is the identity byte for byte, integers are the published levels, values between
//! interpolate the parameters.
//!
//! All randomness comes from an explicit seed: the same picture, corruptions, seed, camera and frame index give the same
//! bytes, at any number of threads.

mod blur;
mod camera;
mod campaign;
mod context;
mod digital;
mod engine;
mod error;
mod kind;
mod noise;
mod picture;
mod severity;
mod step;
mod stream;
mod weather;

pub use campaign::{Campaign, CampaignError, Segment, Span};
pub use context::{FrameKey, RadiusMode, WeatherMode};
pub use engine::{Corruptor, CorruptorOptions, Delivery};
pub use error::CorruptionError;
pub use kind::{Corruption, Group};
pub use picture::{MIN_SIDE_PX, Picture};
pub use severity::Severity;
pub use step::Step;
