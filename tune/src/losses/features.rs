//! Features towards the parent's.

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::positives::Positive;
use super::{FeaturePair, LossError};
use crate::engine::{Gradients, Parameter, Parameters, Role};
use crate::tensor::Tensor;

/// A parent's features that hardly vary count as if they had this variance.
const LEAST_VARIANCE: f64 = 1e-6;

/// A pair of tensors `(1, channels, height, width)`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Feature {
    channels: [usize; 2],
    height: usize,
    width: usize,
    way: Way,
}

/// How the student's channels are held against the parent's.
#[derive(Debug, Clone, PartialEq)]
enum Way {
    /// One by one.
    Same,
    /// Each against that of the parent's that it is what pruning left of.
    Left(Vec<usize>),
    /// Through an adaptor.
    Adaptor(Adaptor),
}

/// A convolution of 1 x 1 from the student's channels to the parent's (Romero et al., "FitNets", ICLR 2015).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Adaptor {
    /// Index of the `(parent's, student's, 1, 1)` weights among the parameters.
    weight: usize,
    /// Index of the `(parent's)` biases.
    bias: usize,
    /// The parent's and the student's channels.
    channels: [usize; 2],
    name: String,
}

impl Feature {
    /// Checks the sides of a pair. `left` are the parent's channels that the student still has, where that is known. Where
    /// the numbers of channels differ otherwise, the parameters of an adaptor come behind the others, unless they are there
    /// already.
    pub(super) fn new(
        pair: &FeaturePair,
        student: &[usize],
        parent: &[usize],
        left: Option<&[usize]>,
        parameters: &mut Parameters,
        seed: u64,
    ) -> Result<Self, LossError> {
        let differ = |expected: String| LossError::Parent {
            name: pair.parent().to_owned(),
            expected,
            found: parent.to_vec(),
        };
        let [1, mine, height, width] = *student else {
            return Err(differ(format!(
                "[1, channels, height, width]; \"{}\" of the student has {student:?}",
                pair.student
            )));
        };
        let theirs = match *parent {
            [1, theirs, h, w] if (h, w) == (height, width) => theirs,
            _ => {
                return Err(differ(format!(
                    "[1, channels, {height}, {width}] as the student's \"{}\"",
                    pair.student
                )));
            }
        };
        let way = match left.filter(|left| are_channels(left, mine, theirs)) {
            _ if mine == theirs => Way::Same,
            Some(left) => Way::Left(left.to_vec()),
            None => Way::Adaptor(Adaptor::new(&pair.student, [theirs, mine], parameters, seed)?),
        };
        Ok(Self { channels: [mine, theirs], height, width, way })
    }

    /// Of a layer whose channels can be held against the parent's as they are; none otherwise.
    pub(super) fn of_layer(student: &[usize], parent: &[usize], left: Option<&[usize]>) -> Option<Self> {
        let (&[1, mine, height, width], &[1, theirs, h, w]) = (student, parent) else { return None };
        let way = match left.filter(|left| are_channels(left, mine, theirs)) {
            None if mine == theirs => Way::Same,
            Some(left) => Way::Left(left.to_vec()),
            None => return None,
        };
        ((h, w) == (height, width)).then_some(Self { channels: [mine, theirs], height, width, way })
    }

    /// The mean square of the differences over the parent's variance, times `weight`, and its gradient by the student's
    /// tensor. Adds the adaptor's gradients. With `mask`, one number per place, the mean is weighted by it.
    pub(super) fn distil(
        &self,
        parameters: &Parameters,
        student: &Tensor,
        parent: &Tensor,
        mask: Option<&[f32]>,
        weight: f64,
        gradients: &mut Gradients,
    ) -> Result<(f64, Tensor), LossError> {
        let places = self.height * self.width;
        let [mine, theirs] = self.channels;
        let (mut difference, compared) = match &self.way {
            Way::Adaptor(adaptor) => (adaptor.forward(parameters, student, places)?, theirs),
            Way::Same | Way::Left(_) => (student.clone(), mine),
        };
        let counted = mask
            .map_or(places as f64, |mask| mask.iter().map(|value| f64::from(*value)).sum::<f64>().max(1.0));
        let factor = weight / (variance(parent.data()).max(LEAST_VARIANCE) * counted * compared as f64);
        let mut loss = 0.0;
        for (channel, mine) in difference.data_mut().chunks_exact_mut(places).enumerate() {
            let channel = match &self.way {
                Way::Left(left) => left.get(channel).copied().unwrap_or(channel),
                Way::Same | Way::Adaptor(_) => channel,
            };
            let theirs = parent.data().get(channel * places..(channel + 1) * places).unwrap_or_default();
            for (place, (mine, theirs)) in mine.iter_mut().zip(theirs).enumerate() {
                let share = mask.map_or(1.0, |mask| mask.get(place).copied().unwrap_or(0.0));
                let distance = *mine - theirs;
                loss += f64::from(share * distance * distance);
                *mine = 2.0 * factor as f32 * share * distance;
            }
        }
        let gradient = match &self.way {
            Way::Adaptor(adaptor) => adaptor.backward(parameters, student, &difference, gradients)?,
            Way::Same | Way::Left(_) => difference,
        };
        Ok((factor * loss, gradient))
    }

    /// For each place the highest score of the parent's positives whose boxes hold its middle; `size` is the width and
    /// height of the network's input.
    pub(super) fn mask(&self, positives: &[Positive], size: [f64; 2]) -> Tensor {
        let mut mask = Tensor::zeros(&[self.height, self.width]);
        let (x_step, y_step) = (size[0] / self.width as f64, size[1] / self.height as f64);
        for positive in positives {
            let [left, top, right, bottom] = positive.bbox;
            for (line, values) in mask.data_mut().chunks_exact_mut(self.width).enumerate() {
                let y = (line as f64 + 0.5) * y_step;
                if y < top || y > bottom {
                    continue;
                }
                for (column, value) in values.iter_mut().enumerate() {
                    let x = (column as f64 + 0.5) * x_step;
                    if x >= left && x <= right {
                        *value = value.max(positive.score);
                    }
                }
            }
        }
        mask
    }
}

impl Adaptor {
    fn new(
        tensor: &str,
        [theirs, mine]: [usize; 2],
        parameters: &mut Parameters,
        seed: u64,
    ) -> Result<Self, LossError> {
        let name = format!("adaptor:{tensor}");
        // uniform, of the variance that keeps that of the features
        let bound = (3.0 / mine as f32).sqrt();
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut element = |_| bound * (2.0 * random.random::<f32>() - 1.0);
        let weight = Tensor::from_fn(&[theirs, mine, 1, 1], &mut element);
        let bias = Tensor::zeros(&[theirs]);
        let weight = push(parameters, format!("{name}.weight"), Role::Weight, weight)?;
        let bias = push(parameters, format!("{name}.bias"), Role::Bias, bias)?;
        Ok(Self { weight, bias, channels: [theirs, mine], name })
    }

    /// Weights and biases.
    fn tensors<'a>(&self, parameters: &'a Parameters) -> Result<[&'a Tensor; 2], LossError> {
        let tensor = |index: usize| parameters.items.get(index).map(|parameter| &parameter.tensor);
        let ([theirs, mine], weight, bias) = (self.channels, tensor(self.weight), tensor(self.bias));
        match (weight, bias) {
            (Some(weight), Some(bias))
                if weight.dims() == [theirs, mine, 1, 1] && bias.dims() == [theirs] =>
            {
                Ok([weight, bias])
            }
            _ => Err(self.changed(weight)),
        }
    }

    fn changed(&self, weight: Option<&Tensor>) -> LossError {
        let [theirs, mine] = self.channels;
        LossError::Adaptor {
            name: format!("{}.weight", self.name),
            expected: vec![theirs, mine, 1, 1],
            found: weight.map(|weight| weight.dims().to_vec()).unwrap_or_default(),
        }
    }

    fn forward(&self, parameters: &Parameters, student: &Tensor, places: usize) -> Result<Tensor, LossError> {
        let [weight, bias] = self.tensors(parameters)?;
        let [theirs, mine] = self.channels;
        let mut out = Tensor::scratch(&[1, theirs, places]);
        let rows = weight.data().chunks_exact(mine).zip(bias.data());
        for (out, (weights, bias)) in out.data_mut().chunks_exact_mut(places).zip(rows) {
            out.fill(*bias);
            for (weight, channel) in weights.iter().zip(student.data().chunks_exact(places)) {
                add_scaled(out, channel, *weight);
            }
        }
        Ok(out)
    }

    /// The gradient by the student's tensor from that by the adapted one.
    fn backward(
        &self,
        parameters: &Parameters,
        student: &Tensor,
        adapted: &Tensor,
        gradients: &mut Gradients,
    ) -> Result<Tensor, LossError> {
        let [weight, _] = self.tensors(parameters)?;
        let [_, mine] = self.channels;
        let places = adapted.dim(2);
        let Ok([weight_sink, bias_sink]) = gradients.0.get_disjoint_mut([self.weight, self.bias]) else {
            return Err(self.changed(None));
        };
        if weight_sink.len() != weight.len() {
            return Err(self.changed(Some(weight_sink)));
        }
        let mut by_student = Tensor::zeros(student.dims());
        let weights = weight.data().chunks_exact(mine).zip(weight_sink.data_mut().chunks_exact_mut(mine));
        let rows = adapted.data().chunks_exact(places).zip(bias_sink.data_mut());
        for ((gradient, bias_sink), (weights, weight_sinks)) in rows.zip(weights) {
            *bias_sink += gradient.iter().sum::<f32>();
            let channels = student.data().chunks_exact(places);
            let sinks = by_student.data_mut().chunks_exact_mut(places);
            for ((weight, sink), (channel, by_channel)) in
                weights.iter().zip(weight_sinks).zip(channels.zip(sinks))
            {
                *sink += product(gradient, channel);
                add_scaled(by_channel, gradient, *weight);
            }
        }
        Ok(by_student)
    }
}

/// Whether `left` names `mine` of `theirs` channels.
fn are_channels(left: &[usize], mine: usize, theirs: usize) -> bool {
    left.len() == mine && left.iter().all(|channel| *channel < theirs)
}

/// The place of an extra parameter, which is made where it is not there yet.
fn push(parameters: &mut Parameters, name: String, role: Role, tensor: Tensor) -> Result<usize, LossError> {
    if let Some((index, known)) = parameters.items.iter().enumerate().find(|(_, known)| known.name == name) {
        let (expected, found) = (tensor.dims().to_vec(), known.tensor.dims().to_vec());
        return if expected == found { Ok(index) } else { Err(LossError::Adaptor { name, expected, found }) };
    }
    parameters.items.push(Parameter { name, role, tensor });
    Ok(parameters.items.len() - 1)
}

fn add_scaled(sum: &mut [f32], values: &[f32], factor: f32) {
    for (sum, value) in sum.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// The sum of products, in eight lanes, so that it vectorises.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut lanes = [0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

fn variance(values: &[f32]) -> f64 {
    let count = (values.len() as f64).max(1.0);
    // in short runs of float32, so that it vectorises, and from a point among the values, so that little cancels
    let origin = values.first().copied().unwrap_or(0.0);
    let (mut sum, mut squares) = (0f64, 0f64);
    for run in values.chunks(256) {
        let (mut of_run, mut squares_of_run) = ([0f32; 8], [0f32; 8]);
        for (index, value) in run.iter().enumerate() {
            let distance = value - origin;
            of_run[index % 8] += distance;
            squares_of_run[index % 8] += distance * distance;
        }
        sum += f64::from(of_run.iter().sum::<f32>());
        squares += f64::from(squares_of_run.iter().sum::<f32>());
    }
    (squares / count - (sum / count).powi(2)).max(0.0)
}

#[cfg(test)]
mod tests;
