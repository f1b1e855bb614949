//! Drawing frames with replacement, and what follows from the draws.

use rand::Rng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Share of the draws that the tail is fitted to.
const TAIL_SHARE: f64 = 0.2;

/// Frames that are drawn in blocks of neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frames {
    pub(super) count: usize,
    pub(super) block: usize,
}

impl Frames {
    /// Indices of `length` frames (moving block bootstrap).
    pub(super) fn draw(self, length: usize, rng: &mut Xoshiro256PlusPlus) -> impl Iterator<Item = usize> {
        let block = self.block.clamp(1, self.count.max(1));
        let starts = (self.count.max(1) - block + 1) as u64;
        let mut start = 0;
        (0..length).map(move |i| {
            if i % block == 0 {
                // The remainder's bias is below frames / 2⁶⁴.
                start = (rng.next_u64() % starts) as usize;
            }
            start + i % block
        })
    }
}

/// Integrated autocorrelation time in frames, at least 1: so many frames count as one independent one (initial positive
/// sequence: Geyer, "Practical Markov chain Monte Carlo", 1992). At most a quarter of the series.
pub(super) fn autocorrelation_time(values: &[f64]) -> f64 {
    let count = values.len();
    let mean = values.iter().sum::<f64>() / count as f64;
    let centred: Vec<_> = values.iter().map(|value| value - mean).collect();
    let at = |lag: usize| -> f64 {
        let later = centred.get(lag..).unwrap_or_default();
        centred.iter().zip(later).map(|(a, b)| a * b).sum::<f64>()
    };
    let variance = at(0);
    if variance.is_nan() || variance <= 0.0 {
        return 1.0;
    }
    let mut time = -1.0;
    for pair in 0..count / 8 {
        let rho = (at(2 * pair) + at(2 * pair + 1)) / variance;
        if rho <= 0.0 {
            break;
        }
        time += 2.0 * rho;
    }
    time.clamp(1.0, (count as f64 / 4.0).max(1.0))
}

/// The value that a `share` of all draws exceeds. Beyond the draws the tail falls exponentially, at the mean excess over
/// the draws' upper fifth (peaks over threshold, shape 0: Pickands, 1975). Sorts `draws`; infinite without any.
pub(super) fn tail_threshold(draws: &mut [f64], share: f64) -> f64 {
    draws.sort_by(f64::total_cmp);
    let from = draws.len() - (draws.len() as f64 * TAIL_SHARE) as usize;
    let Some(&start) = draws.get(from.saturating_sub(1)) else { return f64::INFINITY };
    let tail = draws.get(from..).unwrap_or_default();
    if share >= TAIL_SHARE || tail.is_empty() {
        let index = (draws.len() as f64 * (1.0 - share)).ceil() as usize;
        return draws.get(index.min(draws.len() - 1)).copied().unwrap_or(start);
    }
    let excess = tail.iter().map(|value| value - start).sum::<f64>() / tail.len() as f64;
    start + excess * (TAIL_SHARE / share).ln()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    fn uniform(rng: &mut Xoshiro256PlusPlus) -> f64 {
        (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    #[test]
    fn blocks_are_neighbours_and_every_start_is_drawn() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let drawn: Vec<_> = Frames { count: 10, block: 4 }.draw(4000, &mut rng).collect();
        assert!(drawn.chunks(4).all(|block| block.windows(2).all(|pair| pair[1] == pair[0] + 1)));
        assert!((0..7).all(|start| drawn.chunks(4).any(|block| block[0] == start)));
        assert!(drawn.iter().all(|&i| i < 10));
        assert_eq!(Frames { count: 3, block: 9 }.draw(7, &mut rng).filter(|&i| i > 2).count(), 0);
    }

    #[test]
    fn the_time_of_an_autoregressive_series_is_known() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
        let mut value = 0.0;
        let series: Vec<_> = (0..100_000)
            .map(|_| {
                value = 0.8 * value + uniform(&mut rng) - 0.5;
                value
            })
            .collect();
        // (1 + φ) / (1 − φ)
        assert!((autocorrelation_time(&series) - 9.0).abs() < 1.0, "{}", autocorrelation_time(&series));
        let white: Vec<_> = (0..100_000).map(|_| uniform(&mut rng)).collect();
        assert!(autocorrelation_time(&white) < 1.2);
        assert_eq!(autocorrelation_time(&[3.0; 50]), 1.0);
        assert_eq!(autocorrelation_time(&[]), 1.0);
    }

    #[test]
    fn the_tail_of_an_exponential_goes_on() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let mut draws: Vec<_> = (0..4000).map(|_| -(1.0 - uniform(&mut rng)).ln()).collect();
        let threshold = tail_threshold(&mut draws, 1e-5);
        assert!((threshold - 1e5_f64.ln()).abs() < 1.0, "{threshold}");
        let median = tail_threshold(&mut draws, 0.5);
        assert!((median - 2.0_f64.ln()).abs() < 0.1, "{median}");
        assert!(tail_threshold(&mut [], 0.1).is_infinite());
    }
}
