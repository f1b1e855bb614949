//! The model's session with its input and outputs bound to memory on the GPU.
#![allow(unsafe_code, reason = "ONNX Runtime is given our memory on the GPU by address")]

use half::f16;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::{Outlet, Shape, TensorElementType, TensorRefMut, ValueType};

use crate::detector::decode::OutputInfo;
use crate::detector::manifest::InputSpec;
use crate::detector::session::takes_batches;

use super::outputs::{DeviceOutputs, OutputShape};

/// A session, and a binding for every number of images that it is run on.
pub(super) struct BoundSession {
    // dropped first
    bindings: Vec<Binding>,
    session: Session,
}

/// Fixed addresses for one number of images, so that the run can be captured as a graph.
struct Binding {
    binding: IoBinding,
    options: RunOptions<NoSelectedOutputs>,
}

/// Element type of an input or output that the GPU's kernels can handle.
fn is_half(outlet: &Outlet) -> Result<bool, String> {
    match outlet.dtype() {
        ValueType::Tensor { ty: TensorElementType::Float32, .. } => Ok(false),
        ValueType::Tensor { ty: TensorElementType::Float16, .. } => Ok(true),
        other => Err(format!(
            "`{}` is {other}, and only float32 and float16 are handled on the GPU",
            outlet.name()
        )),
    }
}

/// The memory of GPU number `device_id`.
pub(super) fn device_memory(device_id: i32) -> Result<MemoryInfo<'static>, String> {
    MemoryInfo::new(AllocationDevice::CUDA, device_id, AllocatorType::Device, MemoryType::Default)
        .map_err(|error| error.to_string())
}

impl BoundSession {
    pub(super) fn new(session: Session) -> Self {
        Self { bindings: Vec::new(), session }
    }

    /// Whether the input is float16, else float32.
    pub(super) fn input_is_half(&self) -> Result<bool, String> {
        match self.session.inputs() {
            [only] => is_half(only),
            others => Err(format!("expected one input, found {}", others.len())),
        }
    }

    /// Whether the input takes any number of images.
    pub(super) fn batch_is_free(&self) -> bool {
        takes_batches(self.session.inputs())
    }

    /// Names, shapes and element types of the outputs for one image, from a run whose outputs ONNX Runtime brings to the
    /// host. `input` is the input's place on `memory`.
    pub(super) fn probe(
        &mut self,
        memory: &MemoryInfo<'static>,
        spec: &InputSpec,
        input: u64,
    ) -> Result<Vec<OutputShape>, String> {
        let text = |error: ort::Error| error.to_string();
        let mut binding = self.session.create_binding().map_err(text)?;
        let half = self.input_is_half()?;
        bind_input(&mut binding, &self.session, memory, spec, 1, input, half)?;
        let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput)
            .map_err(text)?;
        for output in self.session.outputs() {
            binding.bind_output_to_device(output.name(), &host).map_err(text)?;
        }
        let mut shapes = Vec::new();
        for output in self.session.outputs() {
            let info = OutputInfo { name: output.name().to_owned(), shape: Vec::new(), is_f32: true };
            shapes.push(OutputShape { info, half: is_half(output)? });
        }
        let mut options = RunOptions::new().map_err(text)?;
        // not captured: these outputs lie elsewhere at every run
        options.set("gpu_graph_id", "-1").map_err(text)?;
        let outputs = self.session.run_binding_with_options(&binding, &options).map_err(text)?;
        for of in &mut shapes {
            if let Some(value) = outputs.get(&of.info.name) {
                of.info.shape = value.shape().to_vec();
            }
        }
        Ok(shapes)
    }

    /// Binds the session for 1 to `batch` images, whose input lies at `input` and whose outputs are `outputs`.
    pub(super) fn bind(
        &mut self,
        memory: &MemoryInfo<'static>,
        spec: &InputSpec,
        input: u64,
        outputs: &DeviceOutputs,
        shapes: &[OutputShape],
        batch: usize,
    ) -> Result<(), String> {
        let text = |error: ort::Error| error.to_string();
        let half = self.input_is_half()?;
        for images in 1..=batch {
            let mut binding = self.session.create_binding().map_err(text)?;
            bind_input(&mut binding, &self.session, memory, spec, images, input, half)?;
            for (index, of) in shapes.iter().enumerate() {
                let mut shape = of.info.shape.clone();
                if let (Some(first), true) = (shape.first_mut(), batch > 1) {
                    *first = images as i64;
                }
                let (shape, address) = (Shape::new(shape), outputs.base(index) as *mut _);
                let name = of.info.name.as_str();
                // SAFETY: the buffer holds `batch` images of this shape and type (`DeviceOutputs::new`), and the engine
                // drops the session and its bindings before the buffers.
                unsafe {
                    if of.half {
                        let tensor =
                            TensorRefMut::<f16>::from_raw(memory.clone(), address, shape).map_err(text)?;
                        binding.bind_output(name, tensor).map_err(text)?;
                    } else {
                        let tensor =
                            TensorRefMut::<f32>::from_raw(memory.clone(), address, shape).map_err(text)?;
                        binding.bind_output(name, tensor).map_err(text)?;
                    }
                }
            }
            let mut options = RunOptions::new().map_err(text)?;
            options.set("gpu_graph_id", images.to_string()).map_err(text)?;
            // what follows is queued on the same stream, so nobody has to wait here
            options.disable_device_sync().map_err(text)?;
            self.bindings.push(Binding { binding, options });
        }
        Ok(())
    }

    /// Queues a run on the first `images` images.
    pub(super) fn run(&mut self, images: usize) -> Result<(), String> {
        let Some(Binding { binding, options }) = images.checked_sub(1).and_then(|i| self.bindings.get(i))
        else {
            return Err(format!("expected 1 to {} images, found {images}", self.bindings.len()));
        };
        self.session.run_binding_with_options(binding, options).map(drop).map_err(|error| error.to_string())
    }

    /// The session, for what happens to it after its first run.
    pub(super) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

fn bind_input(
    binding: &mut IoBinding,
    session: &Session,
    memory: &MemoryInfo<'static>,
    spec: &InputSpec,
    images: usize,
    address: u64,
    half: bool,
) -> Result<(), String> {
    let text = |error: ort::Error| error.to_string();
    let [input] = session.inputs() else { return Err("expected one input".to_owned()) };
    let mut shape = spec.shape();
    shape[0] = images as i64;
    let shape = Shape::new(shape);
    let address = address as *mut _;
    // SAFETY: the buffer holds as many images of this shape and type (`DeviceInput::new`), and the engine drops the session
    // and its bindings before the buffer.
    unsafe {
        if half {
            let tensor = TensorRefMut::<f16>::from_raw(memory.clone(), address, shape).map_err(text)?;
            binding.bind_input(input.name(), &*tensor).map_err(text)
        } else {
            let tensor = TensorRefMut::<f32>::from_raw(memory.clone(), address, shape).map_err(text)?;
            binding.bind_input(input.name(), &*tensor).map_err(text)
        }
    }
}
