//! Compiling our kernels with NVRTC, straight to machine code of the GPU at hand: unlike PTX, which newer compilers write
//! for newer drivers, that loads with every driver of the same major version.
#![allow(unsafe_code, reason = "NVRTC is a C library")]

use std::ffi::{CString, c_char};

use cudarc::nvrtc::result::{compile_program, create_program, destroy_program, get_program_log};
use cudarc::nvrtc::sys;

use super::GpuError;

/// The kernels' source.
pub(super) const SOURCE: &str = include_str!("kernels.cu");

/// Machine code for a GPU of compute capability `major.minor`.
pub(super) fn machine_code(source: &str, (major, minor): (i32, i32)) -> Result<Vec<u8>, GpuError> {
    // SAFETY: loading NVRTC runs its initialisers; nothing else is called.
    if !unsafe { sys::is_culib_present() } {
        return Err(GpuError::NoCompiler);
    }
    let target = format!("sm_{major}{minor}");
    let failed = |log: String| GpuError::Compile { target: target.clone(), log };
    let source = CString::new(source).map_err(|error| failed(error.to_string()))?;
    let program = create_program(&source, Some(c"kernels.cu")).map_err(|error| failed(error.to_string()))?;
    // No fused multiplications: the CPU has none at these places either.
    let options =
        [format!("--gpu-architecture={target}"), "--fmad=false".to_owned(), "--std=c++17".to_owned()];
    // SAFETY: `program` was created above and is destroyed below, once.
    let compiled = unsafe { compile_program(program, &options) };
    let code = match compiled {
        Ok(()) => take_code(program).map_err(&failed),
        Err(error) => {
            // SAFETY: as above.
            let log = unsafe { get_program_log(program) }.unwrap_or_default();
            let log: String = log.iter().take_while(|c| **c != 0).map(|c| *c as u8 as char).collect();
            Err(failed(format!("{error}\n{}", log.trim())))
        }
    };
    // SAFETY: as above.
    unsafe { destroy_program(program) }.map_err(|error| failed(error.to_string()))?;
    code
}

fn take_code(program: sys::nvrtcProgram) -> Result<Vec<u8>, String> {
    let mut size = 0usize;
    // SAFETY: `program` is alive and compiled; `size` is written.
    unsafe { sys::nvrtcGetCUBINSize(program, &raw mut size) }.result().map_err(|error| error.to_string())?;
    let mut code = vec![0u8; size];
    // SAFETY: `code` has the size that NVRTC asked for.
    unsafe { sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast::<c_char>()) }
        .result()
        .map_err(|error| error.to_string())?;
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_compile_for_every_generation_in_use() {
        // Turing, Ampere, Orin, Ada, Hopper
        for target in [(7, 5), (8, 0), (8, 7), (8, 9), (9, 0)] {
            match machine_code(SOURCE, target) {
                Ok(code) => assert!(code.starts_with(b"\x7fELF"), "{target:?}"),
                Err(GpuError::NoCompiler) => {
                    eprintln!("skipped: there is no NVRTC on this machine");
                    return;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_broken_kernel_is_refused_with_the_compilers_words() {
        match machine_code("__global__ void broken( {", (8, 0)) {
            Err(GpuError::NoCompiler) => eprintln!("skipped: there is no NVRTC on this machine"),
            Err(error) => assert!(error.to_string().contains("kernels.cu(1)"), "{error}"),
            Ok(_) => panic!("that is no kernel"),
        }
    }
}
