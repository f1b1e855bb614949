//! The detector itself: one model, from pixels to detections.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::decode::{Candidates, DecodeContext, DecodeStats, Decoder};
use super::library;
use super::manifest::{DecoderKind, ModelManifest};
use super::model_file;
use super::nms::{Candidate, Nms};
use super::preprocess::Preprocessor;
use super::session::{ModelSession, SessionOptions};
use super::{Agreement, Detection, DetectorError, Provider, Thresholds};
use crate::image::PixelView;

/// How far loading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadPhase {
    /// The model file is being hashed.
    VerifyingHash {
        /// Bytes read so far.
        done_bytes: u64,
        /// Bytes in all.
        total_bytes: u64,
    },
    /// The session is being created on this provider; with `tensorrt` and no cached engine that takes minutes.
    CreatingSession {
        /// The provider that is being tried.
        provider: Provider,
    },
    /// A first run shows whether the model's outputs are what the manifest says.
    CheckingOutputs,
    /// Trial runs.
    WarmingUp {
        /// Runs done.
        done: usize,
        /// Runs in all.
        total: usize,
    },
}

impl LoadPhase {
    /// What is going on, without how far it has come; [`Display`](std::fmt::Display) begins with it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::VerifyingHash { .. } => "verifying the model file",
            Self::CreatingSession { .. } => "creating the session",
            Self::CheckingOutputs => "checking the model's outputs",
            Self::WarmingUp { .. } => "warming up",
        }
    }
}

impl std::fmt::Display for LoadPhase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::VerifyingHash { done_bytes, total_bytes } => {
                write!(f, ", {done_bytes} of {total_bytes} bytes")
            }
            Self::CreatingSession { provider } => write!(f, " on {provider}"),
            Self::CheckingOutputs => Ok(()),
            Self::WarmingUp { done, total } => write!(f, ", {done} of {total} runs"),
        }
    }
}

/// Durations of the stages of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StageTimes {
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
        self.preprocess + self.inference + self.postprocess
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
    /// What an operator should know: a provider that did not come up, an unverified model.
    pub warnings: Vec<String>,
}

/// A loaded model with everything that is reused from frame to frame.
pub struct Detector {
    session: ModelSession,
    preprocessor: Preprocessor,
    decoder: Decoder,
    candidates: Candidates,
    nms: Nms,
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
        let path = manifest.model_path();
        let sha256 =
            model_file::verify(&path, manifest.sha256.as_deref(), &mut |done_bytes, total_bytes| {
                progress(LoadPhase::VerifyingHash { done_bytes, total_bytes });
            })?;
        let runtime = library::runtime()?;
        let mut session = ModelSession::open(&runtime, &path, &manifest.input, options, &mut |provider| {
            progress(LoadPhase::CreatingSession { provider });
        })?;
        progress(LoadPhase::CheckingOutputs);
        let decoder = bind(manifest, &mut session)?;
        let info = ModelInfo {
            name: manifest.name.clone(),
            path,
            sha256,
            provider: session.provider,
            input_width: manifest.input.width,
            input_height: manifest.input.height,
            class_names: manifest.class_names().to_vec(),
            decoder: manifest.decoder.kind,
            runtime_version: runtime.library.version,
            runtime_library: runtime.library.path,
            warnings: warnings(manifest, &session),
        };
        for warning in &info.warnings {
            tracing::warn!(model = info.name, "{warning}");
        }
        let mut detector = Self {
            session,
            preprocessor: Preprocessor::new(&manifest.input),
            decoder,
            candidates: Candidates::new(manifest.decoder.max_candidates),
            nms: Nms::new(),
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
        thresholds.validate(self.info.class_names.len())?;
        let start = Instant::now();
        let Self { session, preprocessor, decoder, candidates, nms, info } = self;
        let failed = |message| DetectorError::Inference { name: info.name.clone(), message };

        let fit = preprocessor.run(image, session.input_mut().map_err(failed)?)?;
        let preprocessed = Instant::now();

        candidates.begin(thresholds);
        let (decoded, inferred) = session
            .run(|outputs| {
                let inferred = Instant::now();
                (decoder.decode(outputs, candidates), inferred)
            })
            .map_err(failed)?;
        decoded?;

        let items = candidates.items_mut();
        // an IoU never exceeds 1, so at that threshold NMS only sorts and cuts
        let iou = if decoder.kind().is_set_prediction() { 1.0 } else { thresholds.nms_iou };
        nms.suppress(items, iou, thresholds.max_detections, info.class_names.len());
        let (width, height) = fit.source_size();
        let to_image = |candidate: &Candidate| Detection {
            bbox: fit.to_image(&candidate.bbox).clip(width, height),
            class_id: candidate.class_id,
            score: candidate.score,
        };
        out.extend(items.iter().map(to_image).filter(|detection| detection.bbox.area() > 0.0));
        Ok(StageTimes {
            preprocess: preprocessed - start,
            inference: inferred - preprocessed,
            postprocess: inferred.elapsed(),
        })
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

    /// What the last frame's outputs held, in numbers: candidates, and values that had to be ignored.
    #[must_use]
    pub fn decode_stats(&self) -> DecodeStats {
        self.candidates.stats()
    }

    /// How far the last frame's candidates agreed before non-maximum suppression.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        self.nms.agreement()
    }

    fn warm_up(&mut self, total: usize, progress: &mut dyn FnMut(LoadPhase)) -> Result<(), DetectorError> {
        let name = &self.info.name;
        progress(LoadPhase::WarmingUp { done: 0, total });
        for done in 1..=total {
            self.session
                .run(|_| ())
                .map_err(|message| DetectorError::Inference { name: name.clone(), message })?;
            progress(LoadPhase::WarmingUp { done, total });
        }
        Ok(())
    }
}

/// Binds the decoder to the outputs of a first run, on a tensor of zeros.
fn bind(manifest: &ModelManifest, session: &mut ModelSession) -> Result<Decoder, DetectorError> {
    let failed = |message| DetectorError::Inference { name: manifest.name.clone(), message };
    let path = manifest.model_path();
    let context = DecodeContext {
        path: &path,
        spec: &manifest.decoder,
        input: &manifest.input,
        class_count: manifest.class_names().len(),
    };
    let outputs = session.probe_outputs().map_err(failed)?;
    let decoder = Decoder::bind(&context, &outputs)?;
    session.run(|outputs| decoder.check_scores(outputs)).map_err(failed)??;
    Ok(decoder)
}

fn warnings(manifest: &ModelManifest, session: &ModelSession) -> Vec<String> {
    let mut warnings = Vec::new();
    if manifest.sha256.is_none() {
        warnings.push(
            "the manifest has no `sha256`: nothing tells whether the model file is the right one".to_owned(),
        );
    }
    for failure in &session.failures {
        warnings.push(format!("running on `{}`: execution provider {failure}", session.provider));
    }
    warnings
}

#[cfg(test)]
mod tests;
