//! The statistics of batch normalisations, measured anew.
//!
//! A pruned network normalises by means and variances of channels that see other inputs than before: much of the accuracy
//! that pruning costs comes back with statistics of the network as it is (Li et al., `EagleEye`, ECCV 2020, section 3.3).

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use roadproof::compress::graph::proto::TensorProto;

use super::{Net, Node, Parameters, RunError, Source, ValueId};
use crate::tensor::{Tensor, Value, ValueRef};

/// Places of mean and variance among the inputs of a `BatchNormalization`.
const MEAN: usize = 3;
const VARIANCE: usize = 4;

/// What batch normalisations normalise by.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Statistics {
    /// By tensor of the graph: means or variances, by channel.
    values: BTreeMap<ValueId, Tensor>,
}

/// Count, mean and sum of squared distances from it, by channel; of several parts by Chan et al., 1983, equations 2.1.
#[derive(Debug, Clone, Default)]
struct Moments {
    count: f64,
    mean: Vec<f64>,
    distances: Vec<f64>,
}

impl Moments {
    /// Of images [N, C, ...].
    fn of(images: &Tensor) -> Self {
        let channels = images.dim(1);
        let plane: usize = images.dims().iter().skip(2).product();
        let mut all = Self::default();
        for image in images.data().chunks_exact((channels * plane).max(1)) {
            let mut part = Self { count: plane as f64, ..Self::default() };
            for values in image.chunks_exact(plane.max(1)) {
                let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / part.count;
                part.distances.push(values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum());
                part.mean.push(mean);
            }
            all.add(&part);
        }
        all
    }

    fn add(&mut self, other: &Self) {
        if self.mean.is_empty() {
            self.clone_from(other);
            return;
        }
        let count = self.count + other.count;
        let own = self.mean.iter_mut().zip(&mut self.distances);
        for ((mean, distances), (other_mean, other_distances)) in
            own.zip(other.mean.iter().zip(&other.distances))
        {
            let apart = other_mean - *mean;
            *mean += apart * other.count / count;
            *distances += other_distances + apart * apart * self.count * other.count / count;
        }
        self.count = count;
    }

    /// Means and variances.
    fn tensors(&self) -> [Tensor; 2] {
        let channels = self.mean.len();
        [
            Tensor::from_fn(&[channels], |channel| self.mean[channel] as f32),
            Tensor::from_fn(&[channels], |channel| (self.distances[channel] / self.count) as f32),
        ]
    }
}

impl Node {
    /// The tensors that a batch normalisation takes mean and variance from.
    fn statistics(&self) -> Option<(ValueId, ValueId)> {
        if self.op_type != "BatchNormalization" {
            return None;
        }
        Some((self.inputs.get(MEAN).copied().flatten()?, self.inputs.get(VARIANCE).copied().flatten()?))
    }
}

impl Net {
    /// Measures mean and (biased) variance of what goes into every `BatchNormalization`, over all elements of all images as
    /// if they were one batch: each of them works with its new statistics already when those behind it are measured. All
    /// images are in memory at a time, each with the tensors that are still needed. Empty where there are no images.
    ///
    /// Statistics that several of these nodes share are those of all that goes into them.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn batch_statistics(
        &self,
        parameters: &Parameters,
        images: impl IntoIterator<Item = Tensor>,
    ) -> Result<Statistics, RunError> {
        let mut runs = Vec::new();
        for image in images {
            runs.push(self.start(image)?);
        }
        if runs.is_empty() {
            return Ok(Statistics::default());
        }
        let last_uses = self.last_uses();
        let mut found: BTreeMap<(ValueId, ValueId), Moments> = BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let mut measured = None;
            if let Some(places) = node.statistics() {
                let parts: Vec<Moments> = runs
                    .par_iter()
                    .filter_map(|values| {
                        let inputs = self.inputs(node, parameters, values);
                        inputs.first().copied().flatten()?.as_f32().map(Moments::of)
                    })
                    .collect();
                let mut moments = Moments::default();
                for part in &parts {
                    moments.add(part);
                }
                found.entry(places).or_default().add(&moments);
                measured = Some(moments.tensors());
            }
            runs.par_iter_mut().try_for_each(|values| {
                let mut inputs = self.inputs(node, parameters, values);
                if let Some([mean, variance]) = &measured {
                    for (place, tensor) in [(MEAN, mean), (VARIANCE, variance)] {
                        if let Some(input) = inputs.get_mut(place) {
                            *input = Some(ValueRef::F32(tensor));
                        }
                    }
                }
                let (outputs, _) = node.op.forward(&inputs).map_err(|source| node.error(source))?;
                for (id, value) in node.outputs.iter().zip(outputs) {
                    if let Some(slot) = id.and_then(|id| values.get_mut(id.0)) {
                        *slot = Some(value);
                    }
                }
                for id in node.inputs.iter().flatten().filter(|id| last_uses.get(id) == Some(&number)) {
                    if let Some(slot) = values.get_mut(id.0) {
                        *slot = None;
                    }
                }
                Ok(())
            })?;
        }
        let mut values = BTreeMap::new();
        for ((mean, variance), moments) in found {
            values.extend([mean, variance].into_iter().zip(moments.tensors()));
        }
        Ok(Statistics { values })
    }

    /// Normalises by these statistics from now on; [`store`](Self::store) writes them, too.
    pub fn set_statistics(&mut self, statistics: &Statistics) {
        let mut by_name: HashMap<&str, &Tensor> = HashMap::new();
        for (id, tensor) in &statistics.values {
            if let Some(Source::Constant(Value::F32(known))) = self.sources.get_mut(id.0)
                && known.dims() == tensor.dims()
            {
                known.clone_from(tensor);
                if let Some(name) = self.names.get(id.0) {
                    by_name.insert(name, tensor);
                }
            }
        }
        for initialiser in &mut self.model.graph_mut().initializer {
            if let Some(tensor) = by_name.get(initialiser.name()) {
                *initialiser = TensorProto::of_f32(initialiser.name(), &initialiser.dims, tensor.data());
            }
        }
    }

    /// The node that uses a tensor last.
    fn last_uses(&self) -> HashMap<ValueId, usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes.flat_map(|(number, node)| node.inputs.iter().flatten().map(move |id| (*id, number))).collect()
    }
}
