//! The ONNX Runtime session of one model.

mod checks;
mod host;
mod open;
mod options;

pub(crate) use checks::{check_device_input, check_input, check_output_names, takes_batches};
pub(crate) use host::{HostSession, MAX_OUTPUTS};
pub(crate) use open::{ComputeStream, configured, dispatch, open, with_complaints};
pub use options::{GpuPath, MAX_BATCH, SessionOptions};
