//! TensorRT for RTX: a provider in a library of its own, which ONNX Runtime is told of while it runs.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::AsPointer as _;
use ort::device::Device;
use ort::environment::Environment;
use ort::memory::{DeviceType, MemoryInfo};

use super::libraries;
use super::options::SessionOptions;
use crate::detector::Provider;
use crate::detector::library::Runtime;

/// Names the plugin's library, where the options do not.
const VARIABLE: &str = "ROADPROOF_NV_TENSORRT_RTX";
const FILE_NAME: &str = "libonnxruntime_providers_nv_tensorrt_rtx.so";
/// Its folder in the PyPI package.
const PACKAGE: &str = "onnxruntime_ep_nv_tensorrt_rtx";
const PROVIDER: Provider = Provider::NvTensorRtRtx;

/// The library that this process has registered; ONNX Runtime cannot take another of the same provider.
static REGISTERED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// The plugin's library.
///
/// # Errors
/// Every place where it is not.
pub(super) fn find(options: &SessionOptions, runtime_library: &Path) -> Result<PathBuf, String> {
    let variable = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let executable = std::env::current_exe().ok();
    let places = match (&options.plugin_library, variable) {
        // a wrong setting must not go unnoticed
        (Some(path), _) => vec![path.clone()],
        (None, Some(path)) => vec![path],
        (None, None) => places(
            &libraries::runtime_folder(runtime_library),
            executable.as_deref().and_then(Path::parent).unwrap_or(Path::new("")),
        ),
    };
    if let Some(found) = places.iter().find(|path| path.is_file()) {
        return Ok(found.clone());
    }
    let places: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    Err(format!(
        "its plugin library is not there. Install `onnxruntime-ep-nv-tensorrt-rtx-cu13` from PyPI beside ONNX Runtime, or \
         set {VARIABLE} to the file {FILE_NAME}. Looked for: {}",
        places.join(", ")
    ))
}

fn places(runtime_folder: &Path, executable_folder: &Path) -> Vec<PathBuf> {
    vec![
        runtime_folder.join(FILE_NAME),
        executable_folder.join(FILE_NAME),
        executable_folder.join("../lib").join(FILE_NAME),
        executable_folder.join("..").join(FILE_NAME),
        // `onnxruntime/capi` of a Python environment
        runtime_folder.join("../..").join(PACKAGE).join(FILE_NAME),
    ]
}

/// Tells ONNX Runtime of the plugin, once per process.
///
/// # Errors
/// ONNX Runtime cannot load it, or has loaded another file before.
pub(super) fn register(runtime: &Runtime, library: &Path) -> Result<(), String> {
    // ONNX Runtime takes a relative path for one in its own folder
    let library = std::path::absolute(library).map_err(|error| error.to_string())?;
    let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*registered {
        Some(known) if *known == library => return Ok(()),
        Some(known) => {
            return Err(format!(
                "this process already uses the plugin {}, and cannot use {} as well",
                known.display(),
                library.display()
            ));
        }
        None => {}
    }
    runtime
        .environment
        .register_ep_library(PROVIDER.runtime_name(), &library)
        .map_err(|error| format!("ONNX Runtime cannot use the plugin {}: {error}", library.display()))?;
    tracing::info!(path = %library.display(), "registered the plugin of {PROVIDER}");
    *registered = Some(library);
    Ok(())
}

/// The provider's GPU of this number, and its memory. Both live as long as the process: ONNX Runtime's environment does,
/// and sessions refer to the memory.
///
/// # Errors
/// There is none, and how many there are.
pub(super) fn device(
    runtime: &Runtime,
    device_id: i32,
) -> Result<(Device<'static>, Option<MemoryInfo<'static>>), String> {
    let environment: &'static Environment = Box::leak(Box::new(runtime.environment.clone()));
    let is_ours = |device: &Device<'_>| {
        device.ep().is_ok_and(|name| name == PROVIDER.runtime_name())
            && device.hardware_device().ty() == DeviceType::GPU
    };
    let listed = || environment.devices().filter(is_ours);
    let memories: Vec<_> = listed().map(memory_of).collect();
    let numbers: Option<Vec<i32>> =
        memories.iter().map(|memory| memory.as_ref().map(MemoryInfo::device_id)).collect();
    let position = position(memories.len(), numbers.as_deref(), device_id)?;
    let found = listed().nth(position).zip(memories.into_iter().nth(position));
    found.ok_or_else(|| "its list of GPUs changes while it is read".to_owned())
}

/// Which of `count` devices has this number. Their memories know their numbers for CUDA; the list is in an order of ONNX
/// Runtime's.
fn position(count: usize, numbers: Option<&[i32]>, wanted: i32) -> Result<usize, String> {
    if count == 0 {
        return Err(
            "it finds no GPU that it takes: it takes RTX GPUs of compute capability 8.6, 8.9, 12.0 or later (no A100, H100 or H200), with a driver for CUDA 13"
                .to_owned(),
        );
    }
    let position = match numbers {
        Some(numbers) => numbers.iter().position(|number| *number == wanted),
        None => usize::try_from(wanted).ok().filter(|id| *id < count),
    };
    position
        .ok_or_else(|| format!("there is no GPU {wanted} (`device_id`): it finds {count}, numbered from 0"))
}

/// The device's own memory, if it says.
#[allow(unsafe_code, reason = "`ort` panics where a provider does not say")]
fn memory_of(device: Device<'static>) -> Option<MemoryInfo<'static>> {
    let kind = ort::sys::OrtDeviceMemoryType::OrtDeviceMemoryType_DEFAULT;
    // SAFETY: the device is one of the environment's, which lives as long as the process; the function only reads it.
    let memory = unsafe { (ort::api().EpDevice_MemoryInfo)(device.ptr(), kind) };
    if memory.is_null() {
        return None;
    }
    // a copy would not do: ONNX Runtime copies memories of its own providers only
    let device: &'static Device<'static> = Box::leak(Box::new(device));
    Some(device.memory_info(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_plugin_names_every_place() {
        let options = SessionOptions::default();
        if std::env::var_os(VARIABLE).is_none() {
            let error = find(&options, Path::new("/py/onnxruntime/capi/libonnxruntime.so.1")).unwrap_err();
            for part in [
                VARIABLE,
                "onnxruntime-ep-nv-tensorrt-rtx-cu13",
                "/py/onnxruntime/capi/libonnxruntime_providers_nv_tensorrt_rtx.so",
                "/py/onnxruntime/capi/../../onnxruntime_ep_nv_tensorrt_rtx/",
            ] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
        let named = SessionOptions { plugin_library: Some("/nowhere/x.so".into()), ..options };
        let error = find(&named, Path::new("/ort/libonnxruntime.so")).unwrap_err();
        assert!(error.ends_with("Looked for: /nowhere/x.so"), "{error}");
    }

    #[test]
    fn the_python_package_beside_onnx_runtime_is_found() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["onnxruntime/capi", PACKAGE] {
            std::fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        let runtime = root.path().join("onnxruntime/capi/libonnxruntime.so.1.31.1");
        std::fs::write(root.path().join(PACKAGE).join(FILE_NAME), "").unwrap();
        let places = places(&libraries::runtime_folder(&runtime), Path::new("/nowhere"));
        assert_eq!(places.iter().filter(|place| place.is_file()).count(), 1);
    }

    #[test]
    fn a_gpu_is_found_by_its_number() {
        assert_eq!(position(2, Some(&[1, 0]), 0), Ok(1));
        assert_eq!(position(2, None, 1), Ok(1));
        assert!(position(0, None, 0).unwrap_err().contains("no GPU"));
        for (numbers, wanted) in [(Some(&[0, 1][..]), 2), (None, 2), (None, -1)] {
            assert!(position(2, numbers, wanted).unwrap_err().contains("it finds 2"), "{wanted}");
        }
    }
}
