//! The pipeline on recordings: as fast as the machine allows, in order, the same every time.
//!
//! A reader hands frames to workers, each with a pipeline of its own; what they find is put in order again before anyone sees it.
//! At most [`Options::read_ahead`] frames are on their way, so memory does not grow with the recording. Nothing of the result depends on
//! the number of workers or on the clock.

mod emitter;
mod message;
mod order;
mod reader;
mod record;
mod truth;
mod workers;

use std::sync::Arc;

use crate::corruption::{Campaign, CorruptorOptions, Step};
use crate::detector::Thresholds;
use crate::health::{Profile, WindowConfig};
use crate::pipeline::Processed;

pub use crate::health::HealthRecord;
pub use message::{MessageContext, camera_health};
pub use record::{DetectionRecord, FrameRecord};
pub use truth::{RecordedTruth, TruthRecord};
pub use workers::{Counts, ReplayError, Sink, replay};

/// What is done to the frames.
#[derive(Debug, Clone, PartialEq)]
pub enum Injection {
    /// Nothing.
    Nothing,
    /// The same to all of them.
    Steps(Vec<Step>),
    /// What a campaign says, which begins with the first frame.
    Campaign(Box<Campaign>),
}

/// How to replay.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which detections count.
    pub thresholds: Thresholds,
    /// What is done to the frames.
    pub injection: Injection,
    /// Seed and modes of the corruptions.
    pub corruptor: CorruptorOptions,
    /// The window that health is told from.
    pub health: WindowConfig,
    /// What health compares with; fits the model and the thresholds.
    pub profile: Option<Arc<Profile>>,
    /// What is really there, of a recording of one camera.
    pub truth: Option<RecordedTruth>,
    /// Frames that are on their way at most.
    pub read_ahead: usize,
    /// Play at the recording's own speed.
    pub is_realtime: bool,
    /// Draw every frame with its detections.
    pub annotate: bool,
}

/// What became of a frame.
#[derive(Debug)]
pub enum Outcome {
    /// It was processed.
    Processed(Processed),
    /// A corruption of the stream lost it.
    Dropped,
    /// It could not be used: why.
    Rejected(String),
}

/// A frame with its picture drawn on, BGR.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawn {
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
    /// Rows without padding.
    pub bgr: Vec<u8>,
}
