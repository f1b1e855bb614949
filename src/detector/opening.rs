//! Bringing a model up: on the first provider that takes enough of it, and in the engine that it gets there, on the GPU with
//! everything around it or in the host's memory.

use std::sync::Arc;

use crate::gpu::{self, Gpu};

use super::decode::{DecodeContext, Decoder};
use super::device::DeviceEngine;
use super::engine::{Engine, HostEngine};
use super::error::ProviderFailure;
use super::library::Runtime;
use super::manifest::ModelManifest;
use super::session::{
    self, ComputeStream, GpuPath, HostSession, ModelFile, Opened, Refused, SessionOptions, Settled,
};
use super::{DetectorError, Fallback, LoadPhase, Provider};

/// A model that has run once.
pub(super) struct Up {
    pub(super) engine: Engine,
    pub(super) decoder: Decoder,
    /// What computes.
    pub(super) provider: Provider,
    /// Why others of the list do not.
    pub(super) failures: Vec<ProviderFailure>,
    pub(super) settled: Settled,
    /// The GPU on which frames are prepared and candidates picked.
    pub(super) gpu: Option<String>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

/// Why a session that came up is not used.
enum Refusal {
    /// The model itself is to blame.
    Model(DetectorError),
    /// The provider takes too little of it.
    Provider(ProviderFailure),
    /// It cannot be used with everything else on the GPU.
    GpuPath(String),
}

impl From<DetectorError> for Refusal {
    fn from(error: DetectorError) -> Self {
        Self::Model(error)
    }
}

/// Opens the model and runs it once, on the first provider that takes enough of it. Where the GPU path is not required, its
/// failure is a note, and frames are prepared on the CPU.
pub(super) fn bring_up(
    runtime: &Runtime,
    manifest: &ModelManifest,
    file: &ModelFile<'_>,
    options: &SessionOptions,
    progress: &mut dyn FnMut(LoadPhase),
) -> Result<Up, DetectorError> {
    let required = |reason| DetectorError::GpuPath { path: file.path.to_owned(), reason };
    let mut options = options.clone();
    let (mut failures, mut notes) = (Vec::new(), Vec::new());
    let wanted = wants_gpu(&options);
    let _alone = wanted.then(gpu::alone);
    let mut on_gpu = match wanted.then(|| Gpu::open(options.device_id)).transpose() {
        Ok(gpu) => gpu.map(Arc::new),
        Err(error) if options.gpu_path == GpuPath::Require => return Err(required(error.to_string())),
        Err(error) => {
            notes.push(on_the_cpu(&error.to_string()));
            None
        }
    };
    loop {
        let stream = on_gpu.as_ref().map(|gpu| ComputeStream(gpu.stream_address()));
        let opened = session::open(runtime, file, &options, stream, progress);
        // also where another provider would take over
        let refused = match &opened {
            Ok(opened) => opened.failures.as_slice(),
            Err(DetectorError::Providers { failures, .. }) => failures,
            Err(_) => &[],
        };
        let is_captured = stream.is_some() && options.cuda_graph;
        if let Some(failure) = refused.iter().find(|failure| is_captured && blames_the_graph(failure)) {
            notes.push(no_graph(failure));
            options.cuda_graph = false;
            continue;
        }
        let mut opened = match opened {
            Err(DetectorError::Providers { path, failures: mut others }) => {
                failures.append(&mut others);
                return Err(DetectorError::Providers { path, failures });
            }
            opened => opened?,
        };
        progress(LoadPhase::CheckingOutputs);
        let (provider, mut others) = (opened.provider, std::mem::take(&mut opened.failures));
        others.retain(|failure| !failures.contains(failure));
        let up = match &on_gpu {
            _ if options.gpu_path == GpuPath::Require && !provider.is_gpu() => {
                return Err(required(format!("the model runs on `{provider}`")));
            }
            Some(gpu) if provider.is_gpu() => on_device(opened, gpu, manifest, file, &options),
            _ => on_host(opened, manifest, file, &options),
        };
        match up {
            Ok(mut up) => {
                failures.extend(others);
                if provider == Provider::Cpu {
                    // nothing on a GPU is missed then
                    notes.clear();
                }
                (up.failures, up.notes) = (failures, notes);
                return Ok(up);
            }
            Err(Refusal::Model(error)) if options.channels_last && provider == Provider::Cuda => {
                // what is wrong with the model itself is wrong without it, too
                notes.push(not_channels_last(&error));
                options.channels_last = false;
            }
            Err(Refusal::GpuPath(reason)) if options.channels_last && provider == Provider::Cuda => {
                notes.push(not_channels_last(&reason));
                options.channels_last = false;
            }
            Err(Refusal::Model(error)) => return Err(error),
            Err(Refusal::GpuPath(reason)) if options.cuda_graph => {
                notes.push(no_graph(&reason));
                options.cuda_graph = false;
            }
            Err(Refusal::GpuPath(reason)) if options.gpu_path == GpuPath::Require => {
                return Err(required(reason));
            }
            Err(Refusal::GpuPath(reason)) => {
                notes = vec![on_the_cpu(&reason)];
                on_gpu = None;
            }
            Err(Refusal::Provider(failure)) => {
                failures.extend(others);
                failures.push(failure);
                // those before it have been tried
                let tried = options.providers.order.iter().position(|listed| *listed == provider);
                options.providers.order.drain(..=tried.unwrap_or(0));
                if options.providers.fallback == Fallback::Require || options.providers.order.is_empty() {
                    return Err(DetectorError::Providers { path: file.path.to_owned(), failures });
                }
            }
        }
    }
}

/// Whether frames are to be prepared on a GPU.
fn wants_gpu(options: &SessionOptions) -> bool {
    match options.gpu_path {
        GpuPath::Off => false,
        GpuPath::Require => true,
        GpuPath::Auto => options.providers.order.first().is_some_and(|first| first.is_gpu()),
    }
}

fn on_host(
    opened: Opened,
    manifest: &ModelManifest,
    file: &ModelFile<'_>,
    options: &SessionOptions,
) -> Result<Up, Refusal> {
    let host = HostSession::new(opened.session, file.path, &manifest.input, options.max_batch)?;
    let mut engine = Engine::Host(HostEngine::new(host, &manifest.input));
    let decoder = bind(manifest, &mut engine)?;
    let settled = match opened.first_run.finish(engine.session_mut()) {
        Ok(settled) => settled,
        Err(refused) => return Err(refused_after(engine, refused)),
    };
    let (failures, notes) = (Vec::new(), Vec::new());
    Ok(Up { engine, decoder, provider: opened.provider, failures, settled, gpu: None, notes })
}

fn on_device(
    opened: Opened,
    gpu: &Arc<Gpu>,
    manifest: &ModelManifest,
    file: &ModelFile<'_>,
    options: &SessionOptions,
) -> Result<Up, Refusal> {
    let Opened { session, provider, device_memory, first_run, .. } = opened;
    session::check_device_input(session.inputs(), file.input_shape, file.path)?;
    session::check_output_names(session.outputs(), file.path)?;
    let memory = device_memory
        .ok_or_else(|| Refusal::GpuPath(format!("`{provider}` does not say where its memory is")))?;
    let of = |reason: String| Refusal::GpuPath(reason);
    let mut device =
        DeviceEngine::new(session, Arc::clone(gpu), memory, &manifest.input, options).map_err(of)?;
    let settled = match first_run.finish(device.session_mut()) {
        Ok(settled) => settled,
        Err(refused) => return Err(refused_after(device, refused)),
    };
    if let Err(reason) = device.bind() {
        // the session goes before the folder of its engine
        drop(device);
        return Err(Refusal::GpuPath(reason));
    }
    let gpu = Some(device.gpu_name());
    let mut engine = Engine::Device(Box::new(device));
    let decoder = bind(manifest, &mut engine)?;
    Ok(Up { engine, decoder, provider, failures: Vec::new(), settled, gpu, notes: Vec::new() })
}

/// Drops the session before the folder of its engine.
fn refused_after<E>(engine: E, refused: Refused) -> Refusal {
    drop(engine);
    drop(refused.lease);
    Refusal::Provider(refused.failure)
}

/// Binds the decoder to the outputs of a first run, on a tensor of zeros.
fn bind(manifest: &ModelManifest, engine: &mut Engine) -> Result<Decoder, DetectorError> {
    let failed = |message| DetectorError::Inference { name: manifest.name.clone(), message };
    let path = manifest.model_path();
    let context = DecodeContext {
        path: &path,
        spec: &manifest.decoder,
        input: &manifest.input,
        class_count: manifest.class_names().len(),
    };
    let outputs = engine.probe_outputs().map_err(failed)?;
    let decoder = Decoder::bind(&context, &outputs)?;
    engine.read_for(&decoder).map_err(failed)?;
    engine.check_scores(&decoder).map_err(failed)??;
    Ok(decoder)
}

/// ONNX Runtime's words where a session cannot be captured.
fn blames_the_graph(failure: &ProviderFailure) -> bool {
    failure.message.contains("graph capture")
}

fn no_graph(reason: &impl std::fmt::Display) -> String {
    format!("the model is not replayed as a CUDA graph: {reason}")
}

fn not_channels_last(reason: &impl std::fmt::Display) -> String {
    format!("convolutions are not computed on channels-last tensors (`channels_last`): {reason}")
}

fn on_the_cpu(reason: &str) -> String {
    format!("frames are prepared and candidates picked on the CPU: {reason}")
}
