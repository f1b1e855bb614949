use std::time::{Duration, Instant};

use crate::corruption::{CorruptionError, Corruptor, CorruptorOptions, Delivery, FrameKey, Picture, Step};
use crate::detector::{Agreement, Detection, Detector, DetectorError, Thresholds};
use crate::health::{ImageQuality, QualityMeter};
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
    /// The picture cannot be corrupted as asked.
    #[error(transparent)]
    Corruption(#[from] CorruptionError),
    /// The corruption that was asked for drops this frame.
    #[error("dropped by the injected corruption")]
    DroppedByCorruption,
    /// Preprocessing, inference or decoding failed.
    #[error(transparent)]
    Detector(#[from] DetectorError),
}

/// How long each stage took for one frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameTimes {
    /// Decompression and colour conversion; near zero for interleaved 8-bit images, which are not copied.
    pub convert: Duration,
    /// Copy and corruption; zero for clean frames.
    pub corrupt: Duration,
    /// Bringing the image to the GPU; zero where it is prepared on the CPU.
    pub upload: Duration,
    /// Resize, padding, normalisation into the network's input tensor.
    pub preprocess: Duration,
    /// ONNX Runtime's `Session::run`.
    pub inference: Duration,
    /// Decoding of the outputs and non-maximum suppression.
    pub postprocess: Duration,
    /// Measuring the image's quality; zero where nobody asked for it.
    pub quality: Duration,
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
    /// How far the candidates agreed before non-maximum suppression.
    pub agreement: Agreement,
    /// Quality of the image that the detector saw; `None` where nobody asked for it.
    pub quality: Option<ImageQuality>,
    /// How long each stage took.
    pub times: FrameTimes,
}

/// A detector together with the converters that bring any source's frames to it.
pub struct Pipeline {
    detector: Detector,
    /// One for each camera, so that cameras of different sizes do not take each other's buffers apart.
    converters: Vec<Converters>,
    /// Measures every frame's quality, where that is asked for.
    quality: Option<QualityMeter>,
}

struct Converters {
    raw: Converter,
    compressed: CompressedDecoder,
    picture: Picture,
    /// Corruptions of a stream remember its frames, so injected and shadow frames have one each.
    inject: Corruptor,
    shadow: Corruptor,
}

/// What is done to a frame before the detector sees it. Corrupted copies that only watch ([`Treatment::Shadow`]) and
/// corrupted frames whose detections are published ([`Treatment::Inject`]) keep apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Treatment<'a> {
    /// Nothing.
    Clean,
    /// The frame itself is corrupted.
    Inject(Corrupt<'a>),
    /// A copy is corrupted, to see what the detector makes of it.
    Shadow(Corrupt<'a>),
}

/// How a frame is corrupted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corrupt<'a> {
    /// Applied in order.
    pub steps: &'a [Step],
    /// Index of the frame in the camera's stream, counted from 0; with the seed it decides all randomness.
    pub index: u64,
}

impl Pipeline {
    /// Wraps a loaded detector, for frames of `cameras` cameras.
    #[must_use]
    pub fn new(detector: Detector, cameras: usize, limits: DecodeLimits) -> Self {
        let converters = |_| Converters {
            raw: Converter::new(),
            compressed: CompressedDecoder::new(limits),
            picture: Picture::default(),
            inject: Corruptor::new(CorruptorOptions::default()),
            shadow: Corruptor::new(CorruptorOptions::default()),
        };
        Self { detector, converters: (0..cameras).map(converters).collect(), quality: None }
    }

    /// Sets how frames are corrupted; the corruptions start anew.
    pub fn set_corruptor_options(&mut self, options: CorruptorOptions) {
        for converters in &mut self.converters {
            converters.inject = Corruptor::new(options);
            converters.shadow = Corruptor::new(options);
        }
    }

    /// Whether the quality of every frame is measured, for health.
    pub fn measure_quality(&mut self, measure: bool) {
        self.quality = measure.then(QualityMeter::new);
    }

    /// The detector inside.
    #[must_use]
    pub fn detector(&self) -> &Detector {
        &self.detector
    }

    /// Runs one frame through all stages, into `out`.
    ///
    /// # Errors
    /// The frame cannot be decoded or converted, its corruption fails or drops it, or the detector fails; `out` then
    /// holds no detections.
    pub fn process(
        &mut self,
        frame: &Frame<'_>,
        treatment: Treatment<'_>,
        thresholds: &Thresholds,
        out: &mut Processed,
    ) -> Result<(), PipelineError> {
        self.process_then(frame, treatment, thresholds, out, |_, _, _| ())
    }

    /// Like [`Pipeline::process`], and lets `inspect` look at the pixels that the detector saw while they are at hand
    /// (a debug image, image quality), so that nothing is converted twice.
    ///
    /// # Errors
    /// As for [`Pipeline::process`]; `inspect` is not called then.
    pub fn process_then<R>(
        &mut self,
        frame: &Frame<'_>,
        treatment: Treatment<'_>,
        thresholds: &Thresholds,
        out: &mut Processed,
        inspect: impl FnOnce(&PixelView<'_>, &Processed, &Detector) -> R,
    ) -> Result<R, PipelineError> {
        out.detections.clear();
        out.times = FrameTimes::default();
        out.agreement = Agreement::default();
        out.quality = None;
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
        let pixels = match treatment {
            Treatment::Clean => pixels,
            Treatment::Inject(corrupt) => {
                corrupted(&mut converters.picture, &mut converters.inject, &pixels, frame, corrupt)?
            }
            Treatment::Shadow(corrupt) => {
                corrupted(&mut converters.picture, &mut converters.shadow, &pixels, frame, corrupt)?
            }
        };
        let corrupt = start.elapsed().saturating_sub(convert);
        (out.width, out.height) = (pixels.width(), pixels.height());
        let stages = self.detector.detect(&pixels, thresholds, &mut out.detections)?;
        out.times = FrameTimes {
            convert,
            corrupt,
            upload: stages.upload,
            preprocess: stages.preprocess,
            inference: stages.inference,
            postprocess: stages.postprocess,
            quality: Duration::ZERO,
        };
        out.agreement = self.detector.agreement();
        if let Some(meter) = &mut self.quality {
            let measuring = Instant::now();
            out.quality = Some(meter.measure(&pixels));
            out.times.quality = measuring.elapsed();
        }
        Ok(inspect(&pixels, out, &self.detector))
    }
}

/// A corrupted copy of `pixels`, in `picture`.
fn corrupted<'a>(
    picture: &'a mut Picture,
    corruptor: &mut Corruptor,
    pixels: &PixelView<'_>,
    frame: &Frame<'_>,
    corrupt: Corrupt<'_>,
) -> Result<PixelView<'a>, PipelineError> {
    picture.assign(pixels)?;
    let camera = u32::try_from(frame.camera).unwrap_or(u32::MAX);
    let key = FrameKey { camera, index: corrupt.index, stamp_ns: frame.stamp_ns };
    match corruptor.corrupt(picture, corrupt.steps, key)? {
        Delivery::Deliver => Ok(picture.view()?),
        Delivery::Drop => Err(PipelineError::DroppedByCorruption),
    }
}
