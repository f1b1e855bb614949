//! What the loss would change without a weight or a channel, to first order.

use std::collections::HashMap;

use roadproof::compress::channels::Scales;
use roadproof::compress::graph::Model;
use roadproof::compress::graph::proto::{AttributeProto, TensorProto};

use crate::engine::{Gradients, Net, Parameters, Role};
use crate::tensor::Tensor;

/// Gradients of the loss, image by image.
#[derive(Debug, Clone, PartialEq)]
pub struct Sensitivity {
    /// By parameter: the mean over images of (gradient × weight)², element by element.
    elements: Vec<Tensor>,
    /// By parameter and index of its output channels: the mean over images of (Σ gradient × weight over the channel)².
    channels: Vec<Vec<f64>>,
    /// By parameter: the axis of its output channels.
    axes: Vec<Option<usize>>,
    images: u64,
}

impl Sensitivity {
    /// Of no image yet.
    #[must_use]
    pub fn new(net: &Net, parameters: &Parameters) -> Self {
        let Gradients(elements) = Gradients::zeros(parameters);
        let layers = layers(net, parameters);
        let axes: Vec<Option<usize>> =
            (0..elements.len()).map(|index| layers.get(&index).map(|layer| layer.axis)).collect();
        let channels = elements
            .iter()
            .zip(&axes)
            .map(|(tensor, axis)| axis.map_or_else(Vec::new, |axis| vec![0.0; tensor.dim(axis)]))
            .collect();
        Self { elements, channels, axes, images: 0 }
    }

    /// Takes in the gradients of one image's loss.
    pub fn add(&mut self, parameters: &Parameters, gradients: &Gradients) {
        self.images += 1;
        let share = 1.0 / self.images as f64;
        let of_parameters = parameters.items.iter().zip(&gradients.0).zip(&self.axes);
        let sums = self.elements.iter_mut().zip(&mut self.channels);
        for (((parameter, gradient), axis), (elements, channels)) in of_parameters.zip(sums) {
            let products = parameter.tensor.data().iter().zip(gradient.data()).map(|(w, g)| w * g);
            let mut by_channel = vec![0f64; channels.len()];
            let behind: usize = axis.map_or(1, |axis| gradient.dims().iter().skip(axis + 1).product());
            for (index, (product, mean)) in products.zip(elements.data_mut()).enumerate() {
                *mean += (product * product - *mean) * share as f32;
                let channel = index / behind.max(1) % by_channel.len().max(1);
                if let Some(sum) = by_channel.get_mut(channel) {
                    *sum += f64::from(product);
                }
            }
            for (mean, sum) in channels.iter_mut().zip(by_channel) {
                *mean += (sum * sum - *mean) * share;
            }
        }
    }

    /// Parameters with, in place of each weight, what ranks it.
    pub(super) fn ranks(&self, parameters: &Parameters) -> Parameters {
        let mut ranked = parameters.clone();
        for (parameter, elements) in ranked.items.iter_mut().zip(&self.elements) {
            if parameter.role != Role::Weight {
                continue;
            }
            for (value, rank) in parameter.tensor.data_mut().iter_mut().zip(elements.data()) {
                // what is zero stays lowest; what no image moved comes next, by magnitude
                let moved = rank.sqrt();
                *value = if *value == 0.0 { 0.0 } else { moved + value.abs() * 1e-12 + f32::MIN_POSITIVE };
            }
        }
        ranked
    }
}

/// By tensor that a layer makes, the importance of each of its channels.
#[must_use]
pub fn channel_scales(net: &Net, parameters: &Parameters, found: &Sensitivity) -> Scales {
    let layers = layers(net, parameters);
    let scales = layers.into_iter().filter_map(|(index, layer)| {
        let channels = found.channels.get(index)?;
        Some((layer.output, channels.iter().map(|mean| mean.sqrt() as f32).collect()))
    });
    scales.collect()
}

struct Layer {
    output: String,
    axis: usize,
}

/// By index of its weights: the tensor that a layer makes, and the axis of the weights that its channels lie along.
fn layers(net: &Net, parameters: &Parameters) -> HashMap<usize, Layer> {
    let nodes = net.model().graph().node.iter();
    let found = nodes.filter_map(|node| {
        let index = parameters.position(node.input.get(1)?)?;
        let int = |name: &str, default| node.attribute(name).map_or(default, AttributeProto::i);
        let axis = match node.op_type() {
            "Conv" => 0,
            "ConvTranspose" if int("group", 1) == 1 => 1,
            "Gemm" => usize::from(int("transB", 0) == 0),
            "MatMul" => 1,
            _ => return None,
        };
        Some((index, Layer { output: node.output.first()?.clone(), axis }))
    });
    found.collect()
}

/// `model` with zero weights wherever `ranked`, of the same graph, has a zero.
pub(super) fn zero_where(mut model: Model, ranked: &Model) -> Model {
    let ranks: HashMap<&str, &TensorProto> =
        ranked.graph().initializer.iter().map(|tensor| (tensor.name(), tensor)).collect();
    for tensor in &mut model.graph_mut().initializer {
        let (Some(ranks), Ok(mut values)) = (ranks.get(tensor.name()), tensor.f32_values()) else { continue };
        let Ok(ranks) = ranks.f32_values() else { continue };
        let mut changed = false;
        for (value, rank) in values.iter_mut().zip(ranks) {
            if rank == 0.0 && *value != 0.0 {
                *value = 0.0;
                changed = true;
            }
        }
        if changed {
            *tensor = TensorProto::of_f32(tensor.name(), &tensor.dims, &values);
        }
    }
    model
}
