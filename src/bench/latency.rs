//! Exact figures of raw durations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pipeline::nearest_rank_per_mille;

/// Fewest samples that a 99th percentile is told of: with fewer it would only be the largest.
pub const LEAST_FOR_P99: usize = 100;
/// Fewest samples that a 99.9th percentile is told of.
pub const LEAST_FOR_P999: usize = 1000;

/// What a series of durations comes to, in milliseconds. Percentiles are nearest rank over all samples: each is a
/// duration that was measured, nothing is interpolated or binned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Durations.
    pub count: usize,
    /// Mean.
    pub mean_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile; `None` under [`LEAST_FOR_P99`] samples.
    pub p99_ms: Option<f64>,
    /// 99.9th percentile; `None` under [`LEAST_FOR_P999`] samples.
    pub p999_ms: Option<f64>,
    /// Largest.
    pub max_ms: f64,
    /// Standard deviation (of the sample, `n − 1`); 0 for a single sample.
    pub deviation_ms: f64,
    /// Mean absolute difference of consecutive durations of a stream; 0 where no stream has two. RFC 3550, section
    /// 6.4.1, calls a smoothed form of it interarrival jitter; here it is the plain mean.
    pub jitter_ms: f64,
}

impl Latency {
    /// Of durations in the order in which they were measured; `None` where there are none.
    #[must_use]
    pub fn of(samples: &[Duration]) -> Option<Self> {
        Self::of_streams(&[samples])
    }

    /// Of several streams (cameras) together; only the jitter looks at each on its own.
    #[must_use]
    pub fn of_streams<S: AsRef<[Duration]>>(streams: &[S]) -> Option<Self> {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let mut sorted = streams.iter().flat_map(AsRef::as_ref).copied().collect::<Vec<_>>();
        sorted.sort_unstable();
        let count = sorted.len();
        if count == 0 {
            return None;
        }
        let at = |per_mille| nearest_rank_per_mille(&sorted, per_mille).map_or(0.0, ms);
        let mean = sorted.iter().copied().map(ms).sum::<f64>() / count as f64;
        let squares = sorted.iter().map(|sample| (ms(*sample) - mean).powi(2)).sum::<f64>();
        let (mut steps, mut step_sum) = (0usize, 0.0);
        for stream in streams.iter().map(AsRef::as_ref) {
            for (before, after) in stream.iter().zip(stream.iter().skip(1)) {
                step_sum += (ms(*after) - ms(*before)).abs();
                steps += 1;
            }
        }
        Some(Self {
            count,
            mean_ms: mean,
            p50_ms: at(500),
            p90_ms: at(900),
            p99_ms: (count >= LEAST_FOR_P99).then(|| at(990)),
            p999_ms: (count >= LEAST_FOR_P999).then(|| at(999)),
            max_ms: at(1000),
            deviation_ms: (squares / count.saturating_sub(1).max(1) as f64).sqrt(),
            jitter_ms: step_sum / steps.max(1) as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        values.into_iter().map(Duration::from_millis).collect()
    }

    #[test]
    fn nothing_has_no_figures() {
        assert_eq!(Latency::of(&[]), None);
    }

    #[test]
    fn a_single_sample_is_all_its_percentiles_and_has_no_spread() {
        let one = Latency::of(&ms([7])).unwrap();
        assert_eq!((one.count, one.mean_ms, one.p50_ms, one.p90_ms, one.max_ms), (1, 7.0, 7.0, 7.0, 7.0));
        assert_eq!((one.deviation_ms, one.jitter_ms, one.p99_ms, one.p999_ms), (0.0, 0.0, None, None));
    }

    #[test]
    fn percentiles_are_measured_durations_whatever_their_order() {
        // 1 to 1000 in an order of their own: 7 has no divisor in common with 1009
        let shuffled = ms((1..1009).map(|n| n * 7 % 1009).filter(|n| *n <= 1000));
        let found = Latency::of(&shuffled).unwrap();
        assert_eq!((found.count, found.p50_ms, found.p90_ms), (1000, 500.0, 900.0));
        assert_eq!((found.p99_ms, found.p999_ms, found.max_ms), (Some(990.0), Some(999.0), 1000.0));
        assert!((found.mean_ms - 500.5).abs() < 1e-9);
    }

    #[test]
    fn tails_are_told_only_of_enough_samples() {
        let tails = |count| {
            let found = Latency::of(&ms(1..=count)).unwrap();
            (found.p99_ms, found.p999_ms)
        };
        assert_eq!(tails(99), (None, None));
        assert_eq!(tails(100), (Some(99.0), None));
        assert_eq!(tails(999), (Some(990.0), None));
        assert_eq!(tails(1000), (Some(990.0), Some(999.0)));
    }

    #[test]
    fn jitter_is_of_neighbours_and_deviation_is_not() {
        let steps = Latency::of(&ms([1, 1, 1, 5, 5, 5])).unwrap();
        let swings = Latency::of(&ms([1, 5, 1, 5, 1, 5])).unwrap();
        // squares: 6 × 2² = 24 over 5
        assert!((steps.deviation_ms - 4.8f64.sqrt()).abs() < 1e-12);
        assert!((swings.deviation_ms - steps.deviation_ms).abs() < 1e-12);
        assert!((steps.jitter_ms - 0.8).abs() < 1e-12);
        assert!((swings.jitter_ms - 4.0).abs() < 1e-12);
    }

    #[test]
    fn streams_are_one_set_of_durations_but_jitter_within_each() {
        let streams = [ms([10, 11, 12]), ms([20, 20, 21])];
        let found = Latency::of_streams(&streams).unwrap();
        assert_eq!((found.count, found.p50_ms, found.max_ms), (6, 12.0, 21.0));
        assert!((found.jitter_ms - 0.75).abs() < 1e-12);
    }
}
