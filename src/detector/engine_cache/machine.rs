//! What an engine depends on that only the machine knows.

use std::collections::BTreeSet;
use std::path::Path;

use libloading::os::unix::Library;
use nvml_wrapper::Nvml;

use super::key::{Gpu, MachineFacts};
use crate::detector::model_file;

impl MachineFacts {
    /// From NVIDIA's management library (NVML), which comes with the driver; without it nothing is known.
    pub(crate) fn read(device_id: i32) -> Self {
        Nvml::init().map_or_else(|_| Self::default(), |nvml| Self::of(&nvml, device_id))
    }

    fn of(nvml: &Nvml, device_id: i32) -> Self {
        let count = nvml.device_count().unwrap_or(0);
        let read = |index: u32| {
            let device = nvml.device_by_index(index).ok()?;
            let capability = device.cuda_compute_capability().ok()?;
            let compute_capability = format!("{}.{}", capability.major, capability.minor);
            Some(Gpu { name: device.name().ok()?, compute_capability })
        };
        let gpus: Option<Vec<Gpu>> = (0..count).map(read).collect();
        Self { gpu: gpus.and_then(|gpus| of_all(&gpus, device_id)), driver: nvml.sys_driver_version().ok() }
    }
}

/// The GPU that computes. CUDA's numbers are not NVML's: where there are several kinds of GPU, the number and all kinds
/// stand for it, so that an engine is never taken for another kind's.
fn of_all(gpus: &[Gpu], device_id: i32) -> Option<Gpu> {
    let first = gpus.first()?;
    if gpus.iter().all(|gpu| gpu == first) {
        return Some(first.clone());
    }
    let list = |part: fn(&Gpu) -> &String| gpus.iter().map(part).cloned().collect::<BTreeSet<_>>();
    let join = |parts: BTreeSet<String>| parts.into_iter().collect::<Vec<_>>().join(", ");
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").map_or(String::new(), |list| format!(" of {list}"));
    let order = std::env::var("CUDA_DEVICE_ORDER").map_or(String::new(), |order| format!(" by {order}"));
    Some(Gpu {
        name: format!("GPU {device_id}{visible}{order}: {}", join(list(|gpu| &gpu.name))),
        compute_capability: join(list(|gpu| &gpu.compute_capability)),
    })
}

/// SHA-256 of the provider's library.
pub(crate) fn provider_library(path: &Path) -> Result<String, String> {
    model_file::verify(path, None, &mut |_, _| ()).map_err(|error| error.to_string())
}

/// TensorRT's version, as the library says that the loader knows by `name`.
#[allow(unsafe_code, reason = "a version can only be had from the library's code")]
pub(crate) fn tensorrt_version(name: &str) -> Option<String> {
    let part = |library: &Library, name: &[u8]| {
        // SAFETY: NvInferRuntimeBase.h declares these as `int32_t getInferLib…Version() noexcept` with C linkage, in
        // every version that has them; they return constants.
        unsafe { library.get::<unsafe extern "C" fn() -> i32>(name).ok().map(|version| version()) }
    };
    // SAFETY: ONNX Runtime's provider needs this library and has loaded it; this only takes hold of it once more.
    let library = unsafe { Library::open(Some(name), libloading::os::unix::RTLD_LAZY) }.ok()?;
    let parts: Option<Vec<String>> = [
        b"getInferLibMajorVersion\0",
        b"getInferLibMinorVersion\0",
        b"getInferLibPatchVersion\0",
        b"getInferLibBuildVersion\0",
    ]
    .into_iter()
    .map(|name| part(&library, name).map(|number| number.to_string()))
    .collect();
    Some(match parts {
        Some(parts) => parts.join("."),
        None => part(&library, b"getInferLibVersion\0")?.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_library_has_no_version() {
        assert_eq!(tensorrt_version("libm.so.6"), None);
        assert_eq!(tensorrt_version("libno_such_library_here.so.1"), None);
    }

    #[test]
    fn several_kinds_of_gpu_are_not_mixed_up() {
        let gpu = |name: &str| Gpu { name: name.to_owned(), compute_capability: "8.9".to_owned() };
        assert_eq!(of_all(&[], 0), None);
        assert_eq!(of_all(&[gpu("A"), gpu("A")], 1), Some(gpu("A")));
        let (first, second) =
            (of_all(&[gpu("A"), gpu("B")], 0).unwrap(), of_all(&[gpu("A"), gpu("B")], 1).unwrap());
        assert!(first != second && first.name.contains("A, B"), "{first} {second}");
    }
}
