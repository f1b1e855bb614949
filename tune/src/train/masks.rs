//! Weights that pruning set to zero stay zero.

use crate::engine::{Parameters, Role};

/// By parameter, which elements are held at zero.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Masks(Vec<Option<Vec<bool>>>);

impl Masks {
    /// Holds every weight at zero that is zero now: those of unstructured and 2:4 pruning.
    #[must_use]
    pub fn of_zeros(parameters: &Parameters) -> Self {
        let mask = |values: &[f32]| -> Option<Vec<bool>> {
            values.contains(&0.0).then(|| values.iter().map(|value| *value == 0.0).collect())
        };
        let items = parameters.items.iter();
        Self(
            items
                .map(|parameter| {
                    (parameter.role == Role::Weight).then(|| mask(parameter.tensor.data())).flatten()
                })
                .collect(),
        )
    }

    /// Sets what is held of parameter `index` to zero.
    pub fn apply(&self, index: usize, values: &mut [f32]) {
        if let Some(Some(mask)) = self.0.get(index) {
            for (value, held) in values.iter_mut().zip(mask) {
                if *held {
                    *value = 0.0;
                }
            }
        }
    }

    /// Elements that are held.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.iter().flatten().map(|mask| mask.iter().filter(|held| **held).count()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Parameter;
    use crate::tensor::Tensor;

    #[test]
    fn zeros_of_weights_are_held_and_those_of_biases_are_not() {
        let parameter = |role| Parameter {
            name: String::new(),
            role,
            tensor: Tensor::new(&[3], vec![0.0, 1.0, -0.0]).unwrap(),
        };
        let parameters =
            Parameters { items: vec![parameter(Role::Weight), parameter(Role::Bias)], of_graph: 2 };
        let masks = Masks::of_zeros(&parameters);
        assert_eq!(masks.count(), 2);
        let mut values = [5.0, 6.0, 7.0];
        masks.apply(0, &mut values);
        assert_eq!(values, [0.0, 6.0, 0.0]);
        masks.apply(1, &mut values);
        masks.apply(9, &mut values);
        assert_eq!(values, [0.0, 6.0, 0.0]);
    }
}
