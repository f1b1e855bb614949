//! Opening a model in ONNX Runtime, on the providers that the policy allows.

use std::path::Path;

use ort::ep::{CPU, CUDA, ExecutionProviderDispatch, TensorRT};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};

use super::options::SessionOptions;
use crate::detector::error::ProviderFailure;
use crate::detector::library::{self, Runtime};
use crate::detector::{DetectorError, Fallback, Provider};

/// A session that came up.
pub(crate) struct Opened {
    pub(crate) session: Session,
    /// What computes.
    pub(crate) provider: Provider,
    /// Why others of the list do not.
    pub(crate) failures: Vec<ProviderFailure>,
}

/// A CUDA stream that the model's kernels are to run on, as an address; it outlives the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ComputeStream(pub(crate) usize);

/// Opens the model on the first provider that the policy and the machine allow. `progress` hears of every provider
/// that is tried.
pub(crate) fn open(
    runtime: &Runtime,
    path: &Path,
    options: &SessionOptions,
    stream: Option<ComputeStream>,
    progress: &mut dyn FnMut(Provider),
) -> Result<Opened, DetectorError> {
    if let Some(problem) = options.providers.problem() {
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
        progress(provider);
        match open_on(runtime, path, provider, others, options, stream)? {
            Ok((session, mut others)) => {
                failures.append(&mut others);
                return Ok(Opened { session, provider, failures });
            }
            Err(failure) => failures.push(failure),
        }
    }
    Err(DetectorError::Providers { path: path.to_owned(), failures })
}

/// A session, and the failures of the providers that would have supported it.
type OpenedOn = (Session, Vec<ProviderFailure>);

/// Opens the session on `provider`, with `others` for the operators that it lacks. The inner error is a provider's
/// failure, the outer one the model's.
fn open_on(
    runtime: &Runtime,
    path: &Path,
    provider: Provider,
    others: &[Provider],
    options: &SessionOptions,
    stream: Option<ComputeStream>,
) -> Result<Result<OpenedOn, ProviderFailure>, DetectorError> {
    library::clear_complaints();
    let refused = |message: String| DetectorError::Session { path: path.to_owned(), message };
    let mut builder = configured(runtime, options).map_err(refused)?;

    let must_all = options.providers.fallback == Fallback::Require;
    let mut failures = Vec::new();
    for (index, listed) in std::iter::once(&provider).chain(others).enumerate() {
        let Err(error) = dispatch(*listed, options, stream).register(&mut builder) else { continue };
        let failure = ProviderFailure { provider: *listed, message: with_complaints(error.message()) };
        if index == 0 || must_all {
            return Ok(Err(failure));
        }
        failures.push(failure);
        library::clear_complaints();
    }
    match builder.commit_from_file(path) {
        Ok(session) => Ok(Ok((session, failures))),
        // the CPU provider always comes up, so this is the model's fault
        Err(error) if provider == Provider::Cpu => Err(refused(explain(error.code(), error.message()))),
        Err(error) => Ok(Err(ProviderFailure {
            provider,
            message: with_complaints(&explain(error.code(), error.message())),
        })),
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

/// What ONNX Runtime is told of `provider`.
#[allow(unsafe_code, reason = "a stream of ours is handed to ONNX Runtime by its address")]
pub(crate) fn dispatch(
    provider: Provider,
    options: &SessionOptions,
    stream: Option<ComputeStream>,
) -> ExecutionProviderDispatch {
    let address = |stream: ComputeStream| stream.0 as *mut ();
    match provider {
        Provider::Cpu => CPU::default().with_arena_allocator(options.cpu_arena).build(),
        Provider::Cuda => {
            let cuda = CUDA::default()
                .with_device_id(options.device_id)
                .with_cuda_graph(options.cuda_graph && stream.is_some());
            match stream {
                // SAFETY: `ComputeStream` outlives the session, as it says.
                Some(stream) => unsafe { cuda.with_compute_stream(address(stream)) }.build(),
                None => cuda.build(),
            }
        }
        Provider::TensorRt => {
            let trt = TensorRT::default()
                .with_device_id(options.device_id)
                .with_fp16(options.tensorrt_fp16)
                .with_cuda_graph(options.cuda_graph && stream.is_some());
            let trt = match stream {
                // SAFETY: as above.
                Some(stream) => unsafe { trt.with_compute_stream(address(stream)) },
                None => trt,
            };
            match options.tensorrt_cache.as_deref().and_then(Path::to_str).filter(|path| !path.contains('\0'))
            {
                Some(cache) => trt
                    .with_engine_cache(true)
                    .with_engine_cache_path(cache)
                    .with_timing_cache(true)
                    .with_timing_cache_path(cache)
                    .build(),
                None => trt.build(),
            }
        }
    }
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
