//! The model's session with its input and outputs bound to memory on the GPU.
#![allow(unsafe_code, reason = "ONNX Runtime is given our memory on the GPU by address")]

use std::ffi::CString;
use std::mem::ManuallyDrop;

use half::f16;
use ort::AsPointer;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, NoSelectedOutputs, RunOptions, Session};
use ort::value::{Outlet, Shape, TensorElementType, TensorRefMut, ValueType};

use crate::detector::decode::OutputInfo;
use crate::detector::manifest::InputSpec;
use crate::detector::session::takes_batches;

use super::outputs::OutputShape;
use crate::gpu;

/// A session, and a binding for every number of images that it is run on.
pub(super) struct BoundSession {
    bindings: Vec<Binding>,
    /// Dropped after the bindings.
    session: ManuallyDrop<Session>,
    /// Of the GPU, as the session's provider knows it.
    memory: MemoryInfo<'static>,
    spec: InputSpec,
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

impl Drop for BoundSession {
    fn drop(&mut self) {
        let _turn = gpu::with_others();
        self.bindings.clear();
        // SAFETY: it is dropped here alone, and not used after.
        unsafe { ManuallyDrop::drop(&mut self.session) };
    }
}

impl BoundSession {
    pub(super) fn new(session: Session, memory: MemoryInfo<'static>, spec: &InputSpec) -> Self {
        Self { bindings: Vec::new(), session: ManuallyDrop::new(session), memory, spec: spec.clone() }
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
    /// host. `input` is the input's place on the GPU.
    pub(super) fn probe(&mut self, input: u64) -> Result<Vec<OutputShape>, String> {
        let text = |error: ort::Error| error.to_string();
        let mut binding = self.session.create_binding().map_err(text)?;
        let half = self.input_is_half()?;
        bind_input(&mut binding, &self.session, &self.memory, &self.spec, 1, input, half)?;
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

    /// Binds the session for 1 to `batch` images, whose input lies at `input` and whose outputs lie at `outputs`.
    pub(super) fn bind(
        &mut self,
        input: u64,
        outputs: &[u64],
        shapes: &[OutputShape],
        batch: usize,
    ) -> Result<(), String> {
        let text = |error: ort::Error| error.to_string();
        let half = self.input_is_half()?;
        for images in 1..=batch {
            let mut binding = self.session.create_binding().map_err(text)?;
            bind_input(&mut binding, &self.session, &self.memory, &self.spec, images, input, half)?;
            for (of, address) in shapes.iter().zip(outputs) {
                let mut shape = of.info.shape.clone();
                if let (Some(first), true) = (shape.first_mut(), batch > 1) {
                    *first = images as i64;
                }
                let (shape, address) = (Shape::new(shape), *address as *mut _);
                let name = of.info.name.as_str();
                // SAFETY: the buffer holds `batch` images of this shape and type (`DeviceOutputs::new`), and the engine
                // drops the session and its bindings before the buffers.
                unsafe {
                    if of.half {
                        let tensor = TensorRefMut::<f16>::from_raw(self.memory.clone(), address, shape)
                            .map_err(text)?;
                        binding.bind_output(name, tensor).map_err(text)?;
                    } else {
                        let tensor = TensorRefMut::<f32>::from_raw(self.memory.clone(), address, shape)
                            .map_err(text)?;
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
            bind_in_place(binding, input.name(), tensor.ptr())
        } else {
            let tensor = TensorRefMut::<f32>::from_raw(memory.clone(), address, shape).map_err(text)?;
            bind_in_place(binding, input.name(), tensor.ptr())
        }
    }
}

/// Binds an input to the very memory that `value` describes; `IoBinding::bind_input` would bind a copy of it.
///
/// # Safety
/// `value` is a living tensor. ONNX Runtime keeps a reference to it of its own; the memory must outlive the binding.
unsafe fn bind_in_place(
    binding: &mut IoBinding,
    name: &str,
    value: *const ort::sys::OrtValue,
) -> Result<(), String> {
    let name = CString::new(name).map_err(|error| error.to_string())?;
    // SAFETY: binding and name are alive, and so is the value, as the caller says. The status is taken over at once.
    unsafe {
        let status = (ort::api().BindInput)(binding.ptr_mut(), name.as_ptr(), value);
        ort::Error::<()>::result_from_status(status).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::library;
    use crate::detector::model::runtime_is_missing;
    use crate::detector::session::{SessionOptions, configured};
    use crate::detector::test_onnx::ConstantModel;

    /// The CPU's memory stands in for the GPU's.
    #[test]
    fn a_bound_session_reads_and_writes_the_memory_it_was_given() {
        if runtime_is_missing() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("toy.onnx");
        let mut model = ConstantModel::new(&[1, 3, 4, 4]).output("o", &[1, 2, 6], vec![0.5; 12]);
        model.echo = true;
        model.write(&path);
        let runtime = library::runtime().unwrap();
        let session =
            configured(&runtime, &SessionOptions::default()).unwrap().commit_from_file(&path).unwrap();
        let memory = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::Default);
        let spec = crate::detector::device::tests::spec(4, 4);
        let mut session = BoundSession::new(session, memory.unwrap(), &spec);
        let mut input = vec![1f32; 48];
        let address = input.as_mut_ptr() as u64;
        assert!(!session.input_is_half().unwrap() && !session.batch_is_free());
        let shapes = session.probe(address).unwrap();
        let found: Vec<_> = shapes.iter().map(|shape| shape.info.shape.as_slice()).collect();
        assert_eq!(found, [&[1, 2, 6][..], &[1, 3, 4, 4]]);
        let mut outputs = [vec![0f32; 12], vec![0f32; 48]];
        let bases: Vec<_> = outputs.iter_mut().map(|output| output.as_mut_ptr() as u64).collect();
        session.bind(address, &bases, &shapes, 1).unwrap();
        for value in [2f32, 3.0] {
            // through the address that was bound
            input.fill(value);
            session.run(1).unwrap();
            assert_eq!((outputs[0][11], outputs[1][0], outputs[1][47]), (0.5, value, value));
        }
        assert!(session.run(2).unwrap_err().contains("expected 1 to 1"));
    }
}
