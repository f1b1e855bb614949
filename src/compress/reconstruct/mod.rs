//! Winning back after pruning what is possible without training: the weights and biases that are left are fitted, layer by
//! layer, so that each layer puts out what it did before.
//!
//! For each layer, in the order of the graph, the outputs Y of the unpruned model (of the channels that are left) and the
//! inputs X of the pruned one, as it is by then, are taken at sampled positions of the calibration images; the weights W
//! that minimise |Y - W X|² are found by conjugate gradients from those that are there, stopped where the error on images
//! that are held back no longer falls. That X is the pruned model's makes each layer undo the errors of those before it.
//! Least squares after channel pruning: He, Zhang, Sun, "Channel Pruning for Accelerating Very Deep Neural Networks"
//! (ICCV 2017), there for each layer alone; early stopping as regularisation: Hanke, "Conjugate Gradient Type Methods for
//! Ill-Posed Problems" (1995).

mod layer;
mod moments;
mod solve;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::channels::Kept;
use super::graph::proto::TensorProto;
use super::graph::{Model, Names, node_name};
use super::images::Loader;
use super::runner::Runner;
use super::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;
use crate::detector::probe::Values;
use layer::{Grid, Layer, positions};
use moments::Moments;

/// Samples of a layer that are taken from all images together, at least; layers with more inputs get more.
const MIN_SAMPLES: usize = 12_288;
/// Samples for each input of the layer.
const SAMPLES_PER_INPUT: usize = 6;
/// One image of so many is held back to tell where fitting stops.
const HELD_BACK: usize = 6;

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

impl std::fmt::Display for Reconstruct {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Bias => "bias",
            Self::Weights => "weights",
        })
    }
}

/// A layer that was fitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FittedLayer {
    /// The node's name.
    pub name: String,
    /// Positions, over all images, at which inputs and outputs were compared.
    pub samples: usize,
    /// The error of the layer's outputs before: squared differences over the outputs' variance. Of images that were held
    /// back, where there are enough for that.
    pub error_before: f64,
    /// The same afterwards.
    pub error_after: f64,
    /// Steps of the conjugate gradients; 0 where no step helped, or only the bias was fitted.
    pub steps: usize,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The layers, in the order in which they were fitted.
    pub layers: Vec<FittedLayer>,
    /// Layers with weights that are left as they are, by name: transposed convolutions, convolutions that are not of images,
    /// matrix products of which pruning took rows.
    pub left: Vec<String>,
}

/// Fits what is left in `pruned` to what `base` puts out on the images. Weights that are zero stay zero.
///
/// # Errors
/// An image cannot be used, ONNX Runtime refuses a model, or `pruned` was not made from `base`.
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
    let mut model = pruned.clone();
    if what == Reconstruct::None {
        return Ok((model, Report { layers: Vec::new(), left: Vec::new() }));
    }
    model.graph_mut().sort()?;
    let (layers, mut left) = layer::layers(model.graph())?;
    let shape = input.shape();
    let targets = targets(base, &layers, kept, &shape, input, images, progress)?;
    let total = layers.len() * images.count();
    let mut fitted = Vec::new();
    let mut pixels = vec![0.0; usize::try_from(shape.iter().product::<i64>()).unwrap_or(0)];
    let mut loader = Loader::new(input, images);
    'layers: for (number, (layer, targets)) in layers.iter().zip(targets).enumerate() {
        if targets.len() < images.count() {
            left.push(layer.name.clone());
            continue;
        }
        let (mut fit, mut test) = (Moments::new(layer), Moments::new(layer));
        let from_input = layer.data_is_input(model.graph());
        let mut runner =
            if from_input { None } else { Some(Runner::new(&model, &shape, [layer.data.as_str()])?) };
        let hold_back = images.count() >= HELD_BACK;
        for (index, (image, target)) in images.iter().zip(&targets).enumerate() {
            let moments = if hold_back && index % HELD_BACK == HELD_BACK - 1 { &mut test } else { &mut fit };
            let (mut seen, mut fits) = (false, true);
            if let Some(runner) = &mut runner {
                loader.load(image, runner.input_mut())?;
                runner.run(|_, sides, values| {
                    if let Values::F32(values) = values {
                        fits = layer.reads(sides, target);
                        if fits {
                            layer.add(sides, values, target, moments);
                        }
                        seen = true;
                    }
                })?;
            } else {
                loader.load(image, &mut pixels)?;
                layer.add(&shape, &pixels, target, moments);
                seen = true;
            }
            if !seen {
                return Err(CompressError::Reconstruct {
                    node: layer.name.clone(),
                    problem: format!("its input `{}` is not float32", layer.data),
                });
            }
            let done = number * images.count() + index + 1;
            progress(Progress { what: "reconstruction", done, total });
            if !fits {
                left.push(layer.name.clone());
                continue 'layers;
            }
        }
        let found = solve::fit(layer, &fit, hold_back.then_some(&test), what == Reconstruct::Weights);
        layer_into(&mut model, layer, &found);
        fitted.push(FittedLayer {
            name: layer.name.clone(),
            samples: fit.samples() + test.samples(),
            error_before: found.error_before,
            error_after: found.error_after,
            steps: found.steps,
        });
    }
    Ok((model, Report { layers: fitted, left }))
}

/// What a layer puts out for one image: the sampled positions, and by position the channels that are left.
struct Target {
    grid: Grid,
    positions: Vec<usize>,
    values: Vec<f32>,
}

/// Runs the unpruned model once per image and keeps what its layers put out, by layer and image; nothing of a layer whose
/// output is not known to be what is left of the unpruned one's.
fn targets(
    base: &Model,
    layers: &[Layer],
    kept: &Kept,
    shape: &[i64; 4],
    input: &InputSpec,
    images: &CalibrationImages,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Vec<Target>>, CompressError> {
    let by_name: HashMap<&str, &str> = base
        .graph()
        .node
        .iter()
        .filter_map(|node| Some((node_name(node), node.output.first()?.as_str())))
        .collect();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (number, layer) in layers.iter().enumerate() {
        let output = by_name.get(layer.name.as_str()).ok_or_else(|| CompressError::Reconstruct {
            node: layer.name.clone(),
            problem: "the unpruned model has no such node".to_owned(),
        })?;
        places.insert((*output).to_owned(), number);
    }
    let mut runner = Runner::new(base, shape, places.keys().map(String::as_str))?;
    let mut loader = Loader::new(input, images);
    let mut found: Vec<Vec<Target>> = layers.iter().map(|_| Vec::new()).collect();
    let total = images.count();
    for (index, image) in images.iter().enumerate() {
        loader.load(image, runner.input_mut())?;
        runner.run(|name, sides, values| {
            let Some((&number, Values::F32(values))) = places.get(name).map(|n| (n, values)) else { return };
            let (Some(layer), Some(found)) = (layers.get(number), found.get_mut(number)) else { return };
            let wanted = MIN_SAMPLES.max(SAMPLES_PER_INPUT * layer.inputs()).div_ceil(total);
            let grid = layer.grid(sides);
            let positions = positions(grid.count(), wanted, (number, index));
            let kept = kept.get(name).map(Vec::as_slice);
            if let Some(values) = layer.outputs_at(sides, values, &positions, kept) {
                found.push(Target { grid, positions, values });
            }
        })?;
        progress(Progress { what: "unpruned outputs", done: index + 1, total });
    }
    Ok(found)
}

/// Writes what was found into the model.
fn layer_into(model: &mut Model, layer: &Layer, found: &solve::Fitted) {
    let mut names = Names::new(model.graph());
    let graph = model.graph_mut();
    let users = |name: &str, graph: &super::graph::proto::GraphProto| {
        graph.node.iter().flat_map(|node| &node.input).filter(|input| *input == name).count()
    };
    let mut changed: Vec<(usize, TensorProto)> = Vec::new();
    if let Some(weights) = &found.weights {
        changed.push((1, TensorProto::of_f32(&layer.weight, &layer.dims, &layer.stored(weights))));
    }
    if let (Some(bias), true) = (&found.bias, layer.takes_bias()) {
        let name = layer.bias_name.clone().unwrap_or_else(|| format!("{}_bias", layer.name));
        changed.push((2, TensorProto::of_f32(&name, &[bias.len() as i64], bias)));
    }
    for (place, mut tensor) in changed {
        let old = tensor.name().to_owned();
        let known = graph.initializer.iter().position(|other| other.name() == old);
        let own = known.filter(|_| users(&old, graph) == 1);
        if let Some(known) = own.and_then(|known| graph.initializer.get_mut(known)) {
            *known = tensor;
            continue;
        }
        // shared with another node, or new
        let name = names.take(&old);
        tensor.name = Some(name.clone());
        graph.initializer.push(tensor);
        if let Some(node) = graph.node.get_mut(layer.node) {
            node.input.resize(node.input.len().max(place + 1), String::new());
            if let Some(input) = node.input.get_mut(place) {
                *input = name;
            }
        }
    }
}
