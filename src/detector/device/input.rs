//! From an image in the host's memory to its slot of the input tensor on the GPU.

use crate::detector::fit::Fit;
use crate::detector::manifest::{Colour, InputSpec, Layout};
use crate::detector::normalise::Normalisation;
use crate::gpu::{DeviceBuffer, Gpu, GpuError, PinnedBuffer, PrepareParameters, ResizeKind, Tap, Uploader};
use crate::image::{ChannelOrder, PixelView};

use super::resize::ResizeTables;

/// The tensor of all slots, and what is needed to fill them.
pub(super) struct DeviceInput {
    spec: InputSpec,
    normalisation: Normalisation,
    half_precision: bool,
    tensor: DeviceBuffer,
    slots: Vec<Slot>,
    uploader: Uploader,
}

/// One image's way to the GPU. Buffers grow with the largest image.
struct Slot {
    locked: PinnedBuffer,
    image: DeviceBuffer,
    /// Tables for images of one size.
    tables: Option<(Fit, Tables)>,
}

/// Resize tables on the GPU.
struct Tables {
    kind: ResizeKind,
    columns: DeviceBuffer,
    rows: DeviceBuffer,
    column_weights: DeviceBuffer,
    row_weights: DeviceBuffer,
}

impl DeviceInput {
    /// A tensor of `batch` images, float16 or float32.
    pub(super) fn new(
        gpu: &Gpu,
        spec: &InputSpec,
        batch: usize,
        half_precision: bool,
        uploader: Uploader,
    ) -> Result<Self, GpuError> {
        let slot = |_| Ok(Slot { locked: gpu.pinned_buffer(1)?, image: gpu.device_buffer(1)?, tables: None });
        let bytes = batch * 3 * spec.width as usize * spec.height as usize * element_bytes(half_precision);
        Ok(Self {
            spec: spec.clone(),
            normalisation: Normalisation::new(spec.mean, spec.std),
            half_precision,
            tensor: gpu.device_buffer(bytes)?,
            slots: (0..batch).map(slot).collect::<Result<_, GpuError>>()?,
            uploader,
        })
    }

    /// The tensor's place on the GPU.
    pub(super) fn address(&self) -> u64 {
        self.tensor.address()
    }

    /// Copies the image to the GPU, chunk by chunk. The copies are queued when this returns.
    pub(super) fn upload(&mut self, gpu: &Gpu, slot: usize, image: &PixelView<'_>) -> Result<Fit, GpuError> {
        let fit = Fit::new(&self.spec, image.width(), image.height());
        let Some(slot) = self.slots.get_mut(slot) else { return Ok(fit) };
        let data = image.data();
        if slot.locked.bytes().len() < data.len() {
            gpu.wait()?;
            slot.locked = gpu.pinned_buffer(data.len())?;
            slot.image = gpu.device_buffer(data.len())?;
        }
        if slot.tables.as_ref().is_none_or(|(of, _)| *of != fit) {
            gpu.wait()?;
            slot.tables = Some((fit, Tables::new(gpu, &fit, &self.spec)?));
        }
        self.uploader.upload(gpu, data, &mut slot.locked, &slot.image)?;
        Ok(fit)
    }

    /// Queues the making of the tensor's part from an uploaded image. `header` is set to zero on the way, if it is not 0.
    pub(super) fn prepare(
        &self,
        gpu: &Gpu,
        slot_index: usize,
        image: &PixelView<'_>,
        header: u64,
    ) -> Result<(), GpuError> {
        let Some((slot, (fit, tables))) =
            self.slots.get(slot_index).and_then(|slot| Some((slot, slot.tables.as_ref()?)))
        else {
            return Ok(());
        };
        let elements = 3 * self.spec.width as usize * self.spec.height as usize;
        let bytes = elements * element_bytes(self.half_precision);
        let Some(target) = self.tensor.at(slot_index * bytes, bytes) else { return Ok(()) };
        let places = Places {
            source: slot.image.address(),
            columns: tables.columns.address(),
            rows: tables.rows.address(),
            column_weights: tables.column_weights.address(),
            row_weights: tables.row_weights.address(),
            target,
            header,
        };
        gpu.prepare(&parameters(
            &self.spec,
            &self.normalisation,
            self.half_precision,
            fit,
            tables.kind,
            image,
            &places,
        ))
    }

    /// The tensor of the first slot as the GPU holds it, for tests.
    #[cfg(test)]
    pub(super) fn read_first(&self, gpu: &Gpu) -> Result<Vec<f32>, GpuError> {
        let elements = 3 * self.spec.width as usize * self.spec.height as usize;
        let mut locked = gpu.pinned_buffer(elements * 4)?;
        gpu.download(self.tensor.address(), &mut locked, 0, elements * 4)?;
        gpu.wait()?;
        Ok(locked.floats(0, elements).to_vec())
    }
}

impl Tables {
    fn new(gpu: &Gpu, fit: &Fit, spec: &InputSpec) -> Result<Self, GpuError> {
        let tables = ResizeTables::new(fit.source_size(), fit.size(), spec.interpolation);
        let of_taps = |taps: &[Tap]| -> Vec<u8> {
            let words = taps.iter().flat_map(|tap| [tap.first, tap.count, tap.weight_a, tap.weight_b]);
            words.flat_map(i32::to_ne_bytes).collect()
        };
        let of_weights =
            |weights: &[f32]| -> Vec<u8> { weights.iter().flat_map(|weight| weight.to_ne_bytes()).collect() };
        let upload = |bytes: Vec<u8>| {
            let buffer = gpu.device_buffer(bytes.len())?;
            gpu.upload_now(&bytes, &buffer)?;
            Ok(buffer)
        };
        Ok(Self {
            kind: tables.kind,
            columns: upload(of_taps(&tables.columns))?,
            rows: upload(of_taps(&tables.rows))?,
            column_weights: upload(of_weights(&tables.column_weights))?,
            row_weights: upload(of_weights(&tables.row_weights))?,
        })
    }
}

pub(super) fn element_bytes(half_precision: bool) -> usize {
    if half_precision { 2 } else { 4 }
}

/// Where the kernel finds what it reads and puts what it writes.
pub(super) struct Places {
    pub(super) source: u64,
    pub(super) columns: u64,
    pub(super) rows: u64,
    pub(super) column_weights: u64,
    pub(super) row_weights: u64,
    pub(super) target: u64,
    pub(super) header: u64,
}

/// What the kernel is told to make an input tensor of `image`, which lies in it as `fit` says.
pub(super) fn parameters(
    spec: &InputSpec,
    normalisation: &Normalisation,
    half_precision: bool,
    fit: &Fit,
    resize: ResizeKind,
    image: &PixelView<'_>,
    places: &Places,
) -> PrepareParameters {
    let ((width, height), (left, top)) = (fit.size(), fit.origin());
    let (scale, offset) = normalisation.factors();
    PrepareParameters {
        source: places.source,
        columns: places.columns,
        rows: places.rows,
        column_weights: places.column_weights,
        row_weights: places.row_weights,
        target: places.target,
        header: places.header,
        step: image.step() as u64,
        channels: image.order().channels() as i32,
        resize,
        width: width as i32,
        height: height as i32,
        left: left as i32,
        top: top as i32,
        input_width: spec.width as i32,
        input_height: spec.height as i32,
        interleaved: i32::from(spec.layout == Layout::Nhwc),
        half_precision: i32::from(half_precision),
        order: channel_order(image.order(), spec.colour),
        scale,
        offset,
        pad: normalisation.of_grey(spec.pad_value),
    }
}

/// The image's channel for each of the tensor's.
fn channel_order(image: ChannelOrder, tensor: Colour) -> [i32; 3] {
    let from_rgb = matches!(image, ChannelOrder::Rgb | ChannelOrder::Rgba);
    match image {
        ChannelOrder::Mono => [0, 0, 0],
        _ if from_rgb == (tensor == Colour::Rgb) => [0, 1, 2],
        _ => [2, 1, 0],
    }
}
