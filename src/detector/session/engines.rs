//! Which engine cache a session uses.

use std::path::PathBuf;

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
    let facts = MachineFacts::read(options.device_id);
    let key = engine_cache::provider_library(&library)
        .and_then(|library| key(runtime, model, provider, options, library, facts));
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
    provider_library: String,
    facts: MachineFacts,
) -> Result<EngineKey, String> {
    let unknown = |what: &str| {
        format!(
            "the engine cache is not used: NVIDIA's management library (libnvidia-ml.so.1, part of the driver) does not \
             tell {what}, so there is no knowing which engines fit; the engine is built at every start"
        )
    };
    Ok(EngineKey {
        model_sha256: model.sha256.to_owned(),
        provider,
        fp16: options.fp16,
        input_shape: model.input_shape.to_vec(),
        runtime: runtime.library.version.clone(),
        provider_library,
        tensorrt: engine_cache::tensorrt_version(provider),
        driver: facts.driver.ok_or_else(|| unknown("the driver's version"))?,
        gpu: facts.gpu.ok_or_else(|| unknown("the GPU's name"))?,
    })
}
