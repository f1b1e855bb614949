//! What can go wrong on the GPU.

use cudarc::driver::DriverError;

/// An error of the GPU room.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum GpuError {
    /// No driver.
    #[error(
        "no NVIDIA driver on this machine: `libcuda.so.1` cannot be loaded. Install the driver (the packages \
         `nvidia-driver-*` or `nvidia-open`, or, in a container, run it with the NVIDIA container toolkit)"
    )]
    NoDriver,
    /// No compiler for kernels.
    #[error(
        "no CUDA run-time compiler: `libnvrtc.so` (12 or 13) cannot be loaded. Install it (the PyPI package \
         `nvidia-cuda-nvrtc`, or `cuda-nvrtc-*` of NVIDIA's apt repository) and put its folder on LD_LIBRARY_PATH"
    )]
    NoCompiler,
    /// There is no GPU of that number.
    #[error("GPU {wanted} was asked for, found {found} GPU(s), counted from 0")]
    NoDevice {
        /// The number asked for.
        wanted: i32,
        /// How many there are.
        found: i32,
    },
    /// Our kernels do not compile for this GPU.
    #[error("the kernels do not compile for {target}: {log}")]
    Compile {
        /// The architecture.
        target: String,
        /// The compiler's words.
        log: String,
    },
    /// The driver refuses something.
    #[error("{what}: {reason}")]
    Driver {
        /// What was asked of it.
        what: &'static str,
        /// Its reason.
        reason: String,
    },
}

/// Says what was asked of the driver.
pub(super) trait During<T> {
    fn during(self, what: &'static str) -> Result<T, GpuError>;
}

impl<T> During<T> for Result<T, DriverError> {
    fn during(self, what: &'static str) -> Result<T, GpuError> {
        self.map_err(|error| GpuError::Driver { what, reason: error.to_string() })
    }
}
