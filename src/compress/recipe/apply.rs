use serde::Serialize;

use super::{Step, check};
use crate::compress::channels::{self, Kept};
use crate::compress::graph::Model;
use crate::compress::reconstruct::{self, Reconstruct};
use crate::compress::{CalibrationImages, CompressError, Progress, Reference, fp16, int8, simplify, sparse};
use crate::detector::manifest::InputSpec;

/// What a step did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "method", rename_all = "lowercase")]
pub enum StepReport {
    /// Half precision.
    Fp16(fp16::Report),
    /// 8-bit integers.
    Int8(int8::Report),
    /// Channels removed.
    Structured {
        /// Which.
        pruned: channels::Report,
        /// What was fitted afterwards; none where nothing was.
        reconstructed: Option<reconstruct::Report>,
    },
    /// Weights set to zero.
    Unstructured {
        /// Which.
        pruned: sparse::Report,
        /// What was fitted afterwards; none where nothing was.
        reconstructed: Option<reconstruct::Report>,
    },
}

/// Says whether a model loses little enough.
pub type Judge<'a> = dyn FnMut(&Model) -> Result<bool, CompressError> + 'a;

/// Images on which the sensitivity of each layer is measured.
const SENSITIVITY_IMAGES: usize = 16;

/// A compressed model, and what was done.
#[derive(Debug, Clone)]
pub struct Applied {
    /// It.
    pub model: Model,
    /// What was cleaned up before the first step.
    pub simplified: simplify::Report,
    /// Of each step.
    pub reports: Vec<StepReport>,
}

/// Cleans the model up and does steps, in order. `input` is that of its manifest; `judge` is asked by steps that look for
/// a model that loses little enough ([`int8::Options::mixed`]).
///
/// # Errors
/// [`check()`]'s before any work; then [`CompressError`] of the steps.
pub fn apply(
    base: &Model,
    steps: &[Step],
    input: &InputSpec,
    images: Option<&CalibrationImages>,
    judge: Option<&mut Judge<'_>>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Applied, CompressError> {
    check(steps, images.is_some(), judge.is_some())?;
    let (base, simplified) = simplify::simplify(base, &input.shape())?;
    let mut judge = judge;
    let mut line = Line { model: base.clone(), base: &base, kept: Kept::new(), input, images };
    let mut reports = Vec::new();
    for step in steps {
        reports.push(match step {
            Step::Fp16(options) => {
                let (model, report) = fp16::convert(&line.model, input, images, options, progress)?;
                line.model = model;
                StepReport::Fp16(report)
            }
            Step::Int8(options) => {
                let images = images.ok_or(CompressError::NoSteps)?;
                let (model, report) = match judge.as_mut().filter(|_| options.mixed) {
                    Some(judge) => mixed(&line.model, input, images, options, *judge, progress)?,
                    None => int8::quantise(&line.model, input, images, options, progress)?,
                };
                line.model = model;
                StepReport::Int8(report)
            }
            Step::Structured(step) => {
                let (model, kept, pruned) =
                    channels::prune(&line.model, input, images, &simplified.scales, &step.options, progress)?;
                line.model = model;
                line.kept = channels::compose(std::mem::take(&mut line.kept), kept);
                StepReport::Structured {
                    pruned,
                    reconstructed: line.reconstruct(step.reconstruct, progress)?,
                }
            }
            Step::Unstructured(step) => {
                let (model, pruned) = sparse::prune(&line.model, &step.options)?;
                line.model = model;
                StepReport::Unstructured {
                    pruned,
                    reconstructed: line.reconstruct(step.reconstruct, progress)?,
                }
            }
        });
    }
    line.model.set_producer("roadproof", env!("CARGO_PKG_VERSION"));
    Ok(Applied { model: line.model, simplified, reports })
}

/// Quantises with as few layers in float as the judge needs.
fn mixed(
    model: &Model,
    input: &InputSpec,
    images: &CalibrationImages,
    options: &int8::Options,
    judge: &mut Judge<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Model, int8::Report), CompressError> {
    let calibrated = int8::Calibrated::new(model, input, images, options, progress)?;
    let reference = Reference::new(model, input, images, SENSITIVITY_IMAGES)?;
    let sensitivities = int8::sensitivities(&calibrated, &reference, progress)?;
    let layers = sensitivities.len();
    // the attempts of a bisection, and the first
    let attempts = layers.max(1).ilog2() as usize + 2;
    let mut done = 0;
    let found = int8::search(&calibrated, &sensitivities, |model, _| {
        let passed = judge(model)?;
        done += 1;
        progress(Progress { what: "mixed precision", done: done.min(attempts), total: attempts });
        Ok::<_, CompressError>(passed)
    })?;
    let found =
        found.ok_or_else(|| CompressError::NothingPasses { path: model.path().to_owned(), layers })?;
    let report = int8::Report { sensitivities, kept_in_float: found.float, ..found.report };
    Ok((found.model, report))
}

/// A model on its way.
struct Line<'a> {
    base: &'a Model,
    model: Model,
    /// What is left of the base's channels.
    kept: Kept,
    input: &'a InputSpec,
    images: Option<&'a CalibrationImages>,
}

impl Line<'_> {
    fn reconstruct(
        &mut self,
        what: Reconstruct,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Option<reconstruct::Report>, CompressError> {
        let Some(images) = self.images.filter(|_| what != Reconstruct::None) else { return Ok(None) };
        let (model, report) =
            reconstruct::reconstruct(self.base, &self.model, &self.kept, self.input, images, what, progress)?;
        self.model = model;
        Ok(Some(report))
    }
}
