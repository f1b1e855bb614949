//! Which image is which sample of an epoch.

use super::dice::{Dice, Purpose};

/// How often an epoch shows each image.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    repeats: Vec<f64>,
}

impl Sampling {
    /// Every image once.
    #[must_use]
    pub fn even(images: usize) -> Self {
        Self { repeats: vec![1.0; images] }
    }

    /// Each image as often as its factor says: at least once (smaller factors, and what is no number, count 1), and fractions
    /// in that share of the epochs.
    #[must_use]
    pub fn new(factors: Vec<f64>) -> Self {
        let at_least_once = |factor: f64| if factor.is_finite() { factor.max(1.0) } else { 1.0 };
        Self { repeats: factors.into_iter().map(at_least_once).collect() }
    }

    /// The factors, by image.
    #[must_use]
    pub fn factors(&self) -> &[f64] {
        &self.repeats
    }

    /// With one factor for each of `images` images; 1 for those that had none.
    pub(super) fn resized(mut self, images: usize) -> Self {
        self.repeats.resize(images, 1.0);
        self
    }

    /// Number of samples of an epoch: the sum of the factors, rounded up.
    #[must_use]
    pub fn epoch_len(&self) -> u64 {
        // without a sample more for the rounding of the sum
        (self.repeats.iter().sum::<f64>() - 1e-6).ceil().max(0.0) as u64
    }

    /// The images of an epoch in their order, [`epoch_len`](Self::epoch_len) of them.
    ///
    /// Systematic sampling (Madow, Annals of Mathematical Statistics 20, 1949) over the images in random order: each image
    /// comes as often as its factor says, rounded down or up, and the length is the same in every epoch. Factors are
    /// stretched to the length, by less than one sample in all.
    pub(super) fn order(&self, seed: u64, epoch: u64) -> Vec<u32> {
        let mut dice = Dice::new(seed, Purpose::Order, epoch, 0);
        let mut images: Vec<u32> = (0..self.repeats.len() as u32).collect();
        dice.shuffle(&mut images);
        let length = self.epoch_len();
        let total: f64 = self.repeats.iter().sum();
        let start = dice.unit();
        let mut order = Vec::with_capacity(length as usize);
        let mut sum = 0.0;
        for (place, image) in images.iter().enumerate() {
            sum += self.repeats.get(*image as usize).copied().unwrap_or(1.0);
            let is_last = place + 1 == images.len();
            let until = if is_last { length } else { (sum / total * length as f64 + start).floor() as u64 };
            while (order.len() as u64) < until {
                order.push(*image);
            }
        }
        dice.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn even_sampling_shows_every_image_once_in_another_order_each_epoch() {
        let sampling = Sampling::even(50);
        assert_eq!(sampling.epoch_len(), 50);
        let mut first = sampling.order(3, 0);
        assert_eq!(first, sampling.order(3, 0));
        assert_ne!(first, sampling.order(3, 1));
        assert_ne!(first, sampling.order(4, 0));
        first.sort_unstable();
        assert_eq!(first, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn fractions_come_in_their_share_of_epochs() {
        // 1 + 1.25 + 2.5 + 1.25 = 6: nothing is stretched
        let sampling = Sampling::new(vec![1.0, 1.25, 2.5, 1.25]);
        let mut counts = [0_u32; 4];
        for epoch in 0..2000 {
            let order = sampling.order(9, epoch);
            assert_eq!(order.len(), 6);
            for image in order {
                counts[image as usize] += 1;
            }
        }
        for (count, factor) in counts.iter().zip(sampling.factors()) {
            let mean = f64::from(*count) / 2000.0;
            assert!((mean - factor).abs() < 0.05, "{mean} for {factor}");
        }
    }

    #[test]
    fn factors_below_one_and_no_numbers_count_one() {
        assert_eq!(Sampling::new(vec![0.0, f64::NAN, 3.0]).factors(), [1.0, 1.0, 3.0]);
        assert_eq!(Sampling::new(vec![2.0]).resized(3).factors(), [2.0, 1.0, 1.0]);
        assert_eq!(Sampling::even(0).order(1, 1), Vec::<u32>::new());
    }

    proptest! {
        #[test]
        fn counts_are_rounded_factors_and_lengths_never_change(
            factors in prop::collection::vec(1.0..6.0_f64, 1..40), seed: u64, epoch in 0..9_u64,
        ) {
            let sampling = Sampling::new(factors.clone());
            let order = sampling.order(seed, epoch);
            prop_assert_eq!(order.len() as u64, sampling.epoch_len());
            let stretch = sampling.epoch_len() as f64 / factors.iter().sum::<f64>();
            for (image, factor) in factors.iter().enumerate() {
                let count = order.iter().filter(|shown| **shown as usize == image).count() as f64;
                prop_assert!(count >= 1.0, "every image is shown");
                prop_assert!((count - factor * stretch).abs() < 1.0 + 1e-6, "{} for {}", count, factor);
            }
        }
    }
}
