//! Quantisation after training to 8 bits: weights int8 by channel, activations uint8, calibrated on images.
//!
//! The result is the same graph in ONNX's QDQ form: `QuantizeLinear` and `DequantizeLinear` around what computes in
//! integers, which ONNX Runtime fuses into integer kernels. Scales follow Jacob et al., "Quantization and Training of
//! Neural Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR 2018).

mod calibrate;
mod mixed;
mod observe;
mod plan;
mod rewrite;
mod scale;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

pub use mixed::{Mixed, Sensitivity, search, sensitivities};

use super::graph::{Index, Model, node_name};
use super::{CalibrationImages, CompressError, Progress, named_nodes};
use crate::detector::manifest::InputSpec;
use plan::{Plan, Role};
use scale::Weights;

/// The oldest operators that quantise by channel.
const MIN_OPSET: i64 = 13;

/// How much of an activation's range is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Calibration {
    /// Everything that was seen.
    #[default]
    Minmax,
    /// [`Options::percentile`] percent of the values; of the rest half at each end is cut off.
    Percentile,
    /// The range of the least mean squared error.
    Mse,
    /// The range of the least Kullback-Leibler divergence.
    Entropy,
}

impl std::fmt::Display for Calibration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Minmax => "minmax",
            Self::Percentile => "percentile",
            Self::Mse => "mse",
            Self::Entropy => "entropy",
        })
    }
}

/// The integers that activations become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activations {
    /// 0..=255 with a zero point: what ONNX Runtime's CPU kernels are fastest with.
    #[default]
    Uint8,
    /// -128..=127, zero at 0, biases in float: what TensorRT asks for.
    Int8,
}

impl std::fmt::Display for Activations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Uint8 => "uint8",
            Self::Int8 => "int8",
        })
    }
}

/// What to quantise, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// How ranges are chosen.
    pub calibration: Calibration,
    /// Of [`Calibration::Percentile`]: percent of the values that are kept, 50 to 100.
    pub percentile: f64,
    /// What activations become.
    pub activations: Activations,
    /// Names of nodes that stay in float.
    pub exclude: Vec<String>,
    /// So many more stay in float: those whose weights suffer most, by the ratio of signal to rounding error.
    pub exclude_worst: usize,
    /// Mixed precision: as few more stay in float as it takes for the gate to let the model pass.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub mixed: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            calibration: Calibration::default(),
            percentile: 99.99,
            activations: Activations::default(),
            exclude: Vec::new(),
            exclude_worst: 0,
            mixed: false,
        }
    }
}

/// A node whose weights were quantised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QuantisedNode {
    /// Its name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Number of weights.
    pub weights: usize,
    /// Number of scales.
    pub channels: usize,
    /// Power of the weights over that of their rounding errors, dB.
    pub sqnr_db: f64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Nodes with quantised weights, in the graph's order.
    pub nodes: Vec<QuantisedNode>,
    /// Names of further nodes that compute in integers.
    pub through: Vec<String>,
    /// Names of nodes that stay in float.
    pub float: Vec<String>,
    /// Number of activations that are quantised.
    pub tensors: usize,
    /// Of mixed precision: what quantising each layer alone does, the most sensitive first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sensitivities: Vec<Sensitivity>,
    /// Of mixed precision: the layers that stay in float so that the gate lets the model pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_in_float: Vec<String>,
}

/// Quantises a model. `input` is its manifest's, so that calibration sees images as the detector does.
///
/// # Errors
/// As [`Calibrated::new`].
pub fn quantise(
    model: &Model,
    input: &InputSpec,
    images: &CalibrationImages,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Model, Report), CompressError> {
    Calibrated::new(model, input, images, options, progress)?.quantise(&[])
}

/// A float model with the ranges of its activations, from which quantised ones are made.
#[derive(Debug, Clone)]
pub struct Calibrated {
    model: Model,
    index: Index,
    excluded: HashSet<String>,
    ranges: calibrate::Ranges,
    activations: Activations,
}

impl Calibrated {
    /// Runs the model on the images.
    ///
    /// # Errors
    /// [`CompressError`]: an old opset, a node that does not exist, nothing to quantise, an image that cannot be used, a
    /// model that ONNX Runtime refuses or that puts out values that are not finite.
    pub fn new(
        model: &Model,
        input: &InputSpec,
        images: &CalibrationImages,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self, CompressError> {
        if model.opset() < MIN_OPSET {
            return Err(CompressError::Opset { path: model.path().to_owned(), found: model.opset() });
        }
        let mut model = model.clone();
        model.graph_mut().sort()?;
        let index = Index::new(model.graph());
        let mut excluded = named_nodes(&model, &options.exclude)?;
        if options.exclude_worst > 0 {
            let worst = worst(&model, &index, &excluded, options.exclude_worst)?;
            excluded.extend(worst);
        }
        let ranges = loop {
            let plan = Plan::new(model.graph(), &index, &excluded);
            if !plan.roles.contains(&Role::Core) {
                return Err(CompressError::NothingToQuantise { path: model.path().to_owned() });
            }
            // also of tensors that share a range: where a node between them is left out, they do not
            let tensors: HashSet<&str> =
                plan.tensors.iter().flat_map(|(tensor, root)| [tensor.as_str(), root.as_str()]).collect();
            let ranges = calibrate::ranges(&model, &tensors, input, images, options, progress)?;
            // what turns out not to be float32 (sizes, indices) stays as it is
            let missing =
                |tensor: &&str| index.initialiser(tensor).is_none() && !ranges.contains_key(*tensor);
            let other: HashSet<&str> = tensors.into_iter().filter(missing).collect();
            if other.is_empty() {
                break ranges;
            }
            let touched = model.graph().node.iter().filter(|node| {
                node.input.iter().chain(&node.output).any(|tensor| other.contains(tensor.as_str()))
            });
            excluded.extend(touched.map(|node| node_name(node).to_owned()));
        };
        Ok(Self { model, index, excluded, ranges, activations: options.activations })
    }

    /// Names of the nodes whose weights are quantised where no more are excluded, in the graph's order.
    #[must_use]
    pub fn layers(&self) -> Vec<String> {
        let graph = self.model.graph();
        let plan = Plan::new(graph, &self.index, &self.excluded);
        let nodes = graph.node.iter().zip(&plan.roles).filter(|(_, role)| **role == Role::Core);
        nodes.map(|(node, _)| node_name(node).to_owned()).collect()
    }

    /// The quantised model, with these of its [`layers`](Self::layers) in float beside those that the options name.
    ///
    /// # Errors
    /// Nothing is left to be quantised, or a tensor does not hold what it says.
    pub fn quantise(&self, float: &[String]) -> Result<(Model, Report), CompressError> {
        let mut model = self.model.clone();
        let excluded = self.excluded.iter().chain(float).cloned().collect();
        let plan = Plan::new(model.graph(), &self.index, &excluded);
        if !plan.roles.contains(&Role::Core) {
            return Err(CompressError::NothingToQuantise { path: model.path().to_owned() });
        }
        let names = |wanted: &[Role]| -> Vec<String> {
            let nodes = model.graph().node.iter().zip(&plan.roles);
            let nodes = nodes.filter(|(_, role)| wanted.contains(role));
            nodes.map(|(node, _)| node_name(node).to_owned()).collect()
        };
        let through = names(&[Role::SameRange, Role::OwnRange, Role::Cut]);
        let float = names(&[Role::Float]);
        let nodes = rewrite::rewrite(model.graph_mut(), &plan, &self.ranges, self.activations)?;
        model.set_producer("roadproof", env!("CARGO_PKG_VERSION"));
        let tensors = plan.tensors.len();
        let (sensitivities, kept_in_float) = (Vec::new(), Vec::new());
        Ok((model, Report { nodes, through, float, tensors, sensitivities, kept_in_float }))
    }
}

/// The nodes whose weights have the lowest ratio of signal to rounding error.
fn worst(
    model: &Model,
    index: &Index,
    excluded: &HashSet<String>,
    count: usize,
) -> Result<Vec<String>, CompressError> {
    let graph = model.graph();
    let plan = Plan::new(graph, index, excluded);
    let mut nodes = Vec::new();
    for (node, _) in graph.node.iter().zip(&plan.roles).filter(|(_, role)| **role == Role::Core) {
        let number = node.input.get(1).and_then(|weight| index.initialiser(weight));
        if let Some(weight) = number.and_then(|number| graph.initializer.get(number)) {
            let weights =
                Weights::new(&weight.f32_values()?, &weight.dims, rewrite::channel_axis(node), None);
            nodes.push((weights.sqnr_db, node_name(node).to_owned()));
        }
    }
    nodes.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(nodes.into_iter().take(count).map(|(_, name)| name).collect())
}
