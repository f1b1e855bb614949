//! Random numbers by the hundred.

use rand::Rng as _;

use crate::corruption::context::Context;

/// Numbers that are drawn at once.
pub(super) const CHUNK: usize = 256;

/// Generators that work side by side.
const LANES: usize = 4;

/// Four xoshiro256++ generators (Blackman & Vigna, ACM TOMS 2021) in step, which the compiler turns into vector
/// instructions: one alone waits for itself most of the time.
pub(super) struct Generators {
    /// The four words of the state, each for all generators.
    state: [[u64; LANES]; 4],
}

impl Generators {
    /// Generators whose states are drawn from the numbers of `lane`.
    pub(super) fn new(context: &Context, lane: u64) -> Self {
        let mut seeds = context.rng(lane);
        Self { state: std::array::from_fn(|_| std::array::from_fn(|_| seeds.next_u64())) }
    }

    /// Fills `numbers` with uniform sixteen-bit numbers.
    pub(super) fn fill(&mut self, numbers: &mut [u16; CHUNK]) {
        let [mut a, mut b, mut c, mut d] = self.state;
        for sixteen in numbers.as_chunks_mut::<{ 4 * LANES }>().0 {
            for lane in 0..LANES {
                let word = a[lane].wrapping_add(d[lane]).rotate_left(23).wrapping_add(a[lane]);
                let shifted = b[lane] << 17;
                c[lane] ^= a[lane];
                d[lane] ^= b[lane];
                b[lane] ^= c[lane];
                a[lane] ^= d[lane];
                c[lane] ^= shifted;
                d[lane] = d[lane].rotate_left(45);
                for part in 0..4 {
                    sixteen[4 * lane + part] = (word >> (16 * part)) as u16;
                }
            }
        }
        self.state = [a, b, c, d];
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::corruption::Corruption;
    use crate::corruption::context::tests::context;

    #[test]
    fn each_lane_is_the_published_generator() {
        let context = context(Corruption::GaussianNoise, 7, 0);
        let mut generators = Generators::new(&context, 3);
        let mut lanes: Vec<_> = (0..LANES)
            .map(|lane| {
                let seed: Vec<u8> = generators.state.iter().flat_map(|s| s[lane].to_le_bytes()).collect();
                Xoshiro256PlusPlus::from_seed(seed.try_into().unwrap())
            })
            .collect();
        let mut numbers = [0; CHUNK];
        for _ in 0..2 {
            generators.fill(&mut numbers);
            for sixteen in numbers.as_chunks::<16>().0 {
                for (four, lane) in sixteen.as_chunks::<4>().0.iter().zip(&mut lanes) {
                    let word = lane.next_u64();
                    assert_eq!(*four, std::array::from_fn(|part| (word >> (16 * part)) as u16));
                }
            }
        }
    }
}
