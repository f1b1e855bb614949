//! A student while its graph stays the same: network, loss, optimiser, average. Pruning in the loop begins a new one.

use std::collections::HashMap;

use roadproof::compress::graph::Model;
use roadproof::detector::ModelManifest;

use super::TrainError;
use super::average::Average;
use super::masks::Masks;
use super::optimiser::Optimiser;
use super::options::RunOptions;
use super::parent::ParentModel;
use crate::data::Samples;
use crate::engine::{Gradients, Net, Parameters};
use crate::losses::Objective;
use crate::tensor::Tensor;
use crate::truth::ClassWeights;

/// It.
pub(super) struct Stage {
    pub(super) net: Net,
    pub(super) parameters: Parameters,
    pub(super) objective: Objective,
    pub(super) optimiser: Optimiser,
    pub(super) average: Average,
    pub(super) masks: Masks,
    pub(super) gradients: Gradients,
}

/// What a stage is made of, besides its graph.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) options: &'a RunOptions,
    pub(super) manifest: &'a ModelManifest,
    pub(super) parent: &'a ParentModel,
    pub(super) weights: &'a ClassWeights,
}

impl Stage {
    /// Begins with the weights of `model`.
    pub(super) fn new(model: &Model, ground: Ground<'_>) -> Result<Self, TrainError> {
        let Ground { options, manifest, parent, weights } = ground;
        let freeze = |name: &str| options.freeze.iter().any(|prefix| name.starts_with(prefix.as_str()));
        let (net, mut parameters) = Net::load(model, &manifest.input.shape(), &freeze)?;
        let objective = Objective::new(
            &options.losses,
            manifest,
            &net,
            &mut parameters,
            &|name| parent.dims(name),
            weights.clone(),
            options.seed,
        )?;
        let masks = if options.training.keep_zeros { Masks::of_zeros(&parameters) } else { Masks::default() };
        Ok(Self {
            optimiser: Optimiser::new(options.optimiser, &parameters),
            average: Average::new(options.training.average, &parameters),
            gradients: Gradients::zeros(&parameters),
            net,
            parameters,
            objective,
            masks,
        })
    }

    /// Estimates the statistics of batch normalisations anew, on so many images as they are; those that cannot be read are
    /// left out.
    pub(super) fn estimate_statistics(&mut self, samples: &Samples, images: usize) -> Result<(), TrainError> {
        let has_any = self.net.model().graph().node.iter().any(|node| node.op_type() == "BatchNormalization");
        if !has_any {
            return Ok(());
        }
        let mut maker = samples.maker();
        let count = images.min(samples.images());
        let evenly = (0..count).map(|number| number * samples.images() / count.max(1));
        let inputs = evenly.filter_map(|image| samples.plain(&mut maker, image).ok());
        let statistics = self.net.batch_statistics(&self.parameters, inputs)?;
        self.net.set_statistics(&statistics);
        Ok(())
    }

    /// Elements of the graph's parameters that are not held at zero.
    pub(super) fn alive(&self) -> usize {
        let of_graph = self.parameters.items.iter().take(self.parameters.of_graph);
        of_graph.map(|parameter| parameter.tensor.len()).sum::<usize>() - self.masks.count()
    }

    /// The graph with the average of the weights.
    pub(super) fn averaged(&self) -> Model {
        self.net.store(&self.average.parameters(&self.parameters, &self.masks))
    }

    /// Takes over what parameters of the same name and sides have learned in `before` (adaptors, layers that pruning left
    /// as they were are in the graph already).
    pub(super) fn take_over(&mut self, before: &Parameters) {
        let known: HashMap<&str, &Tensor> =
            before.extras().iter().map(|extra| (extra.name.as_str(), &extra.tensor)).collect();
        let first = self.parameters.of_graph;
        for parameter in self.parameters.items.iter_mut().skip(first) {
            if let Some(tensor) = known.get(parameter.name.as_str())
                && tensor.dims() == parameter.tensor.dims()
            {
                parameter.tensor = (*tensor).clone();
            }
        }
        self.average = Average::new(self.average.decay(), &self.parameters);
    }
}
