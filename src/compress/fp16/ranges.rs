//! How large the numbers of a model are.

use std::collections::HashMap;

use super::float;
use crate::compress::facts::Facts;
use crate::compress::graph::Model;
use crate::compress::graph::proto::{GraphProto, ValueInfo, data_type};
use crate::compress::images::Loader;
use crate::compress::runner::Runner;
use crate::compress::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;
use crate::detector::probe::Values;

/// By tensor the largest finite magnitude; infinite values are infinite in float16 too.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    weights: HashMap<String, f32>,
    activations: HashMap<String, f32>,
}

impl Ranges {
    /// The largest magnitude of a tensor that is, with the margin, too large for float16. Weights are known, and need no
    /// margin.
    pub(super) fn beyond(&self, tensor: &str, margin: f32) -> Option<f32> {
        let weight = self.weights.get(tensor).copied().filter(|largest| *largest > float::MAX);
        let activation = self.activations.get(tensor).copied();
        weight.or(activation.filter(|largest| largest * margin.max(1.0) > float::MAX))
    }

    /// The activation with the largest magnitude.
    pub(super) fn largest(&self) -> Option<(String, f32)> {
        let by_size = self.activations.iter().max_by(|a, b| a.1.total_cmp(b.1).then_with(|| b.0.cmp(a.0)));
        by_size.map(|(tensor, largest)| (tensor.clone(), *largest))
    }
}

fn largest(values: &[f32]) -> f32 {
    let finite = values.iter().map(|value| value.abs()).filter(|value| value.is_finite());
    finite.fold(0.0, f32::max)
}

pub(super) fn of_weights(graph: &GraphProto) -> Ranges {
    let values = |tensor: &crate::compress::graph::proto::TensorProto| {
        Some((tensor.name().to_owned(), largest(&tensor.f32_values().ok()?)))
    };
    Ranges { weights: graph.initializer.iter().filter_map(values).collect(), activations: HashMap::new() }
}

/// Runs the model on every image, with all float32 tensors as outputs.
pub(super) fn of_activations(
    ranges: &mut Ranges,
    model: &Model,
    facts: &Facts,
    input: &InputSpec,
    images: &CalibrationImages,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), CompressError> {
    let made = model.graph().node.iter().flat_map(|node| &node.output).map(String::as_str);
    let floats =
        made.filter(|tensor| facts.get(tensor).is_some_and(|fact| fact.data_type == data_type::FLOAT));
    let fed =
        model.graph().input.iter().map(ValueInfo::name).find(|name| !ranges.weights.contains_key(*name));
    let mut runner = Runner::new(model, &input.shape(), floats)?;
    let mut loader = Loader::new(input, images);
    let total = images.count();
    let mut see = |name: &str, values: &[f32]| {
        let found = largest(values);
        match ranges.activations.get_mut(name) {
            Some(known) => *known = known.max(found),
            None => drop(ranges.activations.insert(name.to_owned(), found)),
        }
    };
    for (number, image) in images.iter().enumerate() {
        loader.load(image, runner.input_mut())?;
        if let Some(fed) = fed {
            see(fed, runner.input_mut());
        }
        runner.run(|name, _, values| {
            if let Values::F32(values) = values {
                see(name, values);
            }
        })?;
        progress(Progress { what: "ranges", done: number + 1, total });
    }
    Ok(())
}
