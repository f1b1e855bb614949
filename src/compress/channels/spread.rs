//! How much each group loses.

use std::collections::HashSet;

use super::atoms::Atom;
use super::rewrite::rewrite;
use super::sets::{Prunable, macs};
use super::trace::Trace;
use super::{MAX_RATE, Options};
use crate::compress::fidelity::Reference;
use crate::compress::graph::Model;
use crate::compress::shapes::Shapes;
use crate::compress::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;

/// Images that sensitivity is measured on.
const IMAGES: usize = 8;
/// Halvings of the search for the common factor of the rates.
const STEPS: usize = 60;

/// The rate of each group, and the error that was measured for it.
pub(super) struct Rates {
    pub(super) rates: Vec<f64>,
    pub(super) errors: Vec<Option<f64>>,
}

/// What is known of a model that is pruned.
#[derive(Clone, Copy)]
pub(super) struct Traced<'a> {
    pub(super) model: &'a Model,
    pub(super) trace: &'a Trace,
    pub(super) shapes: &'a Shapes,
    pub(super) groups: &'a Prunable,
    pub(super) importance: &'a [Vec<f64>],
}

impl Traced<'_> {
    /// The model without some of its channels, and what is left of them.
    pub(super) fn without(&self, removed: &HashSet<Atom>) -> Result<(Model, super::Kept), CompressError> {
        let mut pruned = self.model.clone();
        let opset = pruned.opset();
        let kept = rewrite(pruned.graph_mut(), self.trace, self.shapes, opset, removed)?;
        Ok((pruned, kept))
    }

    fn macs(&self, removed: &HashSet<Atom>) -> f64 {
        macs(self.model.graph(), self.trace, self.shapes, removed) as f64
    }

    /// Rates by measured sensitivity.
    ///
    /// For each group alone, pruned at the wanted rate, the error `e` of the outputs ([`Reference::error`]) and the
    /// multiply-accumulates saved `m` are measured. With an error that grows with the square of a group's rate, and errors
    /// that add up, the least error for given savings has rates in proportion to `m / e` (Lagrange); they are cut at twice
    /// the wanted rate and at 0.95, and their factor is such that as much is saved as with the wanted rate everywhere.
    pub(super) fn sensitivity(
        &self,
        input: &InputSpec,
        images: &CalibrationImages,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Rates, CompressError> {
        let reference = Reference::new(self.model, input, images, IMAGES)?;
        let whole = self.macs(&HashSet::new());
        let total = self.groups.groups.len();
        let (mut gains, mut errors) = (Vec::new(), Vec::new());
        for (number, group) in self.groups.groups.iter().enumerate() {
            let mut rates = vec![0.0; total];
            // at least one step, or there is nothing to measure
            let sets = group.sets.len() as f64;
            let least = group.step as f64 / sets;
            if let Some(rate) = rates.get_mut(number) {
                *rate = options.rate.max(least);
            }
            let removed = self.groups.select(self.importance, &rates);
            let count = group.sets.iter().filter(|set| removed.contains(&set.root)).count();
            if count == 0 {
                gains.push(0.0);
                errors.push(None);
            } else {
                let error = reference.error(&self.without(&removed)?.0)?;
                let saved = whole - self.macs(&removed);
                gains.push(count as f64 / sets * saved / error.max(f64::MIN_POSITIVE));
                errors.push(Some(error));
            }
            progress(Progress { what: "sensitivity", done: number + 1, total });
        }
        let rates = self.scaled(&gains, options.rate);
        Ok(Rates { rates, errors })
    }

    /// Rates in proportion to the gains, up to a limit, that save what `rate` everywhere does.
    fn scaled(&self, gains: &[f64], rate: f64) -> Vec<f64> {
        let limit = (2.0 * rate).min(MAX_RATE);
        let wanted = self.macs(&self.groups.select(self.importance, &vec![rate; gains.len()]));
        let rates = |exponent: f64| -> Vec<f64> {
            gains.iter().map(|gain| (gain * exponent.exp()).min(limit)).collect()
        };
        let positive = || gains.iter().copied().filter(|gain| *gain > 0.0 && gain.is_finite()).map(f64::ln);
        let smallest = positive().fold(f64::INFINITY, f64::min);
        let largest = positive().fold(f64::NEG_INFINITY, f64::max);
        if !smallest.is_finite() || limit <= 0.0 {
            return vec![0.0; gains.len()];
        }
        // from next to nothing everywhere to the limit everywhere
        let (mut low, mut high) = ((1e-6 * limit).ln() - largest, limit.ln() - smallest);
        for _ in 0..STEPS {
            let middle = f64::midpoint(low, high);
            if self.macs(&self.groups.select(self.importance, &rates(middle))) > wanted {
                low = middle;
            } else {
                high = middle;
            }
        }
        rates(high)
    }
}
