//! The detector itself: one model, from pixels to detections.

use std::path::PathBuf;
use std::time::Duration;

use super::decode::{Candidates, DecodeStats, Decoder};
use super::engine::{Engine, Reading};
use super::engine_cache::{EngineInfo, Lease};
use super::error::ProviderFailure;
use super::fit::Fit;
use super::library;
use super::load_phase::LoadPhase;
use super::manifest::{DecoderKind, ModelManifest};
use super::model_file;
use super::nms::{Candidate, Nms};
use super::opening::{self, Up};
use super::session::{MAX_BATCH, ModelFile, SessionOptions};
use super::{Agreement, Detection, DetectorError, Placement, Provider, Thresholds};
use crate::image::PixelView;

/// Durations of the stages of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageTimes {
    /// Bringing the image to the GPU; zero where it stays on the host.
    pub upload: Duration,
    /// Resizing and normalising.
    pub preprocess: Duration,
    /// The model.
    pub inference: Duration,
    /// Decoding and non-maximum suppression.
    pub postprocess: Duration,
}

impl StageTimes {
    /// All stages together.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.upload + self.preprocess + self.inference + self.postprocess
    }
}

/// What was found in one image. Reuse it: its buffers are kept.
#[derive(Debug, Clone, Default)]
pub struct ImageDetections {
    /// As [`Detector::detect`] gives them.
    pub detections: Vec<Detection>,
    /// How far the candidates agreed before non-maximum suppression.
    pub agreement: Agreement,
    /// What the outputs held, in numbers.
    pub stats: DecodeStats,
}

impl ImageDetections {
    fn clear(&mut self) {
        self.detections.clear();
        self.agreement = Agreement::default();
        self.stats = DecodeStats::default();
    }
}

/// What is known about a loaded model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelInfo {
    /// The manifest's name.
    pub name: String,
    /// The ONNX file.
    pub path: PathBuf,
    /// The file's SHA-256, lower-case hexadecimal; computed also where the manifest has none.
    pub sha256: String,
    /// What computes.
    pub provider: Provider,
    /// The GPU on which frames are prepared and candidates picked; `None` where the CPU does that.
    pub gpu: Option<String>,
    /// Width of the model's input, pixels.
    pub input_width: u32,
    /// Height of the model's input, pixels.
    pub input_height: u32,
    /// Class names by class id.
    pub class_names: Vec<String>,
    /// The family of the head.
    pub decoder: DecoderKind,
    /// ONNX Runtime's version, e.g. `1.23.2`.
    pub runtime_version: String,
    /// ONNX Runtime's library, as it was loaded.
    pub runtime_library: PathBuf,
    /// Where the model's nodes run; `None` on the CPU, and where that cannot be told (a warning says so).
    pub placement: Option<Placement>,
    /// The engine that the provider built, where it is in a cache.
    pub engine: Option<EngineInfo>,
    /// What an operator should know: a provider that did not come up, an unverified model.
    pub warnings: Vec<String>,
}

/// A loaded model with everything that is reused from frame to frame.
pub struct Detector {
    engine: Engine,
    /// Behind the engine: it is dropped after the session, which may write its engines only then.
    #[allow(dead_code, reason = "kept for what it does when it is dropped")]
    lease: Option<Lease>,
    decoder: Decoder,
    candidates: Candidates,
    nms: Nms,
    /// Of the last single image; its detections are the caller's.
    only: ImageDetections,
    info: ModelInfo,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detector").field("info", &self.info).finish_non_exhaustive()
    }
}

impl Detector {
    /// Verifies the model file, opens it in ONNX Runtime, checks its input and outputs against the manifest and warms up.
    ///
    /// # Errors
    /// Every [`DetectorError`] but those of single frames: a broken manifest or model file, no ONNX Runtime, no provider,
    /// inputs, outputs or classes that do not fit the manifest.
    pub fn load(
        manifest: &ModelManifest,
        options: &SessionOptions,
        progress: &mut dyn FnMut(LoadPhase),
    ) -> Result<Self, DetectorError> {
        manifest.validate()?;
        if !(1..=MAX_BATCH).contains(&options.max_batch) {
            return Err(DetectorError::MaxBatch { found: options.max_batch, most: MAX_BATCH });
        }
        let path = manifest.model_path();
        let sha256 =
            model_file::verify(&path, manifest.sha256.as_deref(), &mut |done_bytes, total_bytes| {
                progress(LoadPhase::VerifyingHash { done_bytes, total_bytes });
            })?;
        let runtime = library::runtime()?;
        let shape = manifest.input.shape();
        let file = ModelFile { path: &path, sha256: &sha256, input_shape: &shape };
        let up = opening::bring_up(&runtime, manifest, &file, options, progress)?;
        let Up { mut engine, mut decoder, provider, failures, settled, gpu, notes } = up;
        let mut candidates = Candidates::new(manifest.decoder.max_candidates);
        let thresholds = manifest.thresholds();
        let mut reading =
            Reading { decoder: &mut decoder, candidates: &mut candidates, thresholds: &thresholds };
        engine.check_batches(&path, &mut reading)?;
        let mut warnings = warnings(manifest, provider, &failures, notes);
        warnings.extend(settled.warnings);
        if options.max_batch > engine.max_batch() {
            warnings.push(one_image_per_run(options.max_batch, engine.max_batch()));
        }
        let info = ModelInfo {
            name: manifest.name.clone(),
            path,
            sha256,
            provider,
            gpu,
            input_width: manifest.input.width,
            input_height: manifest.input.height,
            class_names: manifest.class_names().to_vec(),
            decoder: manifest.decoder.kind,
            runtime_version: runtime.library.version,
            runtime_library: runtime.library.path,
            placement: settled.placement,
            engine: settled.engine,
            warnings,
        };
        for warning in &info.warnings {
            tracing::warn!(model = info.name, "{warning}");
        }
        let mut detector = Self {
            engine,
            lease: settled.lease,
            decoder,
            candidates,
            nms: Nms::new(),
            only: ImageDetections::default(),
            info,
        };
        detector.warm_up(options.warm_up_runs.max(1), progress)?;
        Ok(detector)
    }

    /// Finds the objects in an image.
    ///
    /// `out` is cleared and filled with the detections whose score is at least [`Thresholds::low_score`], after
    /// class-aware NMS, sorted by descending score, at most [`Thresholds::max_detections`], with boxes in original
    /// pixels. NMS sees the boxes as the model gives them; afterwards they are clipped to the image, and what lies
    /// outside of it (in the padding) is left out. Models whose head puts out every object once
    /// ([`DecoderKind::is_set_prediction`]) are not suppressed again.
    ///
    /// # Errors
    /// [`DetectorError::Thresholds`], [`DetectorError::Preprocess`], [`DetectorError::Inference`], or
    /// [`DetectorError::Outputs`] where the model's outputs have changed their shapes. `out` is empty then, and the
    /// detector goes on with the next image.
    pub fn detect(
        &mut self,
        image: &PixelView<'_>,
        thresholds: &Thresholds,
        out: &mut Vec<Detection>,
    ) -> Result<StageTimes, DetectorError> {
        out.clear();
        let mut only = std::mem::take(&mut self.only);
        std::mem::swap(&mut only.detections, out);
        let times =
            self.detect_batch(std::slice::from_ref(image), thresholds, std::slice::from_mut(&mut only));
        std::mem::swap(&mut only.detections, out);
        self.only = only;
        times
    }

    /// How many images [`detect_batch`](Self::detect_batch) takes at most.
    #[must_use]
    pub fn max_batch(&self) -> usize {
        self.engine.max_batch()
    }

    /// Finds the objects in several images with one run of the model, as [`detect`](Self::detect) does in one. `out`
    /// gets what is found in each image, in order.
    ///
    /// # Errors
    /// As for [`detect`](Self::detect), and [`DetectorError::Batch`] where there are no images, more of them than
    /// [`max_batch`](Self::max_batch), or not one `out` for each. All of `out` is empty then.
    pub fn detect_batch(
        &mut self,
        images: &[PixelView<'_>],
        thresholds: &Thresholds,
        out: &mut [ImageDetections],
    ) -> Result<StageTimes, DetectorError> {
        self.detect_batch_meanwhile(images, thresholds, out, || ())
    }

    /// As [`detect_batch`](Self::detect_batch), and does something else `meanwhile`: while the GPU works, or, where the CPU
    /// does everything, afterwards. It is called once, unless the run fails before.
    ///
    /// # Errors
    /// As for [`detect_batch`](Self::detect_batch).
    pub fn detect_batch_meanwhile(
        &mut self,
        images: &[PixelView<'_>],
        thresholds: &Thresholds,
        out: &mut [ImageDetections],
        meanwhile: impl FnMut(),
    ) -> Result<StageTimes, DetectorError> {
        out.iter_mut().for_each(ImageDetections::clear);
        let times = self.try_batch(images, thresholds, out, meanwhile);
        if times.is_err() {
            out.iter_mut().for_each(ImageDetections::clear);
        }
        times
    }

    fn try_batch(
        &mut self,
        images: &[PixelView<'_>],
        thresholds: &Thresholds,
        out: &mut [ImageDetections],
        mut meanwhile: impl FnMut(),
    ) -> Result<StageTimes, DetectorError> {
        let most = self.max_batch();
        if images.is_empty() || images.len() > most || images.len() != out.len() {
            return Err(DetectorError::Batch { images: images.len(), places: out.len(), most });
        }
        let Self { engine, decoder, candidates, nms, info, .. } = self;
        let classes = info.class_names.len();
        thresholds.validate(classes)?;
        // an IoU never exceeds 1, so at that threshold NMS only sorts and cuts
        let iou = if decoder.kind().is_set_prediction() { 1.0 } else { thresholds.nms_iou };
        let mut found = |index: usize, fit: Fit, candidates: &mut Candidates| {
            let Some(out) = out.get_mut(index) else { return };
            out.stats = candidates.stats();
            let items = candidates.items_mut();
            nms.suppress(items, iou, thresholds.max_detections, classes);
            out.agreement = nms.agreement();
            let (width, height) = fit.source_size();
            let to_image = |candidate: &Candidate| Detection {
                bbox: fit.to_image(&candidate.bbox).clip(width, height),
                class_id: candidate.class_id,
                score: candidate.score,
            };
            let inside = |detection: &Detection| detection.bbox.area() > 0.0;
            out.detections.extend(items.iter().map(to_image).filter(inside));
        };
        let mut reading = Reading { decoder, candidates, thresholds };
        engine.run(images, &info.name, &mut reading, &mut meanwhile, &mut found)
    }

    /// What is known about the model.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Class names by class id.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.info.class_names
    }

    /// What the outputs of the last single image held, in numbers: candidates, and values that had to be ignored.
    #[must_use]
    pub fn decode_stats(&self) -> DecodeStats {
        self.only.stats
    }

    /// How far the candidates of the last single image agreed before non-maximum suppression.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        self.only.agreement
    }

    fn warm_up(&mut self, total: usize, progress: &mut dyn FnMut(LoadPhase)) -> Result<(), DetectorError> {
        let name = &self.info.name;
        progress(LoadPhase::WarmingUp { done: 0, total });
        for done in 1..=total {
            self.engine
                .trial()
                .map_err(|message| DetectorError::Inference { name: name.clone(), message })?;
            progress(LoadPhase::WarmingUp { done, total });
        }
        Ok(())
    }
}

fn warnings(
    manifest: &ModelManifest,
    provider: Provider,
    failures: &[ProviderFailure],
    notes: Vec<String>,
) -> Vec<String> {
    let mut warnings = notes;
    if manifest.sha256.is_none() {
        warnings.push(
            "the manifest has no `sha256`: nothing tells whether the model file is the right one".to_owned(),
        );
    }
    for failure in failures {
        warnings.push(format!("running on `{provider}`: execution provider {failure}"));
    }
    warnings
}

fn one_image_per_run(asked: usize, most: usize) -> String {
    format!(
        "{asked} images in one run were asked for (`max_batch`, the node's `batch_max`), but the model takes {most}: the \
         first dimension of its input is fixed. Export it with a free batch, or ask for 1"
    )
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(super) use tests::runtime_is_missing;
