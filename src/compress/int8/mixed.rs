//! Mixed precision: as few layers in float as a demand on the model needs.

use serde::Serialize;

use super::{Calibrated, Report};
use crate::compress::graph::Model;
use crate::compress::{CompressError, Progress, Reference};

/// What quantising one layer alone does to the model's outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The node's name.
    pub node: String,
    /// [`Reference::error`] of the model in which this node's weights and inputs are the only ones that are quantised.
    pub error: f64,
}

/// A model of mixed precision.
#[derive(Debug, Clone)]
pub struct Mixed {
    /// It.
    pub model: Model,
    /// What of it is quantised.
    pub report: Report,
    /// The layers that stay in float because of the demand, the most sensitive first.
    pub float: Vec<String>,
}

/// Measures every layer alone; the most sensitive first.
///
/// # Errors
/// ONNX Runtime refuses a model.
pub fn sensitivities(
    calibrated: &Calibrated,
    reference: &Reference,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Sensitivity>, CompressError> {
    let layers = calibrated.layers();
    let mut found = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let others: Vec<String> = layers.iter().filter(|other| *other != layer).cloned().collect();
        let (model, _) = calibrated.quantise(&others)?;
        found.push(Sensitivity { node: layer.clone(), error: reference.error(&model)? });
        progress(Progress { what: "sensitivity", done: number + 1, total: layers.len() });
    }
    found.sort_by(|a, b| b.error.total_cmp(&a.error));
    Ok(found)
}

/// Keeps the most sensitive layers in float, and of them as few as it takes for `accept` to be content. That more layers
/// in float never make a model worse is assumed: the number is found by bisection, and the model that is returned is one
/// that was accepted. None where only the model without any quantised layer would be.
///
/// # Errors
/// Those of `accept`, and where a model cannot be made.
pub fn search<E: From<CompressError>>(
    calibrated: &Calibrated,
    sensitivities: &[Sensitivity],
    mut accept: impl FnMut(&Model, usize) -> Result<bool, E>,
) -> Result<Option<Mixed>, E> {
    let mut attempt = |count: usize| -> Result<Option<Mixed>, E> {
        let float: Vec<String> = sensitivities.iter().take(count).map(|layer| layer.node.clone()).collect();
        let (model, report) = calibrated.quantise(&float)?;
        Ok(accept(&model, count)?.then_some(Mixed { model, report, float }))
    };
    if sensitivities.is_empty() {
        return Ok(None);
    }
    let mut best = attempt(0)?;
    // refused, and accepted (or without any quantised layer)
    let (mut low, mut high) = (0, sensitivities.len());
    while best.as_ref().is_none_or(|best| !best.float.is_empty()) && high - low > 1 {
        let middle = usize::midpoint(low, high);
        match attempt(middle)? {
            Some(found) => {
                high = middle;
                best = Some(found);
            }
            None => low = middle,
        }
    }
    Ok(best)
}
