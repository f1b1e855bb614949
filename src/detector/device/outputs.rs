//! The model's outputs on the GPU, for all slots.

use half::f16;

use crate::detector::decode::{OutputInfo, TensorView};
use crate::detector::engine::Reading;
use crate::gpu::{DeviceBuffer, Gpu, GpuError, PinnedBuffer};

use super::DeviceFailure;
use super::input::element_bytes;

/// One output of the model.
struct DeviceOutput {
    /// Of one image, as the decoder knows it.
    shape: Vec<i64>,
    /// Elements of one image.
    elements: usize,
    half: bool,
    device: DeviceBuffer,
    /// Of one slot; made when it is first needed.
    locked: Option<PinnedBuffer>,
    /// The elements as float32, where they are not that.
    widened: Vec<f32>,
}

/// All outputs, in the model's order.
pub(super) struct DeviceOutputs(Vec<DeviceOutput>);

/// What is known of an output before there is memory for it.
pub(super) struct OutputShape {
    pub(super) info: OutputInfo,
    pub(super) half: bool,
}

impl DeviceOutputs {
    /// Memory for `batch` images. Shapes are those of one image, `(1, …)`.
    pub(super) fn new(gpu: &Gpu, shapes: &[OutputShape], batch: usize) -> Result<Self, GpuError> {
        let output = |of: &OutputShape| {
            let elements: i64 = of.info.shape.iter().product();
            let elements = usize::try_from(elements).unwrap_or(0);
            let device = gpu.device_buffer(batch * elements * element_bytes(of.half))?;
            let shape = of.info.shape.clone();
            Ok(DeviceOutput { shape, elements, half: of.half, device, locked: None, widened: Vec::new() })
        };
        shapes.iter().map(output).collect::<Result<_, GpuError>>().map(Self)
    }

    /// Where each output begins on the GPU.
    pub(super) fn bases(&self) -> Vec<u64> {
        self.0.iter().map(|output| output.device.address()).collect()
    }

    /// Where element `start` of one slot's share of an output lies on the GPU; 0 where there is none.
    pub(super) fn address(&self, output: usize, slot: usize, start: usize) -> u64 {
        let Some(output) = self.0.get(output) else { return 0 };
        let bytes = element_bytes(output.half);
        output.device.at((slot * output.elements + start) * bytes, bytes).unwrap_or(0)
    }

    pub(super) fn is_half(&self, output: usize) -> bool {
        self.0.get(output).is_some_and(|output| output.half)
    }

    /// Queues the copy of one slot's outputs to the host.
    pub(super) fn download(&mut self, gpu: &Gpu, slot: usize) -> Result<(), GpuError> {
        for output in &mut self.0 {
            let bytes = output.elements * element_bytes(output.half);
            let Some(address) = output.device.at(slot * bytes, bytes) else { continue };
            let locked = match &mut output.locked {
                Some(locked) => locked,
                none => none.insert(gpu.pinned_buffer(bytes)?),
            };
            gpu.download(address, locked, 0, bytes)?;
        }
        Ok(())
    }

    /// Reads one slot's outputs as a whole.
    pub(super) fn read_whole(
        &mut self,
        gpu: &Gpu,
        slot: usize,
        reading: &mut Reading<'_>,
    ) -> Result<(), DeviceFailure> {
        self.download(gpu, slot)?;
        gpu.wait()?;
        Ok(self.read(|views| reading.decode(views))?)
    }

    /// Hands the outputs last [downloaded](Self::download) to `read`, after [`Gpu::wait`]. Only one slot's outputs are on
    /// the host at a time.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&[TensorView<'_>]) -> T) -> T {
        for output in &mut self.0 {
            if let (true, Some(locked)) = (output.half, &output.locked) {
                let bytes = locked.bytes().as_chunks::<2>().0;
                output.widened.clear();
                output.widened.extend(bytes.iter().map(|bytes| f16::from_ne_bytes(*bytes).to_f32()));
            }
        }
        let mut views = [TensorView::default(); crate::detector::session::MAX_OUTPUTS];
        for (view, output) in views.iter_mut().zip(&self.0) {
            let data = if output.half {
                output.widened.as_slice()
            } else {
                output.locked.as_ref().map(|locked| locked.floats(0, output.elements)).unwrap_or_default()
            };
            *view = TensorView { shape: &output.shape, data };
        }
        read(views.get(..self.0.len()).unwrap_or(&views))
    }
}
