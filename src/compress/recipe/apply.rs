use std::collections::HashMap;

use serde::Serialize;

use super::{Step, check};
use crate::compress::channels::{self, Kept};
use crate::compress::graph::Model;
use crate::compress::reconstruct::{self, Reconstruct};
use crate::compress::{CalibrationImages, CompressError, Progress, fp16, int8, sparse};
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

/// Does steps, in order. `input` is that of the model's manifest.
///
/// # Errors
/// [`check`]'s before any work; then [`CompressError`] of the steps.
pub fn apply(
    base: &Model,
    steps: &[Step],
    input: &InputSpec,
    images: Option<&CalibrationImages>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Model, Vec<StepReport>), CompressError> {
    check(steps, images.is_some())?;
    // SIMPLIFY: every step is to see the simplified graph; the call belongs here, `base` being what it returns.
    let mut line = Line { base, model: base.clone(), kept: Kept::new(), input, images };
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
                let (model, report) = int8::quantise(&line.model, input, images, options, progress)?;
                line.model = model;
                StepReport::Int8(report)
            }
            Step::Structured(step) => {
                let (model, kept, pruned) =
                    channels::prune(&line.model, input, images, &step.options, progress)?;
                line.model = model;
                line.kept = compose(std::mem::take(&mut line.kept), kept);
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
    Ok((line.model, reports))
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

/// What is left after two prunings, in channels of the first's model.
fn compose(first: Kept, second: Kept) -> Kept {
    let mut both: HashMap<String, Vec<usize>> = first;
    for (tensor, left) in second {
        let left = match both.get(&tensor) {
            Some(before) => left.iter().filter_map(|channel| before.get(*channel).copied()).collect(),
            None => left,
        };
        both.insert(tensor, left);
    }
    both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_that_are_left_are_counted_in_the_first_model() {
        let kept = |entries: &[(&str, &[usize])]| -> Kept {
            entries.iter().map(|(name, left)| ((*name).to_owned(), left.to_vec())).collect()
        };
        let both = compose(kept(&[("a", &[0, 2, 5]), ("b", &[1, 3])]), kept(&[("a", &[0, 2]), ("c", &[4])]));
        assert_eq!(both, kept(&[("a", &[0, 5]), ("b", &[1, 3]), ("c", &[4])]));
    }
}
