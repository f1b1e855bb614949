//! The way of a frame on the GPU: its bytes go up once, everything else happens there, and a few rows come back.
//!
//! All of it is queued on one stream, and the CPU waits once per run: upload in chunks (the next chunk is copied to locked
//! memory while the last one travels), our kernel `prepare` (resize, padding, colours, normalisation, layout), ONNX
//! Runtime's run on bound memory (as a CUDA graph where it can be captured), our kernel `pick`, and the copy of the picked
//! rows. The rows go through the same decoders as whole outputs do.

mod binding;
mod input;
mod outputs;
mod picker;
mod records;
mod resize;

use std::sync::Arc;
use std::time::Instant;

use ort::memory::MemoryInfo;
use ort::session::Session;

use crate::gpu::{self, Gpu, GpuError, Timer, Uploader};
use crate::image::PixelView;

use super::decode::{Candidates, Decoder, OutputInfo, TensorView};
use super::engine::Reading;
use super::fit::Fit;
use super::manifest::InputSpec;
use super::session::{MAX_BATCH, SessionOptions};
use super::{DetectorError, StageTimes};

use binding::BoundSession;
use input::DeviceInput;
use outputs::{DeviceOutputs, OutputShape};
use picker::Picker;

/// Marks of the timer: begin, uploaded, prepared, inferred.
const MARKS: usize = 4;

/// A model on the GPU with everything around it. Fields are dropped in this order: the session before the memory that it
/// is bound to, and that before the stream.
pub(super) struct DeviceEngine {
    session: BoundSession,
    shapes: Vec<OutputShape>,
    picker: Option<Picker>,
    outputs: DeviceOutputs,
    input: DeviceInput,
    batch: usize,
    fits: Vec<Fit>,
    timer: Timer,
    gpu: Arc<Gpu>,
}

impl DeviceEngine {
    /// Takes over a session that runs on `gpu`'s stream, for 1 to `max_batch` images at once (for one where the model takes no
    /// more), and runs it once. `memory` is the GPU's, as the session's provider knows it.
    pub(super) fn new(
        session: Session,
        gpu: Arc<Gpu>,
        memory: MemoryInfo<'static>,
        spec: &InputSpec,
        options: &SessionOptions,
    ) -> Result<Self, String> {
        let text = |error: GpuError| error.to_string();
        gpu.bind().map_err(text)?;
        let mut session = BoundSession::new(session, memory, spec);
        let batch = if session.batch_is_free() { options.max_batch.clamp(1, MAX_BATCH) } else { 1 };
        let half = session.input_is_half()?;
        let input = DeviceInput::new(&gpu, spec, batch, half, Uploader::new(options.upload_threads)?)
            .map_err(text)?;
        let shapes = session.probe(input.address())?;
        let outputs = DeviceOutputs::new(&gpu, &shapes, batch).map_err(text)?;
        let timer = gpu.timer(MARKS).map_err(text)?;
        let fits = Vec::with_capacity(batch);
        Ok(Self { session, shapes, picker: None, outputs, input, batch, fits, timer, gpu })
    }

    /// Binds the session to its memory and runs it for every number of images: graphs are captured now, or it shows that
    /// they cannot be.
    pub(super) fn bind(&mut self) -> Result<(), String> {
        self.session.bind(self.input.address(), &self.outputs.bases(), &self.shapes, self.batch)?;
        // the first of each is an ordinary one
        self.trials()?;
        self.trials()
    }

    /// Prepares to pick what `decoder` reads.
    pub(super) fn pick_for(&mut self, decoder: &Decoder) -> Result<(), String> {
        self.picker = Picker::new(&self.gpu, decoder, self.batch).map_err(|error| error.to_string())?;
        Ok(())
    }

    pub(super) fn max_batch(&self) -> usize {
        self.batch
    }

    /// The GPU's name.
    pub(super) fn gpu_name(&self) -> String {
        self.gpu.name()
    }

    /// The session, for what happens to it after its first run.
    pub(super) fn session_mut(&mut self) -> &mut Session {
        self.session.session_mut()
    }

    /// Names and shapes of the outputs, as the first run gave them.
    pub(super) fn output_infos(&self) -> Vec<OutputInfo> {
        self.shapes.iter().map(|shape| shape.info.clone()).collect()
    }

    /// As [`Engine::run`](super::engine::Engine::run).
    pub(super) fn run(
        &mut self,
        images: &[PixelView<'_>],
        reading: &mut Reading<'_>,
        meanwhile: &mut dyn FnMut(),
        found: &mut dyn FnMut(usize, Fit, &mut Candidates),
    ) -> Result<StageTimes, DeviceFailure> {
        let start = Instant::now();
        let _turn = gpu::with_others();
        self.gpu.bind()?;
        self.fits.clear();
        self.gpu.mark(&self.timer, 0)?;
        for (slot, image) in images.iter().enumerate() {
            self.fits.push(self.input.upload(&self.gpu, slot, image)?);
        }
        self.gpu.mark(&self.timer, 1)?;
        for (slot, image) in images.iter().enumerate() {
            let header = self.picker.as_ref().map_or(0, |picker| picker.header(slot));
            self.input.prepare(&self.gpu, slot, image, header)?;
        }
        self.gpu.mark(&self.timer, 2)?;
        self.session.run(images.len()).map_err(DeviceFailure::Run)?;
        self.gpu.mark(&self.timer, 3)?;
        if let Some(picker) = &mut self.picker {
            for slot in 0..images.len() {
                picker.pick(&self.gpu, &self.outputs, slot, reading.decoder, reading.thresholds)?;
            }
        }
        meanwhile();
        self.gpu.wait()?;
        for slot in 0..images.len() {
            reading.begin();
            match &mut self.picker {
                Some(picker) => picker.read(&self.gpu, &mut self.outputs, slot, reading)?,
                None => self.outputs.read_whole(&self.gpu, slot, reading)?,
            }
            if let Some(fit) = self.fits.get(slot) {
                found(slot, *fit, reading.candidates);
            }
        }
        let total = start.elapsed();
        let [upload, preprocess, inference] =
            [(0, 1), (1, 2), (2, 3)].map(|(from, to)| self.timer.between(from, to));
        Ok(StageTimes {
            upload,
            preprocess,
            inference,
            postprocess: total.saturating_sub(upload + preprocess + inference),
        })
    }

    /// A run of every number of images.
    pub(super) fn trials(&mut self) -> Result<(), String> {
        (1..=self.batch).try_for_each(|images| self.trial(images, |_| ()))
    }

    /// A run on what the input tensor holds, for `images` images; the outputs of the first go to `read`.
    pub(super) fn trial<T>(
        &mut self,
        images: usize,
        read: impl FnOnce(&[TensorView<'_>]) -> T,
    ) -> Result<T, String> {
        let text = |error: GpuError| error.to_string();
        let _turn = gpu::with_others();
        self.gpu.bind().map_err(text)?;
        self.session.run(images)?;
        self.outputs.download(&self.gpu, 0).map_err(text)?;
        self.gpu.wait().map_err(text)?;
        Ok(self.outputs.read(read))
    }
}

impl Drop for DeviceEngine {
    fn drop(&mut self) {
        // nothing may be on its way when the memory goes
        let _ = self.gpu.bind();
        if let Err(error) = self.gpu.wait() {
            tracing::warn!("the GPU's work could not be waited for: {error}");
        }
    }
}

/// Why a run on the GPU failed.
pub(super) enum DeviceFailure {
    /// The GPU.
    Gpu(GpuError),
    /// ONNX Runtime.
    Run(String),
    /// The decoder.
    Decode(DetectorError),
}

impl From<GpuError> for DeviceFailure {
    fn from(error: GpuError) -> Self {
        Self::Gpu(error)
    }
}

impl From<DetectorError> for DeviceFailure {
    fn from(error: DetectorError) -> Self {
        Self::Decode(error)
    }
}

impl DeviceFailure {
    /// As the detector tells it.
    pub(super) fn into_error(self, name: &str) -> DetectorError {
        let failed = |message| DetectorError::Inference { name: name.to_owned(), message };
        match self {
            Self::Gpu(error) => failed(error.to_string()),
            Self::Run(message) => failed(message),
            Self::Decode(error) => error,
        }
    }
}

#[cfg(test)]
mod tests;
