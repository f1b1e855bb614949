//! The ONNX Runtime session of one model.

use std::path::{Path, PathBuf};

use ort::ep::{CPU, CUDA, ExecutionProviderDispatch, TensorRT};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue, SessionInputs};
use ort::value::{Outlet, Tensor, TensorElementType, ValueType};
use serde::{Deserialize, Serialize};

use super::decode::{OutputInfo, TensorView};
use super::error::ProviderFailure;
use super::library::{self, Runtime};
use super::manifest::InputSpec;
use super::{DetectorError, Fallback, Provider, ProviderPolicy};
use crate::detector::decode::shape_text;

/// At most so many outputs are read; the largest heads have 12.
const MAX_OUTPUTS: usize = 32;

/// How a model is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionOptions {
    /// What to compute on.
    pub providers: ProviderPolicy,
    /// Threads for the work within an operator on the CPU; 0 leaves it to ONNX Runtime (one per core).
    pub intra_op_threads: usize,
    /// Whether ONNX Runtime's threads wait for their next work by spinning. That shaves a little off a run and costs
    /// nearly a core per thread, also between frames, so it is off.
    pub spinning: bool,
    /// The GPU's number, for `cuda` and `tensorrt`.
    pub device_id: i32,
    /// Where TensorRT keeps its built engines; building one takes minutes. `None` builds at every start.
    pub tensorrt_cache: Option<PathBuf>,
    /// Whether TensorRT may compute in half precision.
    pub tensorrt_fp16: bool,
    /// Trial runs before the first image, at least 1: buffers are allocated and kernels chosen then.
    pub warm_up_runs: usize,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            providers: ProviderPolicy::default(),
            intra_op_threads: 1,
            spinning: false,
            device_id: 0,
            tensorrt_cache: None,
            tensorrt_fp16: false,
            warm_up_runs: 3,
        }
    }
}

/// A model in ONNX Runtime, with its input tensor.
pub(crate) struct ModelSession {
    session: Session,
    /// Written by the preprocessing, read by every run; allocated once.
    input: SessionInputValue<'static>,
    output_names: Vec<String>,
    /// What computes.
    pub(crate) provider: Provider,
    /// Why others of the list do not.
    pub(crate) failures: Vec<ProviderFailure>,
}

impl ModelSession {
    /// Opens the model on the first provider that the policy and the machine allow. `progress` hears of every provider
    /// that is tried.
    pub(crate) fn open(
        runtime: &Runtime,
        path: &Path,
        input: &InputSpec,
        options: &SessionOptions,
        progress: &mut dyn FnMut(Provider),
    ) -> Result<Self, DetectorError> {
        if let Some(problem) = options.providers.problem() {
            return Err(DetectorError::ProviderPolicy { problem });
        }
        let attempts = match options.providers.fallback {
            Fallback::Require => 1,
            Fallback::Prefer => options.providers.order.len(),
        };
        let mut failures = Vec::new();
        for skipped in 0..attempts {
            let Some((&provider, others)) =
                options.providers.order.get(skipped..).and_then(<[_]>::split_first)
            else {
                break;
            };
            progress(provider);
            match open_on(runtime, path, provider, others, options)? {
                Ok((session, mut others)) => {
                    failures.append(&mut others);
                    return Self::with_input(session, path, input, provider, failures);
                }
                Err(failure) => failures.push(failure),
            }
        }
        Err(DetectorError::Providers { path: path.to_owned(), failures })
    }

    fn with_input(
        session: Session,
        path: &Path,
        input: &InputSpec,
        provider: Provider,
        failures: Vec<ProviderFailure>,
    ) -> Result<Self, DetectorError> {
        let shape = input.shape();
        check_input(session.inputs(), &shape, path)?;
        check_output_names(session.outputs(), path)?;
        let elements = shape.iter().product::<i64>();
        let data = vec![0f32; usize::try_from(elements).unwrap_or(0)];
        let tensor = Tensor::from_array((shape.to_vec(), data))
            .map_err(|error| DetectorError::Session { path: path.to_owned(), message: error.to_string() })?;
        let output_names = session.outputs().iter().map(|output| output.name().to_owned()).collect();
        Ok(Self { session, input: tensor.into(), output_names, provider, failures })
    }

    /// The input tensor's elements.
    pub(crate) fn input_mut(&mut self) -> Result<&mut [f32], String> {
        let SessionInputValue::Owned(value) = &mut self.input else {
            return Err("the input tensor is gone".to_owned());
        };
        let (_, data) = value.try_extract_tensor_mut::<f32>().map_err(|error| error.to_string())?;
        Ok(data)
    }

    /// Runs the model on the input tensor and hands its outputs, in the model's order, to `read`. Outputs that are not
    /// float32 are handed over empty.
    pub(crate) fn run<T>(&mut self, read: impl FnOnce(&[TensorView<'_>]) -> T) -> Result<T, String> {
        let inputs = SessionInputs::<0>::ValueSlice(std::slice::from_ref(&self.input));
        let outputs = self.session.run(inputs).map_err(|error| error.to_string())?;
        let mut views = [TensorView::default(); MAX_OUTPUTS];
        for (view, name) in views.iter_mut().zip(&self.output_names) {
            let Some(value) = outputs.get(name) else { continue };
            if let Ok((shape, data)) = value.try_extract_tensor::<f32>() {
                *view = TensorView { shape, data };
            }
        }
        Ok(read(views.get(..self.output_names.len()).unwrap_or(&views)))
    }

    /// Names and real shapes of the outputs, from a run.
    pub(crate) fn probe_outputs(&mut self) -> Result<Vec<OutputInfo>, String> {
        let declared: Vec<_> = self.session.outputs().iter().map(describe_output).collect();
        self.run(|views| {
            let real = |(mut info, view): (OutputInfo, &TensorView<'_>)| {
                if info.is_f32 {
                    info.shape = view.shape.to_vec();
                }
                info
            };
            declared.into_iter().zip(views).map(real).collect()
        })
    }
}

/// A session, and the failures of the providers that would have supported it.
type Opened = (Session, Vec<ProviderFailure>);

/// Opens the session on `provider`, with `others` for the operators that it lacks. The inner error is a provider's
/// failure, the outer one the model's.
fn open_on(
    runtime: &Runtime,
    path: &Path,
    provider: Provider,
    others: &[Provider],
    options: &SessionOptions,
) -> Result<Result<Opened, ProviderFailure>, DetectorError> {
    library::clear_complaints();
    let refused = |message: String| DetectorError::Session { path: path.to_owned(), message };
    let mut builder = configured(runtime, options).map_err(refused)?;

    let must_all = options.providers.fallback == Fallback::Require;
    let mut failures = Vec::new();
    for (index, listed) in std::iter::once(&provider).chain(others).enumerate() {
        let Err(error) = dispatch(*listed, options).register(&mut builder) else { continue };
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

pub(super) fn configured(runtime: &Runtime, options: &SessionOptions) -> Result<SessionBuilder, String> {
    let text = |error: ort::Error<SessionBuilder>| error.message().to_owned();
    SessionBuilder::new(&runtime.environment)
        .map_err(|error| error.to_string())?
        .with_optimization_level(GraphOptimizationLevel::All)
        .map_err(text)?
        .with_intra_threads(options.intra_op_threads)
        .map_err(text)?
        .with_intra_op_spinning(options.spinning)
        .map_err(text)?
        .with_deterministic_compute(true)
        .map_err(text)
}

pub(super) fn dispatch(provider: Provider, options: &SessionOptions) -> ExecutionProviderDispatch {
    match provider {
        Provider::Cpu => CPU::default().build(),
        Provider::Cuda => CUDA::default().with_device_id(options.device_id).build(),
        Provider::TensorRt => {
            let trt = TensorRT::default().with_device_id(options.device_id).with_fp16(options.tensorrt_fp16);
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
pub(super) fn with_complaints(message: &str) -> String {
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

/// The model has one float32 input, and each of its dimensions is free or as in the manifest.
pub(super) fn check_input(inputs: &[Outlet], shape: &[i64], path: &Path) -> Result<(), DetectorError> {
    let fits = |found: &[i64]| {
        found.len() == shape.len()
            && found.iter().zip(shape).all(|(found, wanted)| *found < 0 || found == wanted)
    };
    if let [only] = inputs
        && let ValueType::Tensor { ty: TensorElementType::Float32, shape: found, .. } = only.dtype()
        && fits(found)
    {
        return Ok(());
    }
    let describe = |input: &Outlet| format!("`{}` {}", input.name(), type_text(input.dtype()));
    let found = if inputs.is_empty() {
        "no input".to_owned()
    } else {
        inputs.iter().map(describe).collect::<Vec<_>>().join(", ")
    };
    Err(DetectorError::Input {
        path: path.to_owned(),
        expected: format!("one input of float32 {} (the manifest's `input`)", shape_text(shape)),
        found,
    })
}

fn check_output_names(outputs: &[Outlet], path: &Path) -> Result<(), DetectorError> {
    let refuse = |message: String| Err(DetectorError::Session { path: path.to_owned(), message });
    if outputs.len() > MAX_OUTPUTS {
        return refuse(format!("expected at most {MAX_OUTPUTS} outputs, found {}", outputs.len()));
    }
    // `ort` panics when an output without a name is asked for
    if outputs.iter().any(|output| output.name().is_empty()) {
        return refuse("expected a name for every output, found one without".to_owned());
    }
    Ok(())
}

fn describe_output(output: &Outlet) -> OutputInfo {
    let name = output.name().to_owned();
    match output.dtype() {
        ValueType::Tensor { ty, shape, .. } => {
            OutputInfo { name, shape: shape.to_vec(), is_f32: *ty == TensorElementType::Float32 }
        }
        _ => OutputInfo { name, shape: Vec::new(), is_f32: false },
    }
}

fn type_text(dtype: &ValueType) -> String {
    match dtype {
        ValueType::Tensor { ty, shape, .. } => format!("{ty:?} {}", shape_text(shape)).to_lowercase(),
        other => format!("{other:?}"),
    }
}
