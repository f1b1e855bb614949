//! The GPU itself: driver, stream, memory, and our kernels, through CUDA's driver API.
//!
//! The driver and NVRTC are loaded at run time; a machine without them gets a [`GpuError`] that says what is missing.
//! Nothing here knows of detectors.

mod compile;
mod error;
mod kernels;
mod memory;
#[cfg(test)]
mod on_host;
mod stream;
mod turns;
mod upload;

pub(crate) use error::GpuError;
pub(crate) use kernels::{Block, MAX_BLOCKS, PickParameters, PrepareParameters, ResizeKind, Strided, Tap};
pub(crate) use memory::{DeviceBuffer, PinnedBuffer};
#[cfg(test)]
pub(crate) use on_host::HostKernels;
pub(crate) use stream::{Gpu, Timer};
pub(crate) use turns::{alone, with_others};
pub(crate) use upload::Uploader;
