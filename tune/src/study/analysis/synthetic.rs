//! Made-up measurements of which the truth is known.

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use roadproof::corruption::Group;
use statrs::distribution::{ContinuousCDF as _, Normal};

use super::{Level, Quantity, Table};
use crate::study::arm::Arm;
use crate::study::options::Method;

/// What varies, as standard deviations of AP.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spread {
    /// Of what all models find hard in an image.
    pub(super) image: f64,
    /// Of what a model (compression and arm) finds hard in an image beyond that.
    pub(super) model: f64,
    /// Of what another seed changes in a whole model.
    pub(super) seed: f64,
}

pub(super) const SPREAD: Spread = Spread { image: 0.3, model: 0.15, seed: 0.01 };

pub(super) const QUANTITIES: [Quantity; 6] = [
    Quantity::Clean,
    Quantity::Corrupted,
    Quantity::Group(Group::Noise),
    Quantity::Group(Group::Blur),
    Quantity::WorstClass,
    Quantity::LowestFifth,
];

pub(super) fn levels() -> Vec<Level> {
    let level = |name: &str, method, rate| Level { name: name.to_owned(), method, rate };
    vec![
        level("none", Method::None, 0.0),
        level("s30", Method::Structured, 0.3),
        level("s70", Method::Structured, 0.7),
        level("u50", Method::Unstructured, 0.5),
    ]
}

struct Noise(Xoshiro256PlusPlus);

impl Noise {
    fn normal(&mut self, deviation: f64) -> f64 {
        let uniform = ((self.0.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        deviation * Normal::standard().inverse_cdf(uniform)
    }
}

/// A table in which AP has the expectation `truth` by level, arm and quantity; AP is a mean over images.
pub(super) fn table(
    (seeds, images, resamples): (usize, usize, usize),
    spread: Spread,
    seed: u64,
    truth: &dyn Fn(&Level, Arm, Quantity) -> f64,
) -> Table {
    let mut noise = Noise(Xoshiro256PlusPlus::seed_from_u64(seed));
    let weights: Vec<Vec<f64>> = (0..=resamples)
        .map(|resample| {
            let mut weights = vec![if resample == 0 { 1.0 } else { 0.0 }; images];
            for _ in 0..if resample == 0 { 0 } else { images } {
                weights[(noise.0.next_u64() % images as u64) as usize] += 1.0;
            }
            weights
        })
        .collect();
    let levels = levels();
    let mut table = Table::new(levels.clone(), seeds, resamples);
    for quantity in QUANTITIES {
        let hard: Vec<f64> = (0..images).map(|_| noise.normal(spread.image)).collect();
        for (place, level) in levels.iter().enumerate() {
            for arm in [Arm::Plain, Arm::Augmentation, Arm::Imbalance] {
                let own: Vec<f64> = hard.iter().map(|hard| hard + noise.normal(spread.model)).collect();
                let mean = |weights: &Vec<f64>| {
                    weights.iter().zip(&own).map(|(weight, own)| weight * own).sum::<f64>() / images as f64
                };
                let means: Vec<f64> = weights.iter().map(mean).collect();
                for of in 0..seeds {
                    let ap = truth(level, arm, quantity) + noise.normal(spread.seed);
                    let values = means.iter().map(|mean| Some(ap + mean)).collect();
                    table.set((place, arm, of), quantity, values).unwrap();
                }
            }
        }
    }
    table
}
