//! A moving average of the parameters, which is what comes out of a run: Polyak and Juditsky, "Acceleration of
//! Stochastic Approximation by Averaging" (1992); exponential, as Tarvainen and Valpola, "Mean teachers" (NeurIPS 2017).

use rayon::prelude::*;

use super::masks::Masks;
use crate::engine::Parameters;
use crate::tensor::Tensor;

/// The average, of parameters in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Average {
    decay: f64,
    pub(super) tensors: Vec<Tensor>,
}

impl Average {
    /// Starts at the parameters; `decay` is the share of the average that stays in each step, 0 to 1 (0 is no average).
    #[must_use]
    pub fn new(decay: f64, parameters: &Parameters) -> Self {
        Self { decay, tensors: parameters.items.iter().map(|parameter| parameter.tensor.clone()).collect() }
    }

    /// The share that stays.
    #[must_use]
    pub fn decay(&self) -> f64 {
        self.decay
    }

    /// Takes in the parameters after step `step` (from 0). Early on less stays, so that where training began is soon
    /// forgotten.
    pub fn update(&mut self, parameters: &Parameters, step: u64) {
        let stays = self.decay.min((step + 1) as f64 / (step + 10) as f64) as f32;
        self.tensors.par_iter_mut().zip(&parameters.items).for_each(|(average, parameter)| {
            for (mean, value) in average.data_mut().iter_mut().zip(parameter.tensor.data()) {
                *mean += (1.0 - stays) * (value - *mean);
            }
        });
    }

    /// The parameters with the average in place of their values.
    #[must_use]
    pub fn parameters(&self, of: &Parameters, masks: &Masks) -> Parameters {
        let mut averaged = of.clone();
        for (index, (parameter, average)) in averaged.items.iter_mut().zip(&self.tensors).enumerate() {
            parameter.tensor = average.clone();
            masks.apply(index, parameter.tensor.data_mut());
        }
        averaged
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Parameter, Role};

    fn at(value: f32) -> Parameters {
        let tensor = Tensor::new(&[1], vec![value]).unwrap();
        Parameters {
            items: vec![Parameter { name: "w".to_owned(), role: Role::Weight, tensor }],
            of_graph: 1,
        }
    }

    #[test]
    fn it_follows_and_forgets_where_it_began() {
        let mut average = Average::new(0.9, &at(100.0));
        for step in 0..400 {
            average.update(&at(if step % 2 == 0 { 1.0 } else { 3.0 }), step);
        }
        let mean = average.parameters(&at(0.0), &Masks::default()).items[0].tensor.data()[0];
        assert!((mean - 2.0).abs() < 0.2, "{mean}");
        let mut none = Average::new(0.0, &at(100.0));
        none.update(&at(7.0), 0);
        assert_eq!(none.tensors[0].data(), [7.0]);
    }
}
