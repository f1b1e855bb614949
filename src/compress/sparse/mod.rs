//! Unstructured pruning: the smallest weights become zero. The file keeps its size (but packs better), and only hardware
//! and kernels made for it are faster.

mod weights;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::graph::Model;
use super::graph::proto::TensorProto;
use super::{CompressError, named_nodes};

/// Where the smallest weights are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// In the whole model.
    #[default]
    Global,
    /// In each layer, the same share of each.
    Layer,
    /// In every `group` consecutive weights along the input channels, `group - keep` of them: 2:4 is what the sparse
    /// tensor cores of NVIDIA GPUs take.
    Pattern {
        /// Weights that stay of each group.
        keep: usize,
        /// Size of a group.
        group: usize,
    },
}

/// What to prune, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Share of the weights that becomes zero, 0 to 0.99; of no meaning for [`Scope::Pattern`].
    #[serde(default)]
    pub rate: f64,
    /// Where.
    #[serde(default)]
    pub scope: Scope,
    /// Names of nodes whose weights all stay.
    #[serde(default)]
    pub exclude: Vec<String>,
}

/// A layer, and what was done to its weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Its operator.
    pub operator: String,
    /// Number of weights.
    pub weights: usize,
    /// Number of zeros among them.
    pub zeros: usize,
    /// Why its weights were left as they are, if they were.
    pub left: Option<String>,
}

/// What was done. Weights that several layers share are listed, and counted, with the first of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// All layers with constant weights, in the graph's order.
    pub layers: Vec<Layer>,
    /// Number of their weights.
    pub weights: usize,
    /// Number of zeros among them.
    pub zeros: usize,
    /// Bytes of the layers' weights after zstd (level 3), of the model that was given.
    pub packed_before: usize,
    /// The same of the pruned one.
    pub packed_after: usize,
}

/// Sets weights of `Conv`, `ConvTranspose`, `Gemm` and `MatMul` to zero, those of the smallest magnitude first; among
/// alike ones the first in the model. Biases stay.
///
/// # Errors
/// [`CompressError`]: a rate or pattern out of range, an excluded node that does not exist, no weights to prune.
pub fn prune(model: &Model, options: &Options) -> Result<(Model, Report), CompressError> {
    check(options)?;
    let excluded = named_nodes(model, &options.exclude)?;
    let mut tensors = weights::find(model.graph(), &excluded)?;
    if tensors.iter().all(|tensor| tensor.left.is_some()) {
        let why = "expected Conv, ConvTranspose, Gemm or MatMul with constant float32 weights, found none that is not excluded";
        return Err(CompressError::NothingToPrune { path: model.path().to_owned(), why: why.to_owned() });
    }
    let packed_before = weights::packed(&tensors);
    let open = tensors.iter_mut().filter(|tensor| tensor.left.is_none());
    match options.scope {
        Scope::Global => {
            let mut values: Vec<&mut f32> = open.flat_map(|tensor| &mut tensor.values).collect();
            weights::zero(&mut values, options.rate);
        }
        Scope::Layer => {
            for tensor in open {
                let mut values: Vec<&mut f32> = tensor.values.iter_mut().collect();
                weights::zero(&mut values, options.rate);
            }
        }
        Scope::Pattern { keep, group } => {
            for tensor in open {
                tensor.thin_out(keep, group);
            }
        }
    }
    let packed_after = weights::packed(&tensors);
    let mut pruned = model.clone();
    for tensor in tensors.iter().filter(|tensor| tensor.left.is_none()) {
        if let Some(place) = pruned.graph_mut().initializer.get_mut(tensor.initialiser) {
            let dims = place.dims.clone();
            *place = TensorProto::of_f32(place.name(), &dims, &tensor.values);
        }
    }
    let layers: Vec<Layer> = tensors.into_iter().map(weights::Weights::into_layer).collect();
    let weights = layers.iter().map(|layer| layer.weights).sum();
    let zeros = layers.iter().map(|layer| layer.zeros).sum();
    pruned.set_producer("roadproof", env!("CARGO_PKG_VERSION"));
    Ok((pruned, Report { layers, weights, zeros, packed_before, packed_after }))
}

fn check(options: &Options) -> Result<(), CompressError> {
    if let Scope::Pattern { keep, group } = options.scope {
        if keep == 0 || keep >= group || group > 64 {
            return Err(CompressError::PruneOption {
                option: "a pattern",
                expected: "that keeps 1 or more, and fewer than all, of each group of 2 to 64",
                found: format!("{keep}:{group}"),
            });
        }
    } else if !(0.0..=0.99).contains(&options.rate) {
        let found = options.rate.to_string();
        return Err(CompressError::PruneOption { option: "a rate", expected: "of 0 to 0.99", found });
    }
    Ok(())
}
