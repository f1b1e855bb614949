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

pub(crate) use checks::check_input;
pub(crate) use dispatch::attach;
pub(crate) use first_run::Settled;
pub(crate) use host::HostSession;
pub(crate) use open::{ModelFile, configured, open, with_complaints};
pub use options::{GpuPath, MinShare, NoShare, SessionOptions};
