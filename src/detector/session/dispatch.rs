//! What ONNX Runtime is told of a provider.

use std::path::{Path, PathBuf};

use ort::ep::{
    ArbitrarilyConfigurableExecutionProvider as _, CPU, CUDA, ExecutionProviderDispatch, TensorRT,
};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::SessionBuilder;

use super::open::ComputeStream;
use super::options::SessionOptions;
use super::{libraries, plugin};
use crate::detector::Provider;
use crate::detector::library::Runtime;

/// Where a provider keeps what it builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EngineFolders {
    /// Engines of this model.
    pub(crate) engines: PathBuf,
    /// TensorRT's measurements of kernels, which serve every model on this machine.
    pub(crate) timing: Option<PathBuf>,
}

/// Adds `provider` to a session that is being made; returns the GPU's memory where it computes on one. What it needs on
/// the machine is looked at first.
///
/// # Errors
/// Why it does not come up; the builder goes on without it.
pub(crate) fn attach(
    builder: &mut SessionBuilder,
    runtime: &Runtime,
    provider: Provider,
    options: &SessionOptions,
    stream: Option<ComputeStream>,
    folders: Option<&EngineFolders>,
) -> Result<Option<MemoryInfo<'static>>, String> {
    let library = &runtime.library.path;
    if provider != Provider::NvTensorRtRtx {
        libraries::require(provider, library, None)?;
        dispatch(provider, options, stream, folders)?
            .error_on_failure()
            .register(builder)
            .map_err(|error| needing(provider, error.message()))?;
        if provider == Provider::Cpu {
            return Ok(None);
        }
        let memory = MemoryInfo::new(
            AllocationDevice::CUDA,
            options.device_id,
            AllocatorType::Device,
            MemoryType::Default,
        );
        return memory.map(Some).map_err(|error| error.message().to_owned());
    }
    let plugin_library = plugin::find(options, library)?;
    libraries::require(provider, library, Some(&plugin_library))?;
    plugin::register(runtime, &plugin_library).map_err(|message| needing(provider, &message))?;
    let (device, memory) = plugin::device(runtime, options.device_id)?;
    let settings = rtx_settings(options, stream, folders)?;
    *builder = builder
        .clone()
        .with_devices([device], Some(&settings))
        .map_err(|error| needing(provider, error.message()))?;
    Ok(memory)
}

/// ONNX Runtime's message, and what the provider takes: seldom the message says that.
fn needing(provider: Provider, message: &str) -> String {
    format!("{} (it needs {})", message.trim(), provider.requirement())
}

/// What ONNX Runtime is told of a provider that is built into it.
#[allow(unsafe_code, reason = "a stream of ours is handed to ONNX Runtime by its address")]
fn dispatch(
    provider: Provider,
    options: &SessionOptions,
    stream: Option<ComputeStream>,
    folders: Option<&EngineFolders>,
) -> Result<ExecutionProviderDispatch, String> {
    let address = |stream: ComputeStream| stream.0 as *mut ();
    Ok(match provider {
        Provider::Cpu => CPU::default().with_arena_allocator(options.cpu_arena).build(),
        Provider::Cuda => {
            let mut cuda = CUDA::default()
                .with_device_id(options.device_id)
                .with_cuda_graph(options.cuda_graph && stream.is_some())
                .with_prefer_nhwc(options.channels_last)
                // with several images cuDNN's fused kernels stop at a misaligned address (seen with cuDNN 9 on an H200)
                .with_fuse_conv_bias(options.channels_last && options.max_batch == 1);
            for (key, value) in options.options_of(provider) {
                cuda = cuda.with_arbitrary_config(key, value);
            }
            match stream {
                // SAFETY: `ComputeStream` outlives the session, as it says.
                Some(stream) => unsafe { cuda.with_compute_stream(address(stream)) }.build(),
                None => cuda.build(),
            }
        }
        Provider::TensorRt => {
            let trt = TensorRT::default()
                .with_device_id(options.device_id)
                .with_fp16(options.trt_fp16)
                .with_cuda_graph(options.cuda_graph && stream.is_some());
            let mut trt = match stream {
                // SAFETY: as above.
                Some(stream) => unsafe { trt.with_compute_stream(address(stream)) },
                None => trt,
            };
            for (key, value) in options.options_of(provider) {
                trt = trt.with_arbitrary_config(key, value);
            }
            if let Some(folders) = folders {
                trt = trt.with_engine_cache(true).with_engine_cache_path(path_text(&folders.engines)?);
                if let Some(timing) = &folders.timing {
                    trt = trt.with_timing_cache(true).with_timing_cache_path(path_text(timing)?);
                }
            }
            trt.build()
        }
        // chosen with its device, see `attach`
        Provider::NvTensorRtRtx => return Err("it is a plugin".to_owned()),
    })
}

/// The options of the plugin (`tensorrt_rtx_provider_options.h` in its package), each with the provider's name before it.
/// The GPU is chosen with the device; the plugin refuses options that it does not know.
fn rtx_settings(
    options: &SessionOptions,
    stream: Option<ComputeStream>,
    folders: Option<&EngineFolders>,
) -> Result<Vec<(String, String)>, String> {
    let mut settings = Vec::new();
    let mut set = |key: &str, value: String| {
        settings.push((format!("{}.{key}", Provider::NvTensorRtRtx.runtime_name()), value));
    };
    if let Some(stream) = stream {
        set("has_user_compute_stream", "1".to_owned());
        set("user_compute_stream", stream.0.to_string());
        if options.cuda_graph {
            set("enable_cuda_graph", "1".to_owned());
        }
    }
    for (key, value) in options.options_of(Provider::NvTensorRtRtx) {
        set(key, value.to_owned());
    }
    if let Some(folders) = folders {
        set("nv_runtime_cache_path", path_text(&folders.engines)?.to_owned());
    }
    Ok(settings)
}

/// A path for ONNX Runtime's options, which are text.
fn path_text(path: &Path) -> Result<&str, String> {
    path.to_str().filter(|path| !path.contains('\0')).ok_or_else(|| {
        format!(
            "ONNX Runtime cannot be told the path of the engine cache, {}: expected UTF-8",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_gets_only_what_is_asked_for() {
        let options = SessionOptions::default();
        assert_eq!(rtx_settings(&options, None, None).unwrap(), []);
        let folders = EngineFolders { engines: "/cache/e".into(), timing: Some("/cache/t".into()) };
        let keys = |options: &SessionOptions| -> Vec<String> {
            let settings = rtx_settings(options, Some(ComputeStream(16)), Some(&folders)).unwrap();
            settings.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
        };
        let wanted = [
            "NvTensorRTRTXExecutionProvider.has_user_compute_stream=1",
            "NvTensorRTRTXExecutionProvider.user_compute_stream=16",
            "NvTensorRTRTXExecutionProvider.enable_cuda_graph=1",
            "NvTensorRTRTXExecutionProvider.nv_runtime_cache_path=/cache/e",
        ];
        assert_eq!(keys(&options), wanted);
        assert_eq!(keys(&SessionOptions { cuda_graph: false, ..options }).len(), 3);
    }
}
