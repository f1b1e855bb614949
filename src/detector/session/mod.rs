//! The ONNX Runtime session of one model.

mod checks;
mod dispatch;
mod engines;
mod first_run;
mod host;
mod libraries;
mod open;
mod options;
mod plugin;

pub(crate) use checks::{check_device_input, check_input, check_output_names, takes_batches};
pub(crate) use dispatch::attach;
pub(crate) use first_run::{Refused, Settled};
pub(crate) use host::{HostSession, MAX_OUTPUTS};
pub(crate) use open::{ComputeStream, ModelFile, Opened, configured, open, with_complaints};
pub use options::{GpuPath, MAX_BATCH, MinShare, NoShare, SessionOptions};
