//! Opening a model in ONNX Runtime, on the providers that the policy allows.

use std::path::Path;

use ort::memory::MemoryInfo;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::dispatch::{EngineFolders, attach};
use super::engines;
use super::first_run::FirstRun;
use super::options::SessionOptions;
use crate::detector::engine_cache::Lease;
use crate::detector::error::ProviderFailure;
use crate::detector::library::{self, Runtime};
use crate::detector::placement::PlacementProbe;
use crate::detector::{DetectorError, Fallback, LoadPhase, Provider};

/// The model that is to be opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ModelFile<'a> {
    pub(crate) path: &'a Path,
    /// Lower-case hexadecimal.
    pub(crate) sha256: &'a str,
    /// The shape with which it will be run.
    pub(crate) input_shape: &'a [i64],
}

/// A session that came up.
pub(crate) struct Opened {
    pub(crate) session: Session,
    /// What computes.
    pub(crate) provider: Provider,
    /// Why others of the list do not.
    pub(crate) failures: Vec<ProviderFailure>,
    /// The GPU's memory, for tensors that are to lie there; `None` on the CPU, and where a plugin does not say.
    pub(crate) device_memory: Option<MemoryInfo<'static>>,
    /// To be finished when the session has run once.
    pub(crate) first_run: FirstRun,
}

/// A CUDA stream that the model's kernels are to run on, as an address; it outlives the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComputeStream(pub(crate) usize);

/// Opens the model on the first provider that the policy and the machine allow. `progress` hears of every provider that
/// is tried, and of engines that are built.
pub(crate) fn open(
    runtime: &Runtime,
    model: &ModelFile<'_>,
    options: &SessionOptions,
    stream: Option<ComputeStream>,
    progress: &mut dyn FnMut(LoadPhase),
) -> Result<Opened, DetectorError> {
    if let Some(problem) = options.providers.problem().or_else(|| options.problem()) {
        return Err(DetectorError::ProviderPolicy { problem });
    }
    let attempts = match options.providers.fallback {
        Fallback::Require => 1,
        Fallback::Prefer => options.providers.order.len(),
    };
    let mut failures = Vec::new();
    for skipped in 0..attempts {
        let Some((&provider, others)) = options.providers.order.get(skipped..).and_then(<[_]>::split_first)
        else {
            break;
        };
        progress(LoadPhase::CreatingSession { provider });
        match open_on(runtime, model, provider, others, options, stream, progress)? {
            Ok(mut opened) => {
                failures.append(&mut opened.failures);
                opened.failures = failures;
                return Ok(opened);
            }
            Err(failure) => failures.push(failure),
        }
    }
    Err(DetectorError::Providers { path: model.path.to_owned(), failures })
}

/// Opens the session on `provider`, with `others` for the operators that it lacks. The inner error is a provider's
/// failure, the outer one the model's.
fn open_on(
    runtime: &Runtime,
    model: &ModelFile<'_>,
    provider: Provider,
    others: &[Provider],
    options: &SessionOptions,
    stream: Option<ComputeStream>,
    progress: &mut dyn FnMut(LoadPhase),
) -> Result<Result<Opened, ProviderFailure>, DetectorError> {
    library::clear_complaints();
    let refused = |message: String| DetectorError::Session { path: model.path.to_owned(), message };
    let failed =
        |provider: Provider, message: &str| ProviderFailure { provider, message: with_complaints(message) };
    let mut builder = configured(runtime, options).map_err(refused)?;

    // what the provider needs is looked at before the cache: its version is part of the engine's key
    let lease = match engines::lease(runtime, model, provider, options, progress) {
        Ok(lease) => lease,
        Err(message) => return Ok(Err(failed(provider, &message))),
    };
    let folders = lease
        .cache
        .as_ref()
        .map(|cache| EngineFolders { engines: cache.folder().to_owned(), timing: cache.timing_folder() });
    let must_all = options.providers.fallback == Fallback::Require;
    let mut failures = Vec::new();
    let mut device_memory = None;
    for (index, listed) in std::iter::once(&provider).chain(others).enumerate() {
        // the cache is the first one's
        let folders = folders.as_ref().filter(|_| index == 0);
        match attach(&mut builder, runtime, *listed, options, stream, folders) {
            Ok(memory) if index == 0 => device_memory = memory,
            Ok(_) => {}
            Err(message) => {
                let failure = failed(*listed, &message);
                if index == 0 || must_all {
                    return Ok(Err(failure));
                }
                failures.push(failure);
                library::clear_complaints();
            }
        }
    }
    let probe = provider.is_gpu().then(|| PlacementProbe::start(&mut builder, provider, model.path));
    if provider.builds_engines() && !lease.cache.as_ref().is_some_and(Lease::is_reused) {
        progress(LoadPhase::BuildingEngine { provider });
    }
    match builder.commit_from_file(model.path) {
        Ok(session) => Ok(Ok(Opened {
            session,
            provider,
            failures,
            device_memory,
            first_run: FirstRun::new(provider, probe, lease, options),
        })),
        // the CPU provider always comes up, so this is the model's fault
        Err(error) if provider == Provider::Cpu => Err(refused(explain(error.code(), error.message()))),
        Err(error) => Ok(Err(failed(provider, &explain(error.code(), error.message())))),
    }
}

pub(crate) fn configured(runtime: &Runtime, options: &SessionOptions) -> Result<SessionBuilder, String> {
    let text = |error: ort::Error<SessionBuilder>| error.message().to_owned();
    SessionBuilder::new(&runtime.environment)
        .map_err(|error| error.to_string())?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(text)?
        .with_intra_threads(options.intra_op_threads)
        .map_err(text)?
        .with_intra_op_spinning(options.spinning)
        .map_err(text)?
        .with_memory_pattern(options.memory_pattern)
        .map_err(text)?
        .with_deterministic_compute(true)
        .map_err(text)
}

/// A provider's error often only says that it failed; the log before it says why.
pub(crate) fn with_complaints(message: &str) -> String {
    let mut text = message.trim().to_owned();
    for complaint in library::complaints() {
        let complaint = complaint.trim();
        if !text.contains(complaint) {
            text.push_str("; ");
            text.push_str(complaint);
        }
    }
    text
}

fn explain(code: ort::ErrorCode, message: &str) -> String {
    let hint = match code {
        ort::ErrorCode::InvalidProtobuf => {
            " (the file is no complete ONNX model: expected an ONNX protobuf message; it may be cut off or of another \
             format)"
        }
        ort::ErrorCode::InvalidGraph => {
            " (the model's graph is damaged or was made for another version of ONNX)"
        }
        ort::ErrorCode::NotImplemented => " (this ONNX Runtime lacks one of the model's operators)",
        _ => "",
    };
    format!("{}{hint}", message.trim())
}
