//! Random numbers of a sample.

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;
use sha2::{Digest as _, Sha256};

/// What random numbers are for; each has its own, so that one option does not change what another draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Order,
    Corruption,
    Colour,
    Window,
    Mosaic,
    Paste,
}

/// A generator for one purpose of one sample.
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    /// Seeded by the SHA-256 of all four numbers; `part` tells apart the pictures of a mosaic.
    pub(super) fn new(seed: u64, purpose: Purpose, number: u64, part: u64) -> Self {
        let mut hash = Sha256::new();
        for value in [seed, purpose as u64, number, part] {
            hash.update(value.to_le_bytes());
        }
        Self(Xoshiro256PlusPlus::from_seed(hash.finalize().into()))
    }

    /// Uniform in `[0, 1)`, with 53 bits.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform from `low` to `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in `0..count`; 0 where there is nothing to choose from.
    pub(super) fn below(&mut self, count: usize) -> usize {
        // the high half of a product of 64 x 64 bits: off uniform by less than count / 2^64
        ((u128::from(self.0.next_u64()) * count as u128) >> 64) as usize
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Shuffles (Durstenfeld, CACM 7(7), 1964).
    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_sample_changes_what_is_drawn() {
        let first = |seed, purpose, number, part| Dice::new(seed, purpose, number, part).unit().to_bits();
        let mut drawn = vec![
            first(1, Purpose::Order, 2, 3),
            first(2, Purpose::Order, 2, 3),
            first(1, Purpose::Window, 2, 3),
            first(1, Purpose::Order, 3, 3),
            first(1, Purpose::Order, 2, 4),
        ];
        assert_eq!(drawn[0], first(1, Purpose::Order, 2, 3));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 5);
    }

    #[test]
    fn choices_are_even_and_within_bounds() {
        let mut dice = Dice::new(7, Purpose::Mosaic, 0, 0);
        let mut counts = [0_u32; 3];
        for _ in 0..3000 {
            counts[dice.below(3)] += 1;
        }
        assert!(counts.iter().all(|count| (900..1100).contains(count)), "{counts:?}");
        assert_eq!(dice.below(0), 0);
        assert!(!dice.chance(0.0) && dice.chance(1.0));
    }
}
