//! The parts of a loss.

use std::ops::AddAssign;

/// The parts of a loss, each times its weight, so that they add up to the whole.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Terms {
    /// Scores like the parent's.
    pub scores: f64,
    /// Boxes like the parent's (GIoU and distance).
    pub boxes: f64,
    /// Distributions of sides like the parent's.
    pub distributions: f64,
    /// Features like the parent's.
    pub features: f64,
    /// Scores like the labels.
    pub label_scores: f64,
    /// Boxes like the labels (GIoU and distance).
    pub label_boxes: f64,
    /// Distributions of sides like the labels.
    pub label_distributions: f64,
}

impl Terms {
    /// The parts and their names, always in the same order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, f64)> {
        [
            ("scores", self.scores),
            ("boxes", self.boxes),
            ("distributions", self.distributions),
            ("features", self.features),
            ("label_scores", self.label_scores),
            ("label_boxes", self.label_boxes),
            ("label_distributions", self.label_distributions),
        ]
        .into_iter()
    }

    /// Their sum: the loss.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.iter().map(|(_, value)| value).sum()
    }

    /// Each times `factor`.
    pub fn scale(&mut self, factor: f64) {
        self.each_mut().into_iter().for_each(|value| *value *= factor);
    }

    fn each_mut(&mut self) -> [&mut f64; 7] {
        let Self { scores, boxes, distributions, features, label_scores, label_boxes, label_distributions } =
            self;
        [scores, boxes, distributions, features, label_scores, label_boxes, label_distributions]
    }
}

impl AddAssign for Terms {
    fn add_assign(&mut self, other: Self) {
        *self += &other;
    }
}

impl AddAssign<&Self> for Terms {
    fn add_assign(&mut self, other: &Self) {
        for (sum, (_, value)) in self.each_mut().into_iter().zip(other.iter()) {
            *sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_keep_their_places() {
        let mut terms = Terms { scores: 1.0, features: 2.0, label_distributions: 4.0, ..Terms::default() };
        assert_eq!(terms.total(), 7.0);
        terms += Terms { boxes: 8.0, label_scores: 0.5, label_boxes: 0.25, distributions: 3.0, ..terms };
        terms.scale(2.0);
        let values: Vec<f64> = terms.iter().map(|(_, value)| value).collect();
        assert_eq!(values, [4.0, 16.0, 6.0, 8.0, 1.0, 0.5, 16.0]);
    }
}
