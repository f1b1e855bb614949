//! The kernels on the CPU, for tests: their source goes through a C++ compiler.
#![allow(unsafe_code, reason = "the compiled kernels are C functions")]

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;

use super::{PickParameters, PrepareParameters};

/// The compiled kernels; one user at a time, as the thread's place is a global of theirs.
pub(crate) struct HostKernels(Mutex<Library>);

impl HostKernels {
    /// The kernels, or `None`, said aloud, where no C++ compiler is there.
    pub(crate) fn get() -> Option<&'static Self> {
        static KERNELS: OnceLock<Option<HostKernels>> = OnceLock::new();
        KERNELS.get_or_init(Self::compile).as_ref()
    }

    fn compile() -> Option<Self> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gpu/host_shim.h");
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join("kernels.so");
        for compiler in ["c++", "clang++", "clang"] {
            let mut command = Command::new(compiler);
            command.args(["-x", "c++", "-std=c++17", "-O1", "-ffp-contract=off", "-fPIC", "-shared"]);
            command.arg("-o").arg(&library).arg(&source).arg("-lm");
            match command.output() {
                Ok(output) if output.status.success() => {
                    // SAFETY: the library was just compiled from our own source; it has no initialisers.
                    let library = unsafe { Library::new(&library) }.unwrap();
                    return Some(Self(Mutex::new(library)));
                }
                Ok(output) => {
                    panic!("{compiler} refuses the kernels:\n{}", String::from_utf8_lossy(&output.stderr))
                }
                Err(_) => {}
            }
        }
        eprintln!("skipped: there is no C++ compiler to check the GPU's kernels with");
        None
    }

    /// Runs `prepare` with addresses of the host.
    pub(crate) fn prepare(&self, parameters: &PrepareParameters) {
        let (width, height) = parameters.input_size();
        self.run(c"run_prepare", parameters, width.div_ceil(32), height.div_ceil(8));
    }

    /// Runs `pick` with addresses of the host.
    pub(crate) fn pick(&self, parameters: &PickParameters) {
        self.run(c"run_pick", parameters, parameters.longest_block().div_ceil(128), parameters.blocks());
    }

    fn run<P>(&self, name: &std::ffi::CStr, parameters: &P, columns: u32, rows: u32) {
        let library = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: both functions have this signature, and their structures the layout of `P`; the addresses in them are
        // those of the tests' own buffers.
        unsafe {
            let function =
                library.get::<unsafe extern "C" fn(*const P, u32, u32)>(name.to_bytes_with_nul()).unwrap();
            function(parameters, columns, rows);
        }
    }
}
