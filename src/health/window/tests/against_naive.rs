//! Random streams through the window and through one that keeps every sample and counts anew each time.

use proptest::prelude::*;

use super::*;

const CLASSES: u32 = 3;

type Detection = (u32, f32, bool);

/// Keeps everything; written for clarity, not speed.
struct Naive {
    window_s: i64,
    frames: Vec<(i64, Vec<Detection>)>,
    first_ns: Option<i64>,
    now_ns: i64,
}

fn floor_s(time_ns: i64) -> i64 {
    (time_ns - time_ns.rem_euclid(S)) / S
}

impl Naive {
    fn new(window_s: u32) -> Self {
        Self { window_s: i64::from(window_s), frames: Vec::new(), first_ns: None, now_ns: 0 }
    }

    fn reset(&mut self) {
        self.frames.clear();
        self.first_ns = None;
    }

    fn time(&mut self, time_ns: i64) {
        if self.first_ns.is_some() && self.now_ns - time_ns > self.window_s * S {
            self.reset();
        }
        if self.first_ns.is_none() {
            self.first_ns = Some(time_ns);
            self.now_ns = time_ns;
        }
        self.now_ns = self.now_ns.max(time_ns);
    }

    fn oldest_s(&self) -> i64 {
        floor_s(self.now_ns) - self.window_s + 1
    }

    fn frame(&mut self, stamp_ns: i64, detections: Vec<Detection>) {
        self.time(stamp_ns);
        if floor_s(stamp_ns) >= self.oldest_s() {
            self.first_ns = self.first_ns.min(Some(stamp_ns));
            self.frames.push((stamp_ns, detections));
        }
    }

    fn current(&self) -> impl Iterator<Item = &(i64, Vec<Detection>)> {
        self.frames.iter().filter(|frame| floor_s(frame.0) >= self.oldest_s())
    }

    /// Valid scores of a class, ascending.
    fn scores(&self, class_id: u32, published_only: bool) -> Vec<f64> {
        let mut scores: Vec<f64> = self
            .current()
            .flat_map(|frame| &frame.1)
            .filter(|d| d.0 == class_id && (d.2 || !published_only))
            .map(|d| f64::from(d.1))
            .filter(|&score| (0.0..=1.0).contains(&score))
            .collect();
        scores.sort_by(f64::total_cmp);
        scores
    }
}

fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len() as f64
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance
}

fn check(window: &CameraWindow, naive: &Naive) -> Result<(), TestCaseError> {
    let frames = naive.current().count();
    let covered_s = naive
        .first_ns
        .map_or(0.0, |first_ns| (naive.now_ns - first_ns.max(naive.oldest_s() * S)) as f64 / 1e9);
    let (mut all, mut all_low) = (0, 0);
    for class_id in 0..CLASSES {
        let class = window.class_summary(class_id).unwrap();
        let (low, published) = (naive.scores(class_id, false), naive.scores(class_id, true));
        all += published.len() as u64;
        all_low += low.len() as u64;
        prop_assert_eq!(class.frames, frames as u64);
        prop_assert_eq!(class.count as usize, published.len());
        prop_assert_eq!(class.low_count as usize, low.len());
        prop_assert!(close(class.mean_score, mean(&low), 1e-9));
        prop_assert!(close(class.mean_published_score, mean(&published), 1e-9));
        prop_assert!(close(class.per_frame, published.len() as f64 / frames as f64, 1e-12));
        prop_assert!(close(class.covered_s, covered_s, 1e-9), "{} {}", class.covered_s, covered_s);
        let rate_hz = if covered_s >= 1.0 { published.len() as f64 / covered_s } else { f64::NAN };
        prop_assert!(close(class.rate_hz, rate_hz, 1e-9));
        for (bin, &n) in class.histogram20.iter().enumerate() {
            let expected = low.iter().filter(|&&score| ((score * 100.0) as usize).min(99) / 5 == bin);
            prop_assert_eq!(n as usize, expected.count());
        }
        let quantiles = class.quantiles;
        for (estimate, percent) in [(quantiles.p10, 10), (quantiles.p50, 50), (quantiles.p90, 90)] {
            let exact = (low.len() * percent).div_ceil(100).checked_sub(1).map_or(f64::NAN, |i| low[i]);
            prop_assert!(close(estimate, exact, 0.01 + 1e-12), "p{}: {} {}", percent, estimate, exact);
        }
    }
    let camera = window.camera_summary();
    prop_assert_eq!((camera.frames, camera.count, camera.low_count), (frames as u64, all, all_low));
    Ok(())
}

#[derive(Clone, Debug)]
enum Event {
    /// A frame stamped so much later than the newest time.
    Frame(i64, Vec<Detection>),
    /// The clock, so much later than the newest time.
    Clock(i64),
    Reset,
}

fn score() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => 0.0_f32..=1.0,
        2 => (0_u8..=100).prop_map(|n| f32::from(n) / 100.0),
        1 => prop_oneof![Just(0.0_f32), Just(1.0)],
        1 => any::<f32>(),
    ]
}

fn step_ns() -> impl Strategy<Value = i64> {
    prop_oneof![
        10 => 0..=S / 2,
        3 => -2 * S..=0,          // reordered
        2 => 0..=20 * S,          // gaps, some longer than any window here
        1 => -20 * S..=0,         // too late, or a jump back
        1 => (-3_i64..=8).prop_map(|n| n * S), // whole seconds
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let detection = (0..CLASSES + 1, score(), any::<bool>());
    prop_oneof![
        20 => (step_ns(), prop::collection::vec(detection, 0..6)).prop_map(|(step, d)| Event::Frame(step, d)),
        4 => step_ns().prop_map(Event::Clock),
        1 => Just(Event::Reset),
    ]
}

proptest! {
    #[test]
    fn the_window_counts_what_a_naive_one_counts(
        window_s in 2_u32..9,
        start_s in prop_oneof![-5_i64..5, 1_700_000_000_i64..1_800_000_000],
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut window = CameraWindow::new(CLASSES as usize, config(window_s, 5)).unwrap();
        let mut naive = Naive::new(window_s);
        let mut newest_ns = start_s * S;
        for event in events {
            match event {
                Event::Frame(step_ns, detections) => {
                    let stamp_ns = newest_ns + step_ns;
                    window.record_frame(stamp_ns, detections.iter().copied());
                    naive.frame(stamp_ns, detections);
                    newest_ns = naive.now_ns;
                }
                Event::Clock(step_ns) => {
                    window.advance(newest_ns + step_ns);
                    naive.time(newest_ns + step_ns);
                    newest_ns = naive.now_ns;
                }
                Event::Reset => {
                    window.reset();
                    naive.reset();
                }
            }
            check(&window, &naive)?;
        }
    }
}
