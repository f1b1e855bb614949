//! The ONNX Runtime session of one model.

mod checks;
mod host;
mod open;
mod options;

pub(crate) use checks::check_input;
pub(crate) use host::{HostSession, MAX_OUTPUTS};
pub(crate) use open::{configured, dispatch, open, with_complaints};
pub use options::{GpuPath, MAX_BATCH, SessionOptions};
