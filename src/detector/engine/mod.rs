//! What a model runs in, from pixels to what the decoder reads: images go into slots, one run takes all of them, and
//! the outputs of each slot are read.

mod host;

use std::path::Path;

use super::decode::{Candidates, Decoder, OutputInfo};
use super::fit::Fit;
#[cfg(test)]
use super::session::HostSession;
use super::{DetectorError, StageTimes};
use crate::image::PixelView;

pub(super) use host::HostEngine;

/// A model in ONNX Runtime with everything around it that handles tensors.
pub(super) enum Engine {
    /// Images are prepared, and outputs read, in the host's memory.
    Host(HostEngine),
}

impl Engine {
    /// The session of an engine in the host's memory.
    #[cfg(test)]
    pub(super) fn host(&mut self) -> &mut HostSession {
        match self {
            Self::Host(host) => &mut host.session,
        }
    }

    /// How many images one run can take.
    pub(super) fn max_batch(&self) -> usize {
        match self {
            Self::Host(host) => host.max_batch(),
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
        match self {
            Self::Host(host) => host.run(images, name, decoder, candidates, begin, found),
        }
    }

    /// A run of every number of images that is in use, on whatever the input tensor holds.
    pub(super) fn trial(&mut self) -> Result<(), String> {
        match self {
            Self::Host(host) => host.trial(),
        }
    }

    /// Names and real shapes of the outputs, from a run of one image.
    pub(super) fn probe_outputs(&mut self) -> Result<Vec<OutputInfo>, String> {
        match self {
            Self::Host(host) => host.probe_outputs(),
        }
    }

    /// Checks a trial run's scores.
    pub(super) fn check_scores(&mut self, decoder: &Decoder) -> Result<Result<(), DetectorError>, String> {
        match self {
            Self::Host(host) => host.check_scores(decoder),
        }
    }

    /// Checks that runs of several images give the decoder of one image what it reads, for each of them.
    pub(super) fn check_batches(
        &mut self,
        path: &Path,
        decoder: &mut Decoder,
        candidates: &mut Candidates,
        begin: &mut dyn FnMut(&mut Candidates),
    ) -> Result<(), DetectorError> {
        match self {
            Self::Host(host) => host.check_batches(path, decoder, candidates, begin),
        }
    }
}
