//! What a model runs in, from pixels to what the decoder reads: images go into slots, one run takes all of them, and
//! the outputs of each slot are read.

mod host;

use std::path::Path;

use ort::session::Session;

use super::decode::{Candidates, Decoder, OutputInfo, TensorView};
use super::device::DeviceEngine;
use super::fit::Fit;
#[cfg(test)]
use super::session::HostSession;
use super::{DetectorError, StageTimes, Thresholds};
use crate::image::PixelView;

pub(super) use host::HostEngine;

/// A model in ONNX Runtime with everything around it that handles tensors.
pub(super) enum Engine {
    /// Images are prepared, and outputs read, in the host's memory.
    Host(HostEngine),
    /// All of it happens on the GPU.
    Device(Box<DeviceEngine>),
}

/// What reads the outputs, and by which thresholds.
pub(super) struct Reading<'a> {
    pub(super) decoder: &'a mut Decoder,
    pub(super) candidates: &'a mut Candidates,
    pub(super) thresholds: &'a Thresholds,
}

impl Reading<'_> {
    /// Begins an image.
    pub(super) fn begin(&mut self) {
        self.candidates.begin(self.thresholds);
    }

    /// Reads an image's outputs.
    pub(super) fn decode(&mut self, outputs: &[TensorView<'_>]) -> Result<(), DetectorError> {
        self.decoder.decode(outputs, self.candidates)
    }
}

impl Engine {
    /// The session of an engine in the host's memory.
    #[cfg(test)]
    pub(super) fn host(&mut self) -> &mut HostSession {
        let Self::Host(host) = self else { panic!("not in the host's memory") };
        &mut host.session
    }

    /// The session that runs the model.
    pub(super) fn session_mut(&mut self) -> &mut Session {
        match self {
            Self::Host(host) => host.session.session_mut(),
            Self::Device(device) => device.session_mut(),
        }
    }

    /// How many images one run can take.
    pub(super) fn max_batch(&self) -> usize {
        match self {
            Self::Host(host) => host.max_batch(),
            Self::Device(device) => device.max_batch(),
        }
    }

    /// Brings `images`, at least one and at most [`max_batch`](Self::max_batch), through the model. `found` gets each
    /// image's index, where it lies in the input, and its candidates, in order. `meanwhile` is called once: while a GPU
    /// works, or after everything.
    pub(super) fn run(
        &mut self,
        images: &[PixelView<'_>],
        name: &str,
        reading: &mut Reading<'_>,
        meanwhile: &mut dyn FnMut(),
        found: &mut dyn FnMut(usize, Fit, &mut Candidates),
    ) -> Result<StageTimes, DetectorError> {
        match self {
            Self::Host(host) => {
                let times = host.run(images, name, reading, found)?;
                meanwhile();
                Ok(times)
            }
            Self::Device(device) => {
                device.run(images, reading, meanwhile, found).map_err(|failure| failure.into_error(name))
            }
        }
    }

    /// A run of every number of images that is in use, on whatever the input tensor holds.
    pub(super) fn trial(&mut self) -> Result<(), String> {
        match self {
            Self::Host(host) => host.trial(),
            Self::Device(device) => device.trials(),
        }
    }

    /// Names and real shapes of the outputs, from a run of one image.
    pub(super) fn probe_outputs(&mut self) -> Result<Vec<OutputInfo>, String> {
        match self {
            Self::Host(host) => host.probe_outputs(),
            Self::Device(device) => Ok(device.output_infos()),
        }
    }

    /// Prepares for reading what `decoder` reads.
    pub(super) fn read_for(&mut self, decoder: &Decoder) -> Result<(), String> {
        match self {
            Self::Host(_) => Ok(()),
            Self::Device(device) => device.pick_for(decoder),
        }
    }

    /// Checks a trial run's scores.
    pub(super) fn check_scores(&mut self, decoder: &Decoder) -> Result<Result<(), DetectorError>, String> {
        match self {
            Self::Host(host) => host.check_scores(decoder),
            Self::Device(device) => device.trial(1, |outputs| decoder.check_scores(outputs)),
        }
    }

    /// Checks that runs of several images give the decoder of one image what it reads, for each of them.
    pub(super) fn check_batches(
        &mut self,
        path: &Path,
        reading: &mut Reading<'_>,
    ) -> Result<(), DetectorError> {
        match self {
            Self::Host(host) => host.check_batches(path, reading),
            // its outputs are bound to memory of the right shape, which ONNX Runtime checks at every trial run
            Self::Device(_) => Ok(()),
        }
    }
}
