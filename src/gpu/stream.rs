//! One GPU with one stream, on which everything happens in order.
#![allow(unsafe_code, reason = "work is queued through the driver's C interface, by address")]

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use cudarc::driver::{CudaContext, CudaFunction, CudaStream, result, sys};

use super::error::During;
use super::kernels::{Kernels, PickParameters, PrepareParameters};
use super::{DeviceBuffer, GpuError, PinnedBuffer, compile};

/// Threads of a block along x and y, for pixels.
const TILE: (u32, u32) = (32, 8);
/// Threads of a block, for rows of outputs.
const ROWS: u32 = 128;

/// A GPU, a stream of its own, and our kernels.
#[derive(Debug)]
pub(crate) struct Gpu {
    kernels: Kernels,
    stream: Arc<CudaStream>,
    context: Arc<CudaContext>,
}

impl Gpu {
    /// Opens GPU number `device_id` and compiles the kernels for it.
    pub(crate) fn open(device_id: i32) -> Result<Self, GpuError> {
        // SAFETY: loading the driver runs its initialisers; nothing else is called.
        if !unsafe { sys::is_culib_present() } {
            return Err(GpuError::NoDriver);
        }
        let found = CudaContext::device_count().during("counting the GPUs")?;
        let ordinal = usize::try_from(device_id).ok().filter(|ordinal| *ordinal < found.max(0) as usize);
        let ordinal = ordinal.ok_or(GpuError::NoDevice { wanted: device_id, found })?;
        let context = CudaContext::new(ordinal).during("opening the GPU")?;
        let stream = context.new_stream().during("creating a stream")?;
        let capability = context.compute_capability().during("asking for the compute capability")?;
        let code = compile::machine_code(compile::SOURCE, capability)?;
        let kernels = Kernels::load(&context, code)?;
        Ok(Self { kernels, stream, context })
    }

    /// The GPU's name.
    pub(crate) fn name(&self) -> String {
        self.context.name().unwrap_or_else(|_| "unknown GPU".to_owned())
    }

    /// The stream's address, for ONNX Runtime.
    pub(crate) fn stream_address(&self) -> usize {
        self.stream.cu_stream() as usize
    }

    /// Makes this GPU the calling thread's; needed once on every thread that queues work.
    pub(crate) fn bind(&self) -> Result<(), GpuError> {
        self.context.bind_to_thread().during("using the GPU's context")
    }

    /// Memory on the GPU.
    pub(crate) fn device_buffer(&self, bytes: usize) -> Result<DeviceBuffer, GpuError> {
        DeviceBuffer::new(&self.context, bytes)
    }

    /// Memory of the host that the GPU copies by itself.
    pub(crate) fn pinned_buffer(&self, bytes: usize) -> Result<PinnedBuffer, GpuError> {
        PinnedBuffer::new(&self.context, bytes)
    }

    /// Queues a copy of locked bytes to the GPU's `address`. They, and the buffer there, must be left alone until the queue is
    /// through.
    pub(super) fn send(&self, locked: &[u8], address: u64) -> Result<(), GpuError> {
        // SAFETY: `Uploader` gives parts of locked memory, which stays where it is until its buffer is dropped, and of a
        // buffer on the GPU that is as large; both are dropped only after `wait`.
        unsafe { result::memcpy_htod_async(address, locked, self.stream.cu_stream()) }.during("uploading")
    }

    /// Copies `bytes` to the GPU and waits for it; for tables that change rarely.
    pub(crate) fn upload_now(&self, bytes: &[u8], target: &DeviceBuffer) -> Result<(), GpuError> {
        let address = target.at(0, bytes.len()).ok_or_else(|| outside("uploading"))?;
        self.bind()?;
        self.wait()?;
        // SAFETY: the range was checked, and the copy is over when the call returns.
        unsafe { result::memcpy_htod_sync(address, bytes) }.during("uploading")
    }

    /// Queues a copy of `length` bytes at the GPU's `address` to byte `offset` of `target`, which must be left alone until
    /// [`wait`](Self::wait). The address must lie in a buffer that lives until then.
    pub(crate) fn download(
        &self,
        address: u64,
        target: &mut PinnedBuffer,
        offset: usize,
        length: usize,
    ) -> Result<(), GpuError> {
        let range = offset..offset.saturating_add(length);
        let bytes = target.bytes_mut().get_mut(range).ok_or_else(|| outside("downloading"))?;
        // SAFETY: the target's range was checked; the source is one of ours, as the caller sees to.
        unsafe { result::memcpy_dtoh_async(bytes, address, self.stream.cu_stream()) }.during("downloading")
    }

    /// Queues the making of an input tensor.
    pub(crate) fn prepare(&self, parameters: &PrepareParameters) -> Result<(), GpuError> {
        let (width, height) = parameters.input_size();
        let grid = (width.div_ceil(TILE.0), height.div_ceil(TILE.1), 1);
        self.launch(&self.kernels.prepare, grid, (TILE.0, TILE.1, 1), parameters, "preparing the image")
    }

    /// Queues the picking of rows.
    pub(crate) fn pick(&self, parameters: &PickParameters) -> Result<(), GpuError> {
        let grid = (parameters.longest_block().div_ceil(ROWS).max(1), parameters.blocks().max(1), 1);
        self.launch(&self.kernels.pick, grid, (ROWS, 1, 1), parameters, "picking candidates")
    }

    fn launch<P>(
        &self,
        kernel: &CudaFunction,
        grid: (u32, u32, u32),
        block: (u32, u32, u32),
        parameters: &P,
        what: &'static str,
    ) -> Result<(), GpuError> {
        let mut arguments = [std::ptr::from_ref(parameters).cast_mut().cast::<c_void>()];
        // SAFETY: the kernel takes one structure by value, of the layout of `P` (see `kernels`), which is copied before
        // the call returns; the addresses in it are those of living buffers, as their makers see to.
        unsafe {
            result::launch_kernel(
                kernel.cu_function(),
                grid,
                block,
                0,
                self.stream.cu_stream(),
                &mut arguments,
            )
        }
        .during(what)
    }

    /// Waits until everything that was queued is through.
    pub(crate) fn wait(&self) -> Result<(), GpuError> {
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::synchronize(self.stream.cu_stream()) }.during("waiting for the GPU")
    }

    /// A timer of `marks` marks.
    pub(crate) fn timer(&self, marks: usize) -> Result<Timer, GpuError> {
        self.bind()?;
        let mut timer = Timer { events: Vec::new(), context: Arc::clone(&self.context) };
        for _ in 0..marks {
            let flags = sys::CUevent_flags::CU_EVENT_DEFAULT;
            timer.events.push(result::event::create(flags).during("creating an event")?);
        }
        Ok(timer)
    }

    /// Queues a mark: the time when the work before it is through.
    pub(crate) fn mark(&self, timer: &Timer, mark: usize) -> Result<(), GpuError> {
        let Some(event) = timer.events.get(mark) else { return Err(outside("marking")) };
        // SAFETY: event and stream are alive.
        unsafe { result::event::record(*event, self.stream.cu_stream()) }.during("recording an event")
    }
}

/// Times on the GPU's own clock.
#[derive(Debug)]
pub(crate) struct Timer {
    events: Vec<sys::CUevent>,
    context: Arc<CudaContext>,
}

// SAFETY: events may be used by any thread, and only `&mut`-free calls are made on them.
unsafe impl Send for Timer {}

impl Timer {
    /// From one mark to another, both of which are through.
    pub(crate) fn between(&self, from: usize, to: usize) -> Duration {
        let (Some(from), Some(to)) = (self.events.get(from), self.events.get(to)) else {
            return Duration::ZERO;
        };
        // SAFETY: both are alive.
        let milliseconds = unsafe { result::event::elapsed(*from, *to) }.unwrap_or(0.0);
        Duration::from_secs_f64(f64::from(milliseconds.max(0.0)) / 1e3)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = self.context.bind_to_thread();
        for event in self.events.drain(..) {
            // SAFETY: created in `Gpu::timer`, destroyed only here.
            if let Err(error) = unsafe { result::event::destroy(event) } {
                tracing::warn!("an event could not be destroyed: {error}");
            }
        }
    }
}

pub(super) fn outside(what: &'static str) -> GpuError {
    GpuError::Driver { what, reason: "the range does not lie in its buffer".to_owned() }
}
