//! Effects, and how sure they are.

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use roadproof::evaluation::interval;
use serde::{Deserialize, Serialize};

use super::super::arm::Arm;
use super::significance::{p_value, seed_expansion};
use super::table::{Quantity, Table};

/// An effect.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Effect {
    /// On all images, over all seeds.
    pub effect: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// Two-sided p-value of no effect.
    pub p_value: f64,
}

/// The seeds that each resample draws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws(Vec<Vec<usize>>);

impl Draws {
    /// For `resamples` resamples of `seeds` seeds, with replacement.
    #[must_use]
    pub fn new(resamples: usize, seeds: usize, seed: u64) -> Self {
        // images are resampled from the same seed, and their draws must not be these
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed ^ 0x5eed_5eed_5eed_5eed);
        let mut draw = || (rng.next_u64() % seeds.max(1) as u64) as usize;
        Self((0..resamples).map(|_| (0..seeds).map(|_| draw()).collect()).collect())
    }
}

/// A table in one resample of images and seeds.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    table: &'a Table,
    resample: usize,
    seeds: &'a [usize],
}

impl View<'_> {
    /// AP, mean over seeds; `None` where a seed lacks it.
    #[must_use]
    pub fn ap(&self, level: usize, arm: Arm, quantity: Quantity) -> Option<f64> {
        let each = self.seeds.iter().map(|seed| self.table.get((level, arm, *seed), quantity, self.resample));
        let sum = each.sum::<Option<f64>>()?;
        (!self.seeds.is_empty()).then(|| sum / self.seeds.len() as f64)
    }
}

/// A statistic on all images and seeds, with what resampling both says about it; `None` where it is not defined on all
/// images, or in more than half of the resamples.
pub fn estimate(
    table: &Table,
    draws: &Draws,
    statistic: &dyn Fn(&View<'_>) -> Option<f64>,
) -> Option<Effect> {
    let all: Vec<usize> = (0..table.seeds).collect();
    let effect = statistic(&View { table, resample: 0, seeds: &all }).filter(|effect| effect.is_finite())?;
    let expansion = seed_expansion(table.seeds);
    let resampled: Vec<f64> = (1..=table.resamples)
        .zip(&draws.0)
        .filter_map(|(resample, seeds)| {
            let of_images = statistic(&View { table, resample, seeds: &all })?;
            let of_both = statistic(&View { table, resample, seeds })?;
            Some(of_images + (of_both - of_images) * expansion).filter(|value| value.is_finite())
        })
        .collect();
    if resampled.len() * 2 <= table.resamples {
        return None;
    }
    let p_value = p_value(effect, &resampled)?;
    Some(Effect { effect, interval: interval(effect, resampled)?, p_value })
}

#[cfg(test)]
mod tests {
    use super::super::super::options::Method;
    use super::super::table::Level;
    use super::*;

    fn table(seeds: &[f64], resamples: usize) -> Table {
        let level = Level { name: "none".to_owned(), method: Method::None, rate: 0.0 };
        let mut table = Table::new(vec![level], seeds.len(), resamples);
        for (place, value) in seeds.iter().enumerate() {
            let values = (0..=resamples).map(|r| Some(value + (r as f64 * 0.7).sin() * 0.01)).collect();
            table.set((0, Arm::Plain, place), Quantity::Clean, values).unwrap();
        }
        table
    }

    fn clean(view: &View<'_>) -> Option<f64> {
        view.ap(0, Arm::Plain, Quantity::Clean)
    }

    #[test]
    fn an_effect_is_of_all_images_and_its_interval_grows_with_what_seeds_differ_by() {
        let draws = Draws::new(400, 3, 1);
        let close = estimate(&table(&[0.3, 0.3, 0.3], 400), &draws, &clean).unwrap();
        let apart = estimate(&table(&[0.2, 0.3, 0.4], 400), &draws, &clean).unwrap();
        assert!((close.effect - 0.3).abs() < 1e-12 && (apart.effect - 0.3).abs() < 1e-12);
        let width = |effect: &Effect| effect.interval[1] - effect.interval[0];
        assert!((0.015..0.022).contains(&width(&close)), "{close:?}");
        // Student's t with 2 degrees of freedom: 2 × 4.30 × 0.1 / √3
        assert!((0.40..0.62).contains(&width(&apart)), "{apart:?}");
        assert!(close.p_value < 0.01);
    }

    #[test]
    fn draws_are_the_same_again_and_of_all_seeds() {
        let draws = Draws::new(200, 3, 5);
        assert_eq!(draws, Draws::new(200, 3, 5));
        assert_ne!(draws, Draws::new(200, 3, 6));
        let drawn: Vec<usize> = draws.0.iter().flatten().copied().collect();
        assert!((0..3).all(|seed| drawn.iter().filter(|drawn| **drawn == seed).count() > 150));
    }

    #[test]
    fn what_is_not_defined_has_no_effect() {
        let table = table(&[0.3, 0.4], 100);
        let draws = Draws::new(100, 2, 1);
        assert_eq!(estimate(&table, &draws, &|view| view.ap(0, Arm::Both, Quantity::Clean)), None);
        assert_eq!(estimate(&table, &draws, &|view| Some(clean(view)? / 0.0)), None);
    }
}
