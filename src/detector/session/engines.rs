//! Which engine cache a session uses.

use std::path::{Path, PathBuf};

use super::open::ModelFile;
use super::options::SessionOptions;
use super::{libraries, plugin};
use crate::detector::engine_cache::{self, EngineCache, EngineKey, Lease, MachineFacts};
use crate::detector::library::Runtime;
use crate::detector::{LoadPhase, Provider};

/// What a session gets of the engine cache.
#[derive(Debug, Default)]
pub(super) struct SessionEngines {
    /// `None`: nothing is cached.
    pub(super) cache: Option<Lease>,
    /// Why there is none although one is wanted.
    pub(super) warning: Option<String>,
}

/// Takes the cache for a provider that builds engines. Trouble with the cache is a warning.
///
/// # Errors
/// The provider lacks what it needs.
pub(super) fn lease(
    runtime: &Runtime,
    model: &ModelFile<'_>,
    provider: Provider,
    options: &SessionOptions,
    progress: &mut dyn FnMut(LoadPhase),
) -> Result<SessionEngines, String> {
    let Some(root) = options.engine_cache.as_deref().filter(|_| provider.builds_engines()) else {
        return Ok(SessionEngines::default());
    };
    let library = provider_library(runtime, provider, options)?;
    let plugin = (provider == Provider::NvTensorRtRtx).then_some(library.as_path());
    libraries::require(provider, &runtime.library.path, plugin)?;
    let key = key(runtime, model, provider, options, &library);
    let leased = key.and_then(|key| {
        EngineCache::new(root).lease(key, &mut || progress(LoadPhase::WaitingForEngine { provider }))
    });
    Ok(match leased {
        Ok(lease) => SessionEngines { cache: Some(lease), warning: None },
        Err(warning) => SessionEngines { cache: None, warning: Some(warning) },
    })
}

fn provider_library(
    runtime: &Runtime,
    provider: Provider,
    options: &SessionOptions,
) -> Result<PathBuf, String> {
    if provider == Provider::NvTensorRtRtx {
        return plugin::find(options, &runtime.library.path);
    }
    Ok(libraries::runtime_folder(&runtime.library.path).join("libonnxruntime_providers_tensorrt.so"))
}

fn key(
    runtime: &Runtime,
    model: &ModelFile<'_>,
    provider: Provider,
    options: &SessionOptions,
    library: &Path,
) -> Result<EngineKey, String> {
    let facts = MachineFacts::read(options.device_id);
    let unknown = |what: &str| {
        format!(
            "the engine cache is not used: NVIDIA's management library (libnvidia-ml.so.1, part of the driver) does not \
             tell {what}, so there is no knowing which engines fit; the engine is built at every start"
        )
    };
    Ok(EngineKey {
        model_sha256: model.sha256.to_owned(),
        provider,
        trt_fp16: options.trt_fp16,
        options: options.options_of(provider).map(|(key, value)| format!("{key}={value} ")).collect(),
        input_shape: [&[options.max_batch as i64], model.input_shape.get(1..).unwrap_or_default()].concat(),
        runtime: runtime.library.version.clone(),
        provider_library: engine_cache::provider_library(library)?,
        tensorrt: tensorrt_version(library)?,
        driver: facts.driver.ok_or_else(|| unknown("the driver's version"))?,
        gpu: facts.gpu.ok_or_else(|| unknown("the GPU's name"))?,
    })
}

/// The version of the TensorRT that the provider's library has loaded.
fn tensorrt_version(library: &Path) -> Result<String, String> {
    let needed = libraries::needed(library)?;
    let is_tensorrt =
        |name: &&String| name.starts_with("libnvinfer.so") || name.starts_with("libtensorrt_rtx.so");
    needed.iter().find(is_tensorrt).and_then(|name| engine_cache::tensorrt_version(name)).ok_or_else(|| {
        "the engine cache is not used: TensorRT does not tell its version, so there is no knowing which engines fit; the \
         engine is built at every start"
            .to_owned()
    })
}
