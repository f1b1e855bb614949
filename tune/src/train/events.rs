//! What a run tells whoever shows it.

use roadproof::detector::ModelManifest;

use super::journal::{PruningEntry, StepEntry, ValidationEntry};

/// What happens in a run, for whoever shows it.
#[derive(Debug)]
pub enum Event<'a> {
    /// Something of unknown length begins.
    Preparing(&'a str),
    /// Some of so many are done.
    Prepared(usize, usize),
    /// Training begins or goes on.
    Begins {
        /// Steps done before.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Threads.
        threads: usize,
        /// Images.
        images: usize,
    },
    /// A step was done.
    Step(&'a StepEntry),
    /// The student was measured.
    Validated(&'a ValidationEntry),
    /// The student was pruned.
    Pruned(&'a PruningEntry),
}

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// The result's manifest.
    Done(Box<ModelManifest>),
    /// It was asked to stop; a checkpoint is written.
    Stopped {
        /// Steps done.
        step: u64,
    },
}
