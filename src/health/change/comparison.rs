//! The e-detector beside CUSUM and Page–Hinkley: delays at an equal rate of false alarms. The table that the decision rests
//! on: `cargo test --release --lib change::comparison -- --nocapture`.

use super::tests::Random;
use super::*;

const FRAMES_PER_S: u32 = 10;

/// Where the change is, in seconds after the detector's start.
const CHANGE_S: u32 = 100;

/// Objects come at random and stay: `lifetime_s` 0 draws every frame anew (images of a dataset), otherwise they stay in view
/// for an exponential time, which makes counts of neighbouring frames depend on each other and seconds over-dispersed.
struct Scene {
    random: Random,
    in_view: f64,
    lifetime_s: f64,
    objects: u32,
}

#[derive(Clone, Copy)]
struct Change {
    name: &'static str,
    found: f64,
    score: f64,
}

const CLEAN: Change = Change { name: "clean", found: 1.0, score: 1.0 };
const CHANGES: [Change; 4] = [
    Change { name: "vanishes", found: 0.0, score: 1.0 },
    Change { name: "a quarter found", found: 0.25, score: 1.0 },
    Change { name: "half found", found: 0.5, score: 1.0 },
    Change { name: "scores -25 %", found: 1.0, score: 0.75 },
];

impl Scene {
    fn new(seed: u64, in_view: f64, lifetime_s: f64) -> Self {
        let mut random = Random::new(seed);
        let objects = random.poisson(in_view);
        Self { random, in_view, lifetime_s, objects }
    }

    fn frame(&mut self, change: Change) -> FrameFigures {
        if self.lifetime_s <= 0.0 {
            self.objects = self.random.poisson(self.in_view);
        } else {
            let leave = 1.0 / (self.lifetime_s * f64::from(FRAMES_PER_S));
            let leaving = (0..self.objects).filter(|_| self.random.uniform() < leave).count() as u32;
            self.objects = self.objects - leaving + self.random.poisson(self.in_view * leave);
        }
        let mut figures = FrameFigures::default();
        for _ in 0..self.objects {
            let score = (0.35 + 0.6 * self.random.uniform()) * change.score;
            if self.random.uniform() < change.found {
                figures.detections += 1;
                figures.score_sum += score;
                figures.is_published |= score >= 0.4;
            }
        }
        figures
    }

    fn second(&mut self, change: Change) -> Vec<FrameFigures> {
        (0..FRAMES_PER_S).map(|_| self.frame(change)).collect()
    }
}

/// What the classical detectors know: mean and standard deviation of a second's summed scores.
#[derive(Clone, Copy)]
struct Moments {
    mean: f64,
    deviation: f64,
}

#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "there are a handful, in tests only")]
enum Contender {
    /// Page, "Continuous inspection schemes", 1954: falls of a standard deviation.
    Cusum {
        moments: Moments,
        sum: f64,
    },
    /// Page–Hinkley with the running mean in the profile's place, as it is used on streams (Gama et al., "A survey on concept
    /// drift adaptation", 2014).
    PageHinkley {
        moments: Moments,
        seconds: f64,
        running: f64,
        sum: f64,
        lowest: f64,
    },
    EDetector(ChangeDetector),
}

impl Contender {
    fn step(&mut self, second: &[FrameFigures]) -> f64 {
        let total: f64 = second.iter().map(|figures| figures.score_sum).sum();
        match self {
            Self::Cusum { moments, sum } => {
                *sum = (*sum + (moments.mean - total) / moments.deviation - 0.5).max(0.0);
                *sum
            }
            Self::PageHinkley { moments, seconds, running, sum, lowest } => {
                *seconds += 1.0;
                *running += (total - *running) / *seconds;
                *sum += (*running - total) / moments.deviation - 0.5;
                *lowest = lowest.min(*sum);
                *sum - *lowest
            }
            Self::EDetector(detector) => {
                for figures in second.iter().filter(|figures| figures.detections > 0) {
                    detector.add(*figures);
                }
                detector.end_second(FRAMES_PER_S);
                detector.log_statistic()
            }
        }
    }
}

fn contenders(in_view: f64, lifetime_s: f64) -> [(&'static str, Contender); 3] {
    let mut scene = Scene::new(5, in_view, lifetime_s);
    let clean: Vec<_> = (0..5000).map(|_| scene.second(CLEAN)).collect();
    let totals: Vec<f64> = clean.iter().map(|s| s.iter().map(|f| f.score_sum).sum()).collect();
    let mean = totals.iter().sum::<f64>() / totals.len() as f64;
    let variance = totals.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / totals.len() as f64;
    let moments = Moments { mean, deviation: variance.sqrt() };
    let frames: Vec<_> = clean.into_iter().flatten().collect();
    let seen: Vec<_> = frames.iter().filter(|f| f.detections > 0).collect();
    let share = seen.iter().filter(|f| f.is_published).count() as f64 / frames.len() as f64;
    let cap = 2.0 * in_view.max(0.5);
    let sum = frames.iter().map(|f| (f.score_sum / cap).min(1.0)).sum::<f64>() / frames.len() as f64;
    let score = seen.iter().map(|f| f.score_sum / f64::from(f.detections)).sum::<f64>() / seen.len() as f64;
    let block_s = (2.0 * lifetime_s).ceil() as u32;
    let baseline = ChangeBaseline {
        presence: SignalBaseline::new(1.0, share - 0.005, block_s.min(2)),
        score_sum: SignalBaseline::new(cap, sum - 0.005, block_s),
        score_mean: SignalBaseline::new(0.9, score / 0.9 - 0.005, block_s),
    };
    [
        ("CUSUM", Contender::Cusum { moments, sum: 0.0 }),
        (
            "Page-Hinkley",
            Contender::PageHinkley { moments, seconds: 0.0, running: 0.0, sum: 0.0, lowest: 0.0 },
        ),
        ("e-detector", Contender::EDetector(ChangeDetector::new(&baseline, 500.0))),
    ]
}

/// The threshold that one clean thousand of seconds in ten reaches: a false alarm in some 10 000 s.
fn equal_threshold(contender: &Contender, in_view: f64, lifetime_s: f64, runs: u64) -> f64 {
    let mut highest: Vec<_> = (0..runs)
        .map(|run| {
            let (mut scene, mut contender) = (Scene::new(1000 + run, in_view, lifetime_s), contender.clone());
            (0..1000).map(|_| contender.step(&scene.second(CLEAN))).fold(0.0, f64::max)
        })
        .collect();
    highest.sort_by(f64::total_cmp);
    highest[(runs * 9 / 10) as usize]
}

/// Median delay in seconds; a run without alarm within 300 s counts as that.
fn delay(
    contender: &Contender,
    threshold: f64,
    change: Change,
    in_view: f64,
    lifetime_s: f64,
    runs: u64,
) -> u32 {
    let mut delays: Vec<_> = (0..runs)
        .map(|run| {
            let (mut scene, mut contender) = (Scene::new(9000 + run, in_view, lifetime_s), contender.clone());
            (0..CHANGE_S).for_each(|_| {
                contender.step(&scene.second(CLEAN));
            });
            (1..300).find(|_| contender.step(&scene.second(change)) >= threshold).unwrap_or(300)
        })
        .collect();
    delays.sort_unstable();
    delays[delays.len() / 2]
}

#[test]
fn delays_at_an_equal_rate_of_false_alarms() {
    let runs = if cfg!(debug_assertions) { 30 } else { 300 };
    println!("| scene | change | CUSUM | Page-Hinkley | e-detector |\n|---|---|---|---|---|");
    for (scene, in_view, lifetime_s) in [
        ("independent frames, 1 object", 1.0, 0.0),
        ("independent frames, 0.2 objects", 0.2, 0.0),
        ("objects stay 3 s, 3 in view", 3.0, 3.0),
    ] {
        let contenders = contenders(in_view, lifetime_s);
        let thresholds = contenders.each_ref().map(|(_, c)| equal_threshold(c, in_view, lifetime_s, runs));
        for change in CHANGES {
            let delays: Vec<_> = contenders
                .iter()
                .zip(thresholds)
                .map(|((_, contender), threshold)| {
                    delay(contender, threshold, change, in_view, lifetime_s, runs.min(50))
                })
                .collect();
            println!("| {scene} | {} | {} s | {} s | {} s |", change.name, delays[0], delays[1], delays[2]);
            if change.found == 0.0 && lifetime_s <= 0.0 {
                assert!(delays[2] <= delays[0] + 1, "e-detector {delays:?} on {scene}");
            }
        }
        println!(
            "| {scene} | thresholds | {:.1} | {:.1} | {:.1} |",
            thresholds[0], thresholds[1], thresholds[2]
        );
    }
}
