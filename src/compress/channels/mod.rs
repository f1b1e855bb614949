//! Structured pruning: channels that are really removed, so that the file is smaller and faster.

mod atoms;
mod importance;
mod kept;
mod redundancy;
mod report;
mod rewrite;
mod sets;
mod spread;
mod trace;

#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::graph::{Index, Model};
use super::shapes::Shapes;
use super::simplify::lift;
use super::{CalibrationImages, CompressError, Progress, named_nodes};
use crate::detector::manifest::InputSpec;
pub(super) use kept::compose;
pub use kept::kept_channels;
use sets::Prunable;
use spread::{Rates, Traced};
use trace::Trace;

/// How much a channel matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Importance {
    /// Sum of the magnitudes of its weights.
    L1,
    /// Root of the sum of their squares.
    #[default]
    L2,
    /// The factor of the batch normalisation behind it, or folded into it, where there was one; elsewhere as `l2`.
    Scale,
    /// What it passes on: mean square of its activation on calibration images × the squared weights that read it.
    Activation,
    /// What of that the channels that are left cannot take over, as [`reconstruct`](super::reconstruct) makes them.
    Redundancy,
}

/// How the rate is spread over the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spread {
    /// The same everywhere.
    #[default]
    Uniform,
    /// More where measured sensitivity (the error of the outputs when only that group is pruned) is low.
    Sensitivity,
}

/// What to prune, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Share of the channels that is removed, 0 to 0.95.
    pub rate: f64,
    /// By what channels are ranked.
    #[serde(default)]
    pub importance: Importance,
    /// Where they are removed.
    #[serde(default)]
    pub spread: Spread,
    /// Channel counts that remain are multiples of this (where the layer's were), 1 to 64.
    #[serde(default = "multiple")]
    pub multiple: usize,
    /// Names of nodes whose output channels all stay.
    #[serde(default)]
    pub exclude: Vec<String>,
}

fn multiple() -> usize {
    1
}

/// Tensor -> the channels (of axis 1; of what `MatMul` makes the last axis) of the unpruned model that are left, in order; tensors that kept all are missing.
pub type Kept = HashMap<String, Vec<usize>>;

/// Tensor -> by channel, the magnitude of the factor of the batch normalisation that was folded into the node that makes it
/// ([`simplify::Report::scales`](super::simplify::Report)).
pub type Scales = HashMap<String, Vec<f32>>;

/// The largest rate.
const MAX_RATE: f64 = 0.95;

/// A number before and after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Of the model that was given.
    pub before: u64,
    /// Of the pruned one.
    pub after: u64,
}

/// Channels that the same layers make and read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrunedGroup {
    /// Names of the layers that make the channels.
    pub layers: Vec<String>,
    /// Names of the layers that read them.
    pub readers: Vec<String>,
    /// Number of channel sets; the channels of a set only go together.
    pub before: usize,
    /// Number of sets that are left.
    pub after: usize,
    /// Share of the sets' summed importance that was removed, 0 to 1.
    pub importance_removed: f64,
    /// With [`Spread::Sensitivity`]: the error of the outputs when only this group is pruned ([`Reference::error`]).
    ///
    /// [`Reference::error`]: super::Reference::error
    pub error: Option<f64>,
}

/// The output channels of a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Channels of the model that was given.
    pub before: usize,
    /// Channels that are left.
    pub after: usize,
    /// So many of them cannot be removed.
    pub frozen: usize,
    /// Why not.
    pub reasons: Vec<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Number of float32 constants.
    pub parameters: Change,
    /// Multiply-accumulates of convolutions and matrix products for one input.
    pub macs: Change,
    /// What could be removed.
    pub groups: Vec<PrunedGroup>,
    /// All layers with weights, in the graph's order.
    pub layers: Vec<Layer>,
}

/// Removes channels, so that what is left works as before on less. Names of nodes and tensors stay.
///
/// Channels that depend on each other (through additions, concatenations, splits, shuffles, depthwise and grouped
/// convolutions) go together; those that a node needs for what it does, or that the model puts out, stay, and the report
/// says why.
///
/// # Errors
/// [`CompressError`]: a rate or multiple out of range, an excluded node that does not exist, nothing that could be
/// removed, a measure that needs images without any, an image that cannot be used, a model that ONNX Runtime refuses.
pub fn prune(
    model: &Model,
    input: &InputSpec,
    images: Option<&CalibrationImages>,
    scales: &Scales,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Model, Kept, Report), CompressError> {
    check(options, images)?;
    named_nodes(model, &options.exclude)?;
    let mut base = model.clone();
    lift(base.graph_mut());
    base.graph_mut().sort()?;
    base.graph_mut().remove_dead();
    let shape = input.shape();
    let shapes = Shapes::of(&base, &shape)?;
    let index = Index::new(base.graph());
    let trace = Trace::new(base.graph(), &index, &shapes, base.opset(), &options.exclude);
    let groups = Prunable::new(&trace, options.multiple);
    if groups.groups.is_empty() && options.rate > 0.0 {
        let layers = report::layers(base.graph(), &trace, &HashSet::new());
        let reasons =
            layers.iter().flat_map(|layer| layer.reasons.iter().map(|r| format!("{}: {r}", layer.name)));
        let reasons: Vec<String> = reasons.take(8).collect();
        let why = if reasons.is_empty() {
            "expected Conv, ConvTranspose, Gemm or MatMul with constant float32 weights, found none"
                .to_owned()
        } else {
            format!("every layer's channels have to stay ({})", reasons.join("; "))
        };
        return Err(CompressError::NothingToPrune { path: model.path().to_owned(), why });
    }
    let importance = match (options.importance, images) {
        (Importance::Activation, Some(images)) if options.rate > 0.0 => {
            importance::of_activations(&base, (&trace, &groups, &shapes), input, images, progress)?
        }
        (Importance::Redundancy, Some(images)) if options.rate > 0.0 => {
            redundancy::of_redundancy(&base, (&trace, &groups, &shapes), input, images, progress)?
        }
        (kind, _) => importance::of_weights(base.graph(), &trace, &groups, kind, scales)?,
    };
    let traced =
        Traced { model: &base, trace: &trace, shapes: &shapes, groups: &groups, importance: &importance };
    let rates = match (options.spread, images) {
        (Spread::Sensitivity, Some(images)) if options.rate > 0.0 => {
            traced.sensitivity(input, images, options, progress)?
        }
        _ => {
            let count = groups.groups.len();
            Rates { rates: vec![options.rate; count], errors: vec![None; count] }
        }
    };
    let removed = groups.select(&importance, &rates.rates);
    let (mut pruned, kept) =
        if removed.is_empty() { (model.clone(), Kept::new()) } else { traced.without(&removed)? };
    let report = report::report(&traced, &pruned, &removed, &rates.errors);
    if !removed.is_empty() {
        kept::note(&mut pruned, &compose(kept_channels(model), kept.clone()));
        Shapes::of(&pruned, &shape)?; // ONNX Runtime takes it
        pruned.set_producer("roadproof", env!("CARGO_PKG_VERSION"));
    }
    Ok((pruned, kept, report))
}

fn check(options: &Options, images: Option<&CalibrationImages>) -> Result<(), CompressError> {
    if !(0.0..=MAX_RATE).contains(&options.rate) {
        let found = options.rate.to_string();
        return Err(CompressError::PruneOption { option: "a rate", expected: "of 0 to 0.95", found });
    }
    if !(1..=64).contains(&options.multiple) {
        let found = options.multiple.to_string();
        return Err(CompressError::PruneOption { option: "a multiple", expected: "of 1 to 64", found });
    }
    let measured = match options.importance {
        Importance::Activation => Some("the importance `activation`"),
        Importance::Redundancy => Some("the importance `redundancy`"),
        Importance::L1 | Importance::L2 | Importance::Scale => None,
    };
    if let (None, Some(what)) = (images, measured) {
        return Err(CompressError::PruneImages { what });
    }
    if images.is_none() && options.spread == Spread::Sensitivity {
        return Err(CompressError::PruneImages { what: "the spread `sensitivity`" });
    }
    Ok(())
}
