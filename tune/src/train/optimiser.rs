//! How gradients change parameters.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::masks::Masks;
use super::muon::orthogonal;
use crate::engine::{Gradients, Parameter, Parameters, Role};
use crate::tensor::Tensor;

/// The rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Adam with decoupled weight decay: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019),
    /// algorithm 2.
    #[default]
    AdamW,
    /// Stochastic gradient descent with Nesterov's momentum, as Sutskever et al. (ICML 2013) write it; decay decoupled.
    Sgd,
    /// Muon for the weights of layers that mix channels, `AdamW` for all else (Jordan et al. 2024).
    Muon,
}

/// What is smaller than this moves as if it were not, or zeros could never move; Adafactor's constant.
const LEAST_SIZE: f32 = 1e-3;

/// A rule and its constants.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimiserOptions {
    /// The rule.
    pub rule: Rule,
    /// Share of the first moment (Adam) or the velocity (SGD) that stays from step to step, 0 to 1.
    pub momentum: f32,
    /// Share of the second moment that stays, 0 to 1; Adam's.
    pub second_momentum: f32,
    /// Added to the root of the second moment; Adam's.
    pub epsilon: f32,
    /// Weights lose this share, times the learning rate, in each step; biases and scales do not.
    pub weight_decay: f32,
    /// Steps are relative to what they change: the rate is a share of the root mean square of the filter's weights, or of
    /// the biases of a layer (as Adafactor's, there of whole tensors: Shazeer and Stern, ICML 2018, section 8). Networks whose
    /// batch normalisations were folded into their weights have filters of very different sizes, which one absolute rate
    /// cannot suit.
    pub relative: bool,
}

impl Default for OptimiserOptions {
    fn default() -> Self {
        Self {
            rule: Rule::AdamW,
            momentum: 0.9,
            second_momentum: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
            relative: false,
        }
    }
}

/// An optimiser with what it remembers of each parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimiser {
    options: OptimiserOptions,
    /// First moments or velocities.
    pub(super) first: Vec<Tensor>,
    /// Second moments; empty for SGD.
    pub(super) second: Vec<Tensor>,
    /// Steps taken.
    pub(super) steps: u64,
}

impl Optimiser {
    /// One that has not seen these parameters yet.
    #[must_use]
    pub fn new(options: OptimiserOptions, parameters: &Parameters) -> Self {
        let Gradients(first) = Gradients::zeros(parameters);
        let second = if options.rule == Rule::Sgd { Vec::new() } else { first.clone() };
        Self { options, first, second, steps: 0 }
    }

    /// Changes the parameters by one step; what the masks hold at zero stays there.
    pub fn step(&mut self, parameters: &mut Parameters, gradients: &Gradients, rate: f64, masks: &Masks) {
        self.steps += 1;
        let OptimiserOptions { rule, momentum, second_momentum, epsilon, weight_decay, relative } =
            self.options;
        let steps = i32::try_from(self.steps).unwrap_or(i32::MAX);
        // the moments start at zero; this takes out what that does to their means
        let first_bias = (1.0 - f64::from(momentum).powi(steps)).max(f64::MIN_POSITIVE);
        let second_bias = (1.0 - f64::from(second_momentum).powi(steps)).max(f64::MIN_POSITIVE);
        let adam = Adam {
            momentum,
            second_momentum,
            epsilon,
            rate: (rate / first_bias) as f32,
            root_bias: (1.0 / second_bias.sqrt()) as f32,
        };
        let rate = rate as f32;
        let mut second: Vec<Option<&mut Tensor>> = self.second.iter_mut().map(Some).collect();
        second.resize_with(parameters.items.len(), || None);
        let items = parameters.items.par_iter_mut().zip(&gradients.0).zip(&mut self.first).zip(second);
        items.enumerate().for_each(|(index, (((parameter, gradient), first), second))| {
            let decay = if parameter.role == Role::Weight { 1.0 - rate * weight_decay } else { 1.0 };
            // filters lie along the first axis of what has several; a bias is one piece
            let rows = if parameter.tensor.dims().len() > 2 { parameter.tensor.dim(0) } else { 1 };
            let length = (parameter.tensor.len() / rows.max(1)).max(1);
            if rule == Rule::Muon && mixes_channels(parameter) {
                let mut direction = ahead(gradient.data(), first.data_mut(), momentum);
                direction = orthogonal(&direction, parameter.tensor.dim(0));
                let weights = parameter.tensor.data_mut();
                for (weights, direction) in weights.chunks_mut(length).zip(direction.chunks(length)) {
                    let rate = rate * if relative { size(weights) } else { 1.0 };
                    for (weight, direction) in weights.iter_mut().zip(direction) {
                        *weight = *weight * decay - rate * direction;
                    }
                }
                masks.apply(index, weights);
                return;
            }
            let weights = parameter.tensor.data_mut();
            let mut second = second.map(|second| second.data_mut().chunks_mut(length));
            let rows = weights.chunks_mut(length).zip(gradient.data().chunks(length));
            for ((weights, gradient), first) in rows.zip(first.data_mut().chunks_mut(length)) {
                let size = if relative { size(weights) } else { 1.0 };
                match (rule, second.as_mut().and_then(Iterator::next)) {
                    (Rule::AdamW | Rule::Muon, Some(second)) => {
                        adam.scaled(size).step(weights, gradient, first, second, decay);
                    }
                    _ => nesterov(weights, gradient, first, (momentum, rate * size), decay),
                }
            }
            masks.apply(index, weights);
        });
    }
}

/// Constants of one step of Adam.
#[derive(Clone, Copy)]
struct Adam {
    momentum: f32,
    second_momentum: f32,
    epsilon: f32,
    rate: f32,
    root_bias: f32,
}

/// Root mean square, at least [`LEAST_SIZE`].
fn size(weights: &[f32]) -> f32 {
    let squares: f32 = weights.iter().map(|weight| weight * weight).sum();
    (squares / weights.len().max(1) as f32).sqrt().max(LEAST_SIZE)
}

impl Adam {
    fn scaled(self, size: f32) -> Self {
        Self { rate: self.rate * size, ..self }
    }

    fn step(&self, weights: &mut [f32], gradient: &[f32], first: &mut [f32], second: &mut [f32], decay: f32) {
        let moments = first.iter_mut().zip(second.iter_mut());
        for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
            *first = self.momentum * *first + (1.0 - self.momentum) * gradient;
            *second = self.second_momentum * *second + (1.0 - self.second_momentum) * gradient * gradient;
            let root = second.sqrt() * self.root_bias + self.epsilon;
            *weight = *weight * decay - self.rate * *first / root;
        }
    }
}

/// Whether each filter reads several channels.
fn mixes_channels(parameter: &Parameter) -> bool {
    let dims = parameter.tensor.dims();
    parameter.role == Role::Weight && dims.len() > 1 && dims[0] > 1 && dims[1] > 1
}

/// The velocities after a step of Nesterov's momentum, seen a step ahead.
fn ahead(gradient: &[f32], velocity: &mut [f32], momentum: f32) -> Vec<f32> {
    let moved = velocity.iter_mut().zip(gradient);
    moved.map(|(velocity, gradient)| look_ahead(velocity, *gradient, momentum)).collect()
}

fn look_ahead(velocity: &mut f32, gradient: f32, momentum: f32) -> f32 {
    *velocity = momentum * *velocity + gradient;
    gradient + momentum * *velocity
}

fn nesterov(
    weights: &mut [f32],
    gradient: &[f32],
    velocity: &mut [f32],
    (momentum, rate): (f32, f32),
    decay: f32,
) {
    for ((weight, gradient), velocity) in weights.iter_mut().zip(gradient).zip(velocity) {
        *weight = *weight * decay - rate * look_ahead(velocity, *gradient, momentum);
    }
}

/// Scales gradients down so that their norm over all parameters is at most `limit`; returns the norm that it was. A norm
/// that is not finite is returned as it is, and nothing is changed.
pub fn clip(gradients: &mut Gradients, limit: f64) -> f64 {
    let squares: Vec<f64> = gradients
        .0
        .par_iter()
        .map(|tensor| tensor.data().iter().map(|value| f64::from(*value) * f64::from(*value)).sum())
        .collect();
    let norm = squares.iter().sum::<f64>().sqrt();
    if norm.is_finite() && norm > limit {
        let factor = (limit / norm) as f32;
        gradients.0.par_iter_mut().for_each(|tensor| {
            for value in tensor.data_mut() {
                *value *= factor;
            }
        });
    }
    norm
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Parameter;

    fn one(values: &[f32], role: Role) -> Parameters {
        let tensor = Tensor::new(&[values.len()], values.to_vec()).unwrap();
        Parameters { items: vec![Parameter { name: "w".to_owned(), role, tensor }], of_graph: 1 }
    }

    fn gradient(values: &[f32]) -> Gradients {
        Gradients(vec![Tensor::new(&[values.len()], values.to_vec()).unwrap()])
    }

    /// After one step both moments' biases cancel, and each element moves by the rate against its gradient's sign.
    #[test]
    fn adam_first_moves_by_the_rate() {
        let options = OptimiserOptions { weight_decay: 0.0, ..OptimiserOptions::default() };
        let mut parameters = one(&[1.0, 1.0, 1.0], Role::Weight);
        let mut optimiser = Optimiser::new(options, &parameters);
        optimiser.step(&mut parameters, &gradient(&[3.0, -0.01, 0.0]), 0.1, &Masks::default());
        for (value, expected) in parameters.items[0].tensor.data().iter().zip([0.9, 1.1, 1.0]) {
            assert!((value - expected).abs() < 1e-5, "{value} {expected}");
        }
    }

    #[test]
    fn only_weights_decay() {
        let options = OptimiserOptions { weight_decay: 0.5, ..OptimiserOptions::default() };
        for (role, expected) in [(Role::Weight, 0.95), (Role::Bias, 1.0), (Role::Scale, 1.0)] {
            let mut parameters = one(&[1.0], role);
            let mut optimiser = Optimiser::new(options, &parameters);
            optimiser.step(&mut parameters, &gradient(&[0.0]), 0.1, &Masks::default());
            assert!((parameters.items[0].tensor.data()[0] - expected).abs() < 1e-6, "{role:?}");
        }
    }

    /// The first step of each filter is the same share of its size.
    #[test]
    fn relative_steps_suit_the_filter() {
        let options = OptimiserOptions { weight_decay: 0.0, relative: true, ..OptimiserOptions::default() };
        let tensor = Tensor::new(&[2, 2, 1, 1], vec![3.0, 4.0, 0.03, 0.04]).unwrap();
        let item = Parameter { name: "w".to_owned(), role: Role::Weight, tensor };
        let mut parameters = Parameters { items: vec![item], of_graph: 1 };
        let before = parameters.items[0].tensor.clone();
        let mut optimiser = Optimiser::new(options, &parameters);
        let gradients = Gradients(vec![Tensor::new(&[2, 2, 1, 1], vec![1.0, -2.0, 30.0, 0.4]).unwrap()]);
        optimiser.step(&mut parameters, &gradients, 0.01, &Masks::default());
        for (index, size) in
            [(0, 12.5f32.sqrt()), (1, 12.5f32.sqrt()), (2, 0.00125f32.sqrt()), (3, 0.00125f32.sqrt())]
        {
            let moved = (parameters.items[0].tensor.data()[index] - before.data()[index]).abs();
            assert!((moved / size - 0.01).abs() < 1e-4, "{index}: {moved}");
        }
    }

    /// Both rules find the minimum of a stretched bowl.
    #[test]
    fn a_bowl_is_descended() {
        for (rule, rate) in [(Rule::AdamW, 0.05), (Rule::Sgd, 0.01)] {
            let options = OptimiserOptions { rule, weight_decay: 0.0, ..OptimiserOptions::default() };
            let mut parameters = one(&[4.0, -3.0], Role::Weight);
            let mut optimiser = Optimiser::new(options, &parameters);
            for _ in 0..500 {
                let at = parameters.items[0].tensor.data();
                let slope = gradient(&[2.0 * (at[0] - 1.0), 20.0 * (at[1] - 2.0)]);
                optimiser.step(&mut parameters, &slope, rate, &Masks::default());
            }
            let at = parameters.items[0].tensor.data();
            assert!((at[0] - 1.0).abs() < 0.02 && (at[1] - 2.0).abs() < 0.02, "{rule:?} {at:?}");
        }
    }

    /// A layer whose inputs vary 100 times more in one direction than in the other: Muon is there
    /// while `AdamW` is still far off.
    #[test]
    fn muon_learns_what_hardly_shows() {
        // inputs of covariance diag(1, 1e-4), turned by 45 degrees
        let covariance = [[0.50005f32, 0.49995], [0.49995, 0.50005]];
        let wanted = [[1.0f32, -1.0], [0.5, 2.0]];
        let left = |rule| {
            let options = OptimiserOptions { rule, weight_decay: 0.0, ..OptimiserOptions::default() };
            let item = Parameter {
                name: "w".to_owned(),
                role: Role::Weight,
                tensor: Tensor::new(&[2, 2, 1, 1], vec![0.0; 4]).unwrap(),
            };
            let mut parameters = Parameters { items: vec![item], of_graph: 1 };
            let mut optimiser = Optimiser::new(options, &parameters);
            let steps = 300;
            for step in 0..steps {
                let at = parameters.items[0].tensor.data();
                let slope = Tensor::from_fn(&[2, 2, 1, 1], |index| {
                    let (row, column) = (index / 2, index % 2);
                    (0..2).map(|k| (at[row * 2 + k] - wanted[row][k]) * covariance[k][column]).sum()
                });
                let rate = 0.03 * (1.0 - f64::from(step) / f64::from(steps));
                optimiser.step(&mut parameters, &Gradients(vec![slope]), rate, &Masks::default());
            }
            let at = parameters.items[0].tensor.data();
            let far = |index: usize| (at[index] - wanted[index / 2][index % 2]).powi(2);
            (0..4).map(far).sum::<f32>().sqrt()
        };
        let (muon, adam) = (left(Rule::Muon), left(Rule::AdamW));
        assert!(muon < 0.1 && muon < 0.2 * adam, "muon {muon}, adam {adam}");
    }

    /// A matrix product's weights are a matrix as a convolution's are, though their sides are two.
    #[test]
    fn muon_sees_the_matrix_of_a_product() {
        let stepped = |dims: &[usize]| {
            let options =
                OptimiserOptions { rule: Rule::Muon, weight_decay: 0.0, ..OptimiserOptions::default() };
            let item = Parameter { name: "w".to_owned(), role: Role::Weight, tensor: Tensor::zeros(dims) };
            let mut parameters = Parameters { items: vec![item], of_graph: 1 };
            let gradients = Gradients(vec![Tensor::new(dims, vec![3.0, 0.1, -0.2, 0.02]).unwrap()]);
            let mut optimiser = Optimiser::new(options, &parameters);
            optimiser.step(&mut parameters, &gradients, 0.01, &Masks::default());
            parameters.items[0].tensor.data().to_vec()
        };
        assert_eq!(stepped(&[2, 2]), stepped(&[2, 2, 1, 1]));
    }

    /// Biases, and filters of one channel, have no directions to make orthogonal.
    #[test]
    fn muon_steps_as_adam_where_no_channels_mix() {
        for (dims, role) in
            [(&[3][..], Role::Bias), (&[3, 1, 1, 1], Role::Weight), (&[1, 3, 1, 1], Role::Weight)]
        {
            let stepped = |rule| {
                let options = OptimiserOptions { rule, ..OptimiserOptions::default() };
                let tensor = Tensor::new(dims, vec![1.0, -0.5, 0.25]).unwrap();
                let mut parameters =
                    Parameters { items: vec![Parameter { name: "w".to_owned(), role, tensor }], of_graph: 1 };
                let gradients = Gradients(vec![Tensor::new(dims, vec![0.3, -2.0, 0.0]).unwrap()]);
                let mut optimiser = Optimiser::new(options, &parameters);
                optimiser.step(&mut parameters, &gradients, 0.01, &Masks::default());
                parameters
            };
            assert_eq!(stepped(Rule::Muon), stepped(Rule::AdamW), "{dims:?}");
        }
    }

    #[test]
    fn long_gradients_are_shortened_and_broken_ones_are_seen() {
        let mut long = gradient(&[3.0, 4.0]);
        assert_eq!(clip(&mut long, 1.0), 5.0);
        assert!((long.0[0].data()[0] - 0.6).abs() < 1e-6);
        let mut short = gradient(&[0.3, 0.4]);
        clip(&mut short, 1.0);
        assert_eq!(short, gradient(&[0.3, 0.4]));
        assert!(clip(&mut gradient(&[f32::NAN, 1.0]), 1.0).is_nan());
    }
}
