//! The one way a frame goes, live or replayed.
//!
//! `Frame → convert → [corrupt] → preprocess → session → decode + NMS → detections`. The node and the offline tools are
//! thin shells around [`Pipeline`]: what is measured offline is what runs in the vehicle. [`Mailbox`] sits
//! before it in the live node: one slot per camera, latest frame wins, every frame counted once.

mod annotate;
mod batching;
mod convert;
mod frame;
mod latency;
mod mailbox;
mod process;

pub use annotate::{AnnotateError, Annotated, Annotator};
pub use frame::{Frame, FramePixels};
pub use latency::{
    BatchSizes, LatencySummary, LatencyWindow, Stage, StageLatencies, nearest_rank, nearest_rank_per_mille,
};
pub use mailbox::{FrameCounters, InFlight, Mailbox, Outcome, Taken};
pub use process::{Corrupt, FrameTimes, Job, Pipeline, PipelineError, Processed, Seen, Treatment};
