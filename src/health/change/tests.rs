//! The detector against a naive one, and against its promises.

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        let (limit, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

fn baseline(block_s: u32, presence: f64, score_sum: f64, score_mean: f64) -> ChangeBaseline {
    ChangeBaseline {
        presence: SignalBaseline::new(1.0, presence, block_s),
        // Blocks need not be the same for all.
        score_sum: SignalBaseline::new(2.0, score_sum, 2 * block_s),
        score_mean: SignalBaseline::new(0.8, score_mean, block_s),
    }
}

/// Frames of seconds: published, scores.
fn seconds() -> impl Strategy<Value = Vec<Vec<(bool, Vec<f64>)>>> {
    let frame = (any::<bool>(), prop::collection::vec(0.01_f64..1.0, 0..4));
    prop::collection::vec(prop::collection::vec(frame, 0..6), 1..20)
}

fn figures(published: bool, scores: &[f64]) -> FrameFigures {
    FrameFigures {
        detections: scores.len() as u32,
        is_published: published && !scores.is_empty(),
        score_sum: scores.iter().sum(),
    }
}

/// Shiryaev–Roberts, mixed, as it is written down: every frame or block one factor, nothing accumulated.
fn naive(baseline: &ChangeBaseline, seconds: &[Vec<(bool, Vec<f64>)>]) -> f64 {
    let mut total = 0.0;
    for (index, signal) in baseline.signals().into_iter().enumerate() {
        let signal = signal.unwrap();
        for fall in FALLS {
            let bet = |x: f64| 1.0 + (1.0 - fall) / (1.0 - signal.floor) * (signal.floor - x);
            let value = |(published, scores): &(bool, Vec<f64>)| {
                let sum: f64 = scores.iter().sum();
                let value = match index {
                    0 => f64::from(u8::from(*published && !scores.is_empty())),
                    1 => sum,
                    _ if scores.is_empty() => return None,
                    _ => sum / scores.len() as f64,
                };
                Some((value / signal.cap).min(1.0))
            };
            let filled: Vec<_> = seconds.iter().filter(|second| !second.is_empty()).collect();
            let size = (signal.block_s as usize).max(1);
            let mut statistic = 0.0;
            for block in filled.chunks_exact(size) {
                let values: Vec<_> =
                    block.iter().flat_map(|second| second.iter()).filter_map(value).collect();
                if signal.block_s == 0 {
                    statistic = (statistic + 1.0) * values.into_iter().map(bet).product::<f64>();
                } else if !values.is_empty() {
                    statistic = (statistic + 1.0) * bet(values.iter().sum::<f64>() / values.len() as f64);
                }
            }
            total += statistic;
        }
    }
    (total / (SIGNALS * FALLS.len()) as f64).ln()
}

proptest! {
    #[test]
    fn the_statistic_is_the_one_written_down(
        seconds in seconds(),
        block_s in 0_u32..4,
        floors in prop::array::uniform3(0.01_f64..0.99),
    ) {
        let baseline = baseline(block_s, floors[0], floors[1], floors[2]);
        let mut detector = ChangeDetector::new(&baseline, 500.0);
        for second in &seconds {
            for (published, scores) in second.iter().filter(|(_, scores)| !scores.is_empty()) {
                detector.add(figures(*published, scores));
            }
            detector.end_second(second.len() as u32);
        }
        let (found, expected) = (detector.log_statistic(), naive(&baseline, &seconds));
        prop_assert!(found == expected || (found - expected).abs() < 1e-6, "{} against {}", found, expected);
    }

    /// Whatever is read from a file: no figure leaves its range.
    #[test]
    fn no_baseline_makes_it_panic_or_nan(
        cap in prop::num::f64::ANY,
        floor in prop::num::f64::ANY,
        threshold in prop::num::f64::ANY,
        block_s in any::<u32>(),
        frames in any::<u32>(),
    ) {
        let signal = Some(SignalBaseline { cap, floor, block_s });
        let baseline = ChangeBaseline { presence: signal, score_sum: signal, score_mean: signal };
        let mut detector = ChangeDetector::new(&baseline, threshold);
        for _ in 0..5 {
            detector.add(figures(true, &[0.5]));
            detector.end_second(frames);
        }
        prop_assert!(!detector.log_statistic().is_nan());
        prop_assert!(detector.relative().is_nan() || detector.relative() >= 0.0);
    }
}

/// Alarms in `steps` seconds of frames that `draw` makes, each alarm starting the detector anew.
fn alarms(
    baseline: &ChangeBaseline,
    threshold: f64,
    steps: u32,
    mut draw: impl FnMut(u32) -> FrameFigures,
) -> u32 {
    let mut detector = ChangeDetector::new(baseline, threshold);
    let mut alarms = 0;
    for second in 0..steps {
        for _ in 0..5 {
            let figures = draw(second);
            if figures.detections > 0 {
                detector.add(figures);
            }
        }
        detector.end_second(5);
        if detector.is_alarm() {
            alarms += 1;
            detector.restart();
        }
    }
    alarms
}

/// On the very edge of what is no fall, where false alarms are most likely.
#[test]
fn false_alarms_are_no_more_than_promised() {
    let (steps, arl) = (200_000, 1000.0_f64);
    let promised = f64::from(steps) / arl;
    let limit = promised + 3.0 * promised.sqrt();
    for share in [0.05, 0.3, 0.9] {
        let mut random = Random::new(11);
        let of_blocks = |block_s| ChangeBaseline {
            presence: SignalBaseline::new(1.0, share, block_s),
            score_sum: SignalBaseline::new(2.0, share * 0.4, block_s),
            score_mean: SignalBaseline::new(1.0, 0.4, block_s),
        };
        let independent = of_blocks(0);
        let found = alarms(&independent, arl.ln(), steps, |_| {
            let scores = if random.uniform() < share { vec![random.uniform(), 0.3] } else { vec![] };
            FrameFigures { score_sum: scores.iter().sum::<f64>(), ..figures(true, &scores) }
        });
        assert!(f64::from(found) <= limit, "{share}: {found} alarms, {limit} allowed");
        // All frames of a second alike: one bet a second holds there, one a frame doesn't.
        let block = of_blocks(1);
        let mut coins = (u32::MAX, false);
        let mut alike = |second| {
            if coins.0 != second {
                coins = (second, random.uniform() < share);
            }
            figures(true, if coins.1 { &[0.5, 0.3] } else { &[] })
        };
        let found = alarms(&block, arl.ln(), steps, &mut alike);
        assert!(f64::from(found) <= limit, "{share}: {found} alarms, {limit} allowed");
        if share < 0.5 {
            let careless = alarms(&independent, arl.ln(), steps, &mut alike);
            assert!(f64::from(careless) > limit, "{share}: {careless} alarms of bets on frames");
        }
    }
}

#[test]
fn a_class_that_vanishes_is_noticed_when_it_is_said_to_be() {
    for (share, block_s, frames) in [(0.5, 0, 10), (0.2, 0, 10), (0.95, 1, 10), (0.9, 2, 3)] {
        let baseline = ChangeBaseline {
            presence: SignalBaseline::new(1.0, share, block_s),
            score_sum: SignalBaseline::new(1.0, share * 0.5, block_s),
            score_mean: SignalBaseline::new(1.0, 0.5, block_s),
        };
        let threshold = 15.0;
        let mut detector = ChangeDetector::new(&baseline, threshold);
        let mut seconds = 0;
        while !detector.is_alarm() && seconds < 1000 {
            detector.end_second(frames);
            seconds += 1;
        }
        let said = baseline.vanishing_s(threshold, f64::from(frames));
        let block = f64::from(block_s.max(1));
        assert!(f64::from(seconds) <= said + block, "{share}: {seconds} s, {said} s said");
        assert!(f64::from(seconds) >= 0.7 * said - block, "{share}: {seconds} s, {said} s said");
    }
}

#[test]
fn seconds_without_frames_and_discarded_ones_tell_nothing() {
    let mut detector = ChangeDetector::new(&baseline(0, 0.5, 0.3, 0.5), 5.0);
    for _ in 0..1000 {
        detector.end_second(0);
        detector.discard();
    }
    assert_eq!(detector.relative(), 0.0);
    detector.end_second(10);
    assert!(detector.relative() > 0.0);
    detector.restart();
    assert_eq!(detector.relative(), 0.0);
}

#[test]
fn a_statistic_comes_down_soon_after_a_long_fall() {
    let mut detector = ChangeDetector::new(&baseline(0, 0.5, 0.3, 0.5), 10.0);
    (0..100_000).for_each(|_| detector.end_second(10));
    assert!(detector.is_alarm());
    for _ in 0..20 {
        (0..10).for_each(|_| detector.add(figures(true, &[0.9, 0.9, 0.9])));
        detector.end_second(10);
    }
    assert!(!detector.is_alarm());
}

#[test]
fn a_class_without_baseline_is_never_alarmed() {
    let none = ChangeBaseline { presence: None, score_sum: None, score_mean: None };
    let mut detector = ChangeDetector::new(&none, 5.0);
    (0..100).for_each(|_| detector.end_second(10));
    assert!(!detector.is_alarm() && detector.relative().is_nan());
    assert_eq!(none.absence(100.0, 10.0), 0.0);
    assert!(none.vanishing_s(5.0, 10.0).is_infinite());
}
