//! Which engine a model gets: on the GPU with everything around it, or in the host's memory.

use std::path::Path;
use std::sync::Arc;

use crate::gpu::Gpu;

use super::device::DeviceEngine;
use super::engine::{Engine, HostEngine};
use super::error::ProviderFailure;
use super::library::Runtime;
use super::manifest::InputSpec;
use super::session::{self, ComputeStream, GpuPath, HostSession, SessionOptions};
use super::{DetectorError, Provider};

/// An engine that came up.
pub(super) struct Ready {
    pub(super) engine: Engine,
    /// What computes.
    pub(super) provider: Provider,
    /// Why others of the list do not.
    pub(super) failures: Vec<ProviderFailure>,
    /// The GPU on which frames are prepared and candidates picked.
    pub(super) gpu: Option<String>,
    /// What an operator should know.
    pub(super) notes: Vec<String>,
}

/// Opens the model as the options say. Where the GPU path is not required, its failure is a note, and frames are prepared
/// on the CPU.
pub(super) fn open(
    runtime: &Runtime,
    path: &Path,
    input: &InputSpec,
    options: &SessionOptions,
    progress: &mut dyn FnMut(Provider),
) -> Result<Ready, DetectorError> {
    let first_is_cpu = options.providers.order.first() == Some(&Provider::Cpu);
    let mut notes = Vec::new();
    match options.gpu_path {
        GpuPath::Off => {}
        GpuPath::Auto if first_is_cpu => {}
        GpuPath::Auto | GpuPath::Require => {
            let failed = match Gpu::open(options.device_id) {
                Ok(gpu) => match on_gpu(runtime, path, input, options, &Arc::new(gpu), progress)? {
                    Ok(ready) => return Ok(ready),
                    Err(reason) => reason,
                },
                Err(error) => error.to_string(),
            };
            if options.gpu_path == GpuPath::Require {
                return Err(DetectorError::GpuPath { path: path.to_owned(), reason: failed });
            }
            notes.push(format!("frames are prepared and candidates picked on the CPU: {failed}"));
        }
    }
    let opened = session::open(runtime, path, options, None, progress)?;
    let host = HostSession::new(opened.session, path, input, options.max_batch)?;
    if opened.provider == Provider::Cpu {
        // nothing on a GPU is missed then
        notes.clear();
    }
    Ok(Ready {
        engine: Engine::Host(HostEngine::new(host, input)),
        provider: opened.provider,
        failures: opened.failures,
        gpu: None,
        notes,
    })
}

/// The inner error says why the GPU path does not work although the providers may.
fn on_gpu(
    runtime: &Runtime,
    path: &Path,
    input: &InputSpec,
    options: &SessionOptions,
    gpu: &Arc<Gpu>,
    progress: &mut dyn FnMut(Provider),
) -> Result<Result<Ready, String>, DetectorError> {
    let stream = ComputeStream(gpu.stream_address());
    let mut notes = Vec::new();
    let mut options = options.clone();
    loop {
        let opened = match session::open(runtime, path, &options, Some(stream), progress) {
            Ok(opened) => opened,
            Err(error) if options.cuda_graph && error.to_string().contains("graph capture") => {
                notes.push(no_graph(&error.to_string()));
                options.cuda_graph = false;
                continue;
            }
            Err(error) => return Err(error),
        };
        if opened.provider == Provider::Cpu {
            return Ok(Err(format!("the model runs on `{}`", opened.provider)));
        }
        session::check_device_input(opened.session.inputs(), &input.shape(), path)?;
        session::check_output_names(opened.session.outputs(), path)?;
        let gpu = Arc::clone(gpu);
        match DeviceEngine::new(opened.session, gpu, options.device_id, input, options.max_batch) {
            Ok(device) => {
                let gpu = Some(device.gpu_name());
                let engine = Engine::Device(Box::new(device));
                return Ok(Ok(Ready {
                    engine,
                    provider: opened.provider,
                    failures: opened.failures,
                    gpu,
                    notes,
                }));
            }
            Err(reason) if options.cuda_graph => {
                notes.push(no_graph(&reason));
                options.cuda_graph = false;
            }
            Err(reason) => return Ok(Err(reason)),
        }
    }
}

fn no_graph(reason: &str) -> String {
    format!("the model is not replayed as a CUDA graph: {reason}")
}
