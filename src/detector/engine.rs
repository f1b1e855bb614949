//! What a model runs in, from pixels to what the decoder reads: images go into slots, one run takes all of them, and
//! the outputs of each slot are read.

use std::time::{Duration, Instant};

use ort::session::Session;

use super::decode::{Candidates, Decoder, OutputInfo, TensorView};
use super::fit::Fit;
use super::manifest::InputSpec;
use super::preprocess::Preprocessor;
use super::session::HostSession;
use super::{DetectorError, StageTimes};
use crate::image::PixelView;

/// A model in ONNX Runtime with everything around it that handles tensors.
pub(super) enum Engine {
    /// Images are prepared, and outputs read, in the host's memory.
    Host(HostEngine),
}

/// Prepares images on the CPU.
pub(super) struct HostEngine {
    pub(super) session: HostSession,
    preprocessor: Preprocessor,
}

impl HostEngine {
    pub(super) fn new(session: HostSession, input: &InputSpec) -> Self {
        Self { session, preprocessor: Preprocessor::new(input) }
    }
}

impl Engine {
    /// The session of an engine in the host's memory.
    #[cfg(test)]
    pub(super) fn host(&mut self) -> &mut HostSession {
        match self {
            Self::Host(host) => &mut host.session,
        }
    }

    /// The session that runs the model.
    pub(super) fn session_mut(&mut self) -> &mut Session {
        match self {
            Self::Host(host) => host.session.session_mut(),
        }
    }

    /// How many images one run can take.
    pub(super) fn max_batch(&self) -> usize {
        match self {
            Self::Host(_) => 1,
        }
    }

    /// Brings `images`, at least one and at most [`max_batch`](Self::max_batch), through the model. `found` gets each
    /// image's index, where it lies in the input, and its candidates, in order.
    pub(super) fn run(
        &mut self,
        images: &[PixelView<'_>],
        name: &str,
        decoder: &mut Decoder,
        candidates: &mut Candidates,
        begin: &mut dyn FnMut(&mut Candidates),
        found: &mut dyn FnMut(usize, Fit, &mut Candidates),
    ) -> Result<StageTimes, DetectorError> {
        let failed = |message| DetectorError::Inference { name: name.to_owned(), message };
        let start = Instant::now();
        match self {
            Self::Host(host) => {
                let Some(image) = images.first() else { return Ok(StageTimes::default()) };
                let fit = host.preprocessor.run(image, host.session.input_mut().map_err(failed)?)?;
                let preprocessed = Instant::now();
                let mut inferred = preprocessed;
                let mut read = |outputs: &[TensorView<'_>]| {
                    inferred = Instant::now();
                    begin(candidates);
                    decoder.decode(outputs, candidates)?;
                    found(0, fit, candidates);
                    Ok(())
                };
                let decoded: Result<(), DetectorError> = host.session.run(&mut read).map_err(failed)?;
                decoded?;
                Ok(StageTimes {
                    upload: Duration::ZERO,
                    preprocess: preprocessed - start,
                    inference: inferred - preprocessed,
                    postprocess: inferred.elapsed(),
                })
            }
        }
    }

    /// A run on whatever the input tensor holds.
    pub(super) fn trial(&mut self) -> Result<(), String> {
        match self {
            Self::Host(host) => host.session.run(|_| ()),
        }
    }

    /// Names and real shapes of the outputs, from a run.
    pub(super) fn probe_outputs(&mut self) -> Result<Vec<OutputInfo>, String> {
        match self {
            Self::Host(host) => host.session.probe_outputs(),
        }
    }

    /// Checks a trial run's scores.
    pub(super) fn check_scores(&mut self, decoder: &Decoder) -> Result<Result<(), DetectorError>, String> {
        match self {
            Self::Host(host) => host.session.run(|outputs| decoder.check_scores(outputs)),
        }
    }
}
