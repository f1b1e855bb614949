use std::time::{Duration, Instant};

use crate::detector::{Detection, Detector, DetectorError, Thresholds};
use crate::image::{CompressedDecoder, Converter, DecodeLimits, ImageError, PixelView};

use super::{Frame, FramePixels};

/// Why a frame gave no detections.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The picture is malformed or cannot be decoded.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The frame names a camera that the pipeline was not made for.
    #[error("camera {camera} is unknown: the pipeline was made for {cameras} camera(s), counted from 0")]
    UnknownCamera {
        /// The index found.
        camera: usize,
        /// How many cameras there are.
        cameras: usize,
    },
    /// Preprocessing, inference or decoding failed.
    #[error(transparent)]
    Detector(#[from] DetectorError),
}

/// How long each stage took for one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameTimes {
    /// Decompression and colour conversion; near zero for interleaved 8-bit images, which are not copied.
    pub convert: Duration,
    /// Resize, padding, normalisation into the network's input tensor.
    pub preprocess: Duration,
    /// ONNX Runtime's `Session::run`.
    pub inference: Duration,
    /// Decoding of the outputs and non-maximum suppression.
    pub postprocess: Duration,
}

/// What the pipeline found in one frame. Reuse it from frame to frame: its buffers are kept.
#[derive(Debug, Default)]
pub struct Processed {
    /// After non-maximum suppression, score ≥ `Thresholds::low_score`, highest score first, boxes in pixels
    /// of the original image. Which of them are published is asked of `Thresholds::publishes`.
    pub detections: Vec<Detection>,
    /// Width of the original image in pixels.
    pub width: u32,
    /// Height of the original image in pixels.
    pub height: u32,
    /// How long each stage took.
    pub times: FrameTimes,
}

/// A detector together with the converters that bring any source's frames to it.
pub struct Pipeline {
    detector: Detector,
    /// One for each camera, so that cameras of different sizes do not take each other's buffers apart.
    converters: Vec<Converters>,
}

struct Converters {
    raw: Converter,
    compressed: CompressedDecoder,
}

impl Pipeline {
    /// Wraps a loaded detector, for frames of `cameras` cameras.
    #[must_use]
    pub fn new(detector: Detector, cameras: usize, limits: DecodeLimits) -> Self {
        let converters = |_| Converters { raw: Converter::new(), compressed: CompressedDecoder::new(limits) };
        Self { detector, converters: (0..cameras).map(converters).collect() }
    }

    /// The detector inside.
    #[must_use]
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Runs one frame through all stages, into `out`.
    ///
    /// # Errors
    /// The frame cannot be decoded or converted, or the detector fails; `out` then holds no detections.
    pub fn process(
        &mut self,
        frame: &Frame<'_>,
        thresholds: &Thresholds,
        out: &mut Processed,
    ) -> Result<(), PipelineError> {
        self.process_then(frame, thresholds, out, |_, _, _| ())
    }

    /// Like [`Pipeline::process`], and lets `inspect` look at the converted pixels while they are at hand
    /// (a debug image, image quality), so that nothing is converted twice.
    ///
    /// # Errors
    /// As for [`Pipeline::process`]; `inspect` is not called then.
    pub fn process_then<R>(
        &mut self,
        frame: &Frame<'_>,
        thresholds: &Thresholds,
        out: &mut Processed,
        inspect: impl FnOnce(&PixelView<'_>, &Processed, &Detector) -> R,
    ) -> Result<R, PipelineError> {
        out.detections.clear();
        out.times = FrameTimes::default();
        let start = Instant::now();
        let cameras = self.converters.len();
        let converters = self
            .converters
            .get_mut(frame.camera)
            .ok_or(PipelineError::UnknownCamera { camera: frame.camera, cameras })?;
        let pixels = match frame.pixels {
            FramePixels::Raw(view) => converters.raw.convert(&view)?,
            FramePixels::Compressed { format, data } => converters.compressed.decode(format, data)?,
            FramePixels::Pixels(pixels) => pixels,
        };
        let convert = start.elapsed();
        (out.width, out.height) = (pixels.width(), pixels.height());
        let stages = self.detector.detect(&pixels, thresholds, &mut out.detections)?;
        out.times = FrameTimes {
            convert,
            preprocess: stages.preprocess,
            inference: stages.inference,
            postprocess: stages.postprocess,
        };
        Ok(inspect(&pixels, out, &self.detector))
    }
}
