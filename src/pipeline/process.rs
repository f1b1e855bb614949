use std::time::{Duration, Instant};

use crate::corruption::{CorruptionError, CorruptorOptions, Step};
use crate::detector::{
    Agreement, Detection, Detector, DetectorError, ImageDetections, StageTimes, Thresholds,
};
use crate::health::{ImageQuality, QualityMeter};
use crate::image::{DecodeLimits, ImageError, PixelView};

use super::Frame;
use super::convert::{Converters, Prepared, prepare};

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
    /// Two frames of one camera are to be processed at once.
    #[error("camera {camera} has several frames in one batch, of which only the first can be processed")]
    SameCamera {
        /// The camera's index.
        camera: usize,
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
///
/// Of frames that are processed together, each has waited for all of them, so the times of all are in each one's, up to
/// `postprocess`; the quality is each frame's own.
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

impl Processed {
    fn clear(&mut self) {
        self.detections.clear();
        self.times = FrameTimes::default();
        self.agreement = Agreement::default();
        self.quality = None;
    }
}

/// A frame, and what is done to it before the detector sees it.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The frame.
    pub frame: Frame<'a>,
    /// What is done to it.
    pub treatment: Treatment<'a>,
}

/// A processed frame, with all that is at hand at that moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The pixels that the detector saw.
    pub pixels: &'a PixelView<'a>,
    /// What was found.
    pub processed: &'a Processed,
    /// The detector.
    pub detector: &'a Detector,
}

/// A detector together with the converters that bring any source's frames to it.
pub struct Pipeline {
    detector: Detector,
    /// One for each camera, so that cameras of different sizes do not take each other's buffers apart.
    converters: Vec<Converters>,
    /// Measures every frame's quality, where that is asked for.
    quality: Option<QualityMeter>,
    /// Of the frames at hand.
    qualities: Vec<Measured>,
    /// Results of one run of the model; kept for their buffers.
    found: Vec<ImageDetections>,
    /// Why the last run of several images that failed did so.
    failure: Option<String>,
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
        let found = vec![ImageDetections::default(); detector.max_batch()];
        let converters = (0..cameras).map(|_| Converters::new(limits)).collect();
        Self { detector, converters, quality: None, qualities: Vec::new(), found, failure: None }
    }

    /// Sets how frames are corrupted; the corruptions start anew.
    pub fn set_corruptor_options(&mut self, options: CorruptorOptions) {
        for converters in &mut self.converters {
            converters.set_corruptor_options(options);
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
        let job = Job { frame: *frame, treatment };
        let mut inspect = Some(inspect);
        let mut result = None;
        self.process_batch(&[job], thresholds, std::slice::from_mut(out), |_, seen| {
            result = inspect.take().map(|inspect| {
                seen.map(|Seen { pixels, processed, detector }| inspect(pixels, processed, detector))
            });
        });
        // Every frame is told of once.
        result.unwrap_or(Err(PipelineError::UnknownCamera {
            camera: frame.camera,
            cameras: self.converters.len(),
        }))
    }

    /// Runs several frames, of different cameras, through all stages with one run of the model, each into its place in
    /// `out`. `done` hears of every frame once, by its index, in whatever order they are ready: what there is to see of
    /// it, or why it gave no detections. One that fails does not hold up the others.
    ///
    /// At most [`Detector::max_batch`] frames, with as many places; otherwise none is processed.
    pub fn process_batch(
        &mut self,
        jobs: &[Job<'_>],
        thresholds: &Thresholds,
        out: &mut [Processed],
        mut done: impl FnMut(usize, Result<Seen<'_>, PipelineError>),
    ) {
        out.iter_mut().for_each(Processed::clear);
        let (images, places, most) = (jobs.len(), out.len(), self.detector.max_batch());
        if images > most || images != places {
            for index in 0..images {
                done(index, Err(DetectorError::Batch { images, places, most }.into()));
            }
            return;
        }
        let Self { detector, converters, quality, qualities, found, failure } = self;
        let mut times = FrameTimes::default();
        let Prepared { views, indices } = prepare(converters, jobs, &mut times, &mut done);
        let mut finish = |index: usize,
                          pixels: &PixelView<'_>,
                          found: &mut ImageDetections,
                          stages: Stages,
                          measured: Option<Measured>,
                          detector: &Detector| {
            let stages = match stages {
                Ok(stages) => stages,
                Err(error) => return done(index, Err(error.into())),
            };
            let Some(out) = out.get_mut(index) else { return };
            std::mem::swap(&mut out.detections, &mut found.detections);
            (out.width, out.height) = (pixels.width(), pixels.height());
            out.agreement = found.agreement;
            out.times = FrameTimes {
                upload: stages.upload,
                preprocess: stages.preprocess,
                inference: stages.inference,
                postprocess: stages.postprocess,
                ..times
            };
            if let Some((measured, took)) = measured {
                out.quality = Some(measured);
                out.times.quality = took;
            }
            done(index, Ok(Seen { pixels, processed: out, detector }));
        };
        let Some(found) = found.get_mut(..views.len()).filter(|found| !found.is_empty()) else { return };
        qualities.clear();
        // while a GPU works, where there is one
        let all = detector.detect_batch_meanwhile(&views, thresholds, found, || {
            if let Some(meter) = quality {
                qualities.extend(views.iter().map(|view| measure(meter, view)));
            }
        });
        let items = indices.iter().zip(&views).zip(found);
        let mut qualities = qualities.drain(..);
        match all {
            Err(error) if views.len() > 1 => {
                // Each for itself, so that the one that is to blame fails alone.
                let error = error.to_string();
                if failure.as_ref() != Some(&error) {
                    tracing::warn!("{} images in one run failed, running each alone: {error}", views.len());
                    *failure = Some(error);
                }
                for ((index, view), found) in items {
                    let alone = detector.detect_batch(
                        std::slice::from_ref(view),
                        thresholds,
                        std::slice::from_mut(found),
                    );
                    let measured = qualities.next().or_else(|| {
                        quality.as_mut().filter(|_| alone.is_ok()).map(|meter| measure(meter, view))
                    });
                    finish(*index, view, found, alone, measured, detector);
                }
            }
            Err(error) => {
                if let Some(((index, view), found)) = items.into_iter().next() {
                    finish(*index, view, found, Err(error), None, detector);
                }
            }
            Ok(stages) => {
                for ((index, view), found) in items {
                    finish(*index, view, found, Ok(stages), qualities.next(), detector);
                }
            }
        }
    }
}

/// An image's quality, and how long it took to measure it.
type Measured = (ImageQuality, Duration);

fn measure(meter: &mut QualityMeter, pixels: &PixelView<'_>) -> Measured {
    let measuring = Instant::now();
    let quality = meter.measure(pixels);
    (quality, measuring.elapsed())
}

type Stages = Result<StageTimes, DetectorError>;

#[cfg(test)]
mod tests;
