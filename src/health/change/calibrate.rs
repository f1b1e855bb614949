//! Alarm thresholds from clean frames, for a stated rate of false alarms.
//!
//! Half of the false alarms allowed goes to the change detector, a sixth each to the two drift measures and to the tracks,
//! shared evenly by the classes that are watched.

mod resample;
#[cfg(test)]
mod tests;

use rand::SeedableRng as _;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{CONFIDENCE_Z, ChangeBaseline, ChangeDetector, FrameFigures, SignalBaseline, wilson_lower};
use crate::detector::{Detection, Thresholds};
use crate::health::SCORE_BINS;
use crate::health::drift::ReferenceScores;
use crate::health::histogram::bin_of;
use crate::health::profile::{AlarmSettings, ClassAlarms};
use crate::health::tracker::{TrackCounts, Tracker};

use self::resample::{Frames, autocorrelation_time, tail_threshold};

const TEN_HOURS_S: f64 = 36_000.0;

/// Frames with a published detection that a class needs to get alarms.
const MIN_FRAMES: usize = 8;

/// Windows drawn for each class.
const WINDOWS: usize = 400;

/// Seconds of a stream drawn for each class, to see whether the change detector holds what it promises there.
const STREAM_S: usize = 20_000;

/// Windows that overlap by more than this share of their length are nearly the same one.
const INDEPENDENT_SHARE: f64 = 0.25;

/// Clean frames of one camera or dataset, in order.
#[derive(Debug, Clone, Copy)]
pub struct CleanFrames<'a> {
    /// Of each frame, down to the low score, highest first.
    pub frames: &'a [Vec<Detection>],
    /// Which of them are published.
    pub thresholds: &'a Thresholds,
    /// Width and height of the images, pixels; only used where frames are a stream.
    pub image_size: [u32; 2],
    /// Whether consecutive frames belong together.
    pub is_stream: bool,
}

/// Alarm thresholds of each of `class_count` classes; `None` for classes too rare to set any. The same seed gives the same
/// thresholds.
///
/// The change detector's threshold is that of its guarantee, ln of the steps between false alarms; where frames are a stream
/// it is raised by as much as the statistic overshoots on streams drawn from the frames in blocks (moving block bootstrap:
/// Künsch, 1989). The other thresholds are tail quantiles of the figure between a profile and a window, *both* drawn from the
/// frames, since the profile is only a sample too; beyond what the draws show, the tail is taken to fall exponentially.
#[must_use]
pub fn calibrate(
    clean: &CleanFrames<'_>,
    class_count: usize,
    settings: &AlarmSettings,
    seed: u64,
) -> Vec<Option<ClassAlarms>> {
    let classes: Vec<_> = (0..class_count as u32).map(|class_id| ClassFrames::new(clean, class_id)).collect();
    let watched = classes.iter().filter(|class| class.is_watched()).count().max(1) as f64;
    let tracks = clean.is_stream.then(|| track_seconds(clean, class_count, settings));
    let allowed = settings.false_alarms_per_10h / watched;
    let of_class = |(class_id, class): (usize, &ClassFrames)| {
        let mut rng =
            Xoshiro256PlusPlus::seed_from_u64(seed ^ (class_id as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let track_seconds: Vec<_> =
            tracks.iter().flatten().map(|second| second.get(class_id).copied().unwrap_or_default()).collect();
        class.is_watched().then(|| class.alarms(clean, settings, allowed, &track_seconds, &mut rng))
    };
    classes.iter().enumerate().map(of_class).collect()
}

/// Tracked objects of each class in each second of a stream.
fn track_seconds(
    clean: &CleanFrames<'_>,
    class_count: usize,
    settings: &AlarmSettings,
) -> Vec<Vec<TrackCounts>> {
    let mut tracker = Tracker::new(class_count, 1);
    let per_second = (settings.frame_rate_hz.round() as usize).max(1);
    let interval_ns = 1e9 / per_second as f64;
    let mut seconds = Vec::new();
    for (second, frames) in clean.frames.chunks(per_second).enumerate() {
        for (i, detections) in frames.iter().enumerate() {
            let stamp_ns = second as i64 * 1_000_000_000 + (i as f64 * interval_ns) as i64;
            tracker.record_frame(stamp_ns, detections, clean.thresholds, clean.image_size);
        }
        seconds.push((0..class_count as u32).map(|class_id| tracker.counts(class_id)).collect());
    }
    seconds
}

/// What clean frames show of one class.
#[derive(Debug)]
struct ClassFrames {
    figures: Vec<FrameFigures>,
    /// Bins of the scores of each frame.
    bins: Vec<Vec<u8>>,
}

impl ClassFrames {
    fn new(clean: &CleanFrames<'_>, class_id: u32) -> Self {
        let mut class = Self { figures: Vec::new(), bins: Vec::new() };
        for frame in clean.frames {
            let (mut figures, mut bins) = (FrameFigures::default(), Vec::new());
            for detection in frame.iter().filter(|d| d.class_id == class_id) {
                let Some(bin) = bin_of(detection.score) else { continue };
                bins.push(bin as u8);
                figures.detections += 1;
                figures.is_published |= clean.thresholds.publishes(detection);
                figures.score_sum += f64::from(detection.score);
            }
            class.figures.push(figures);
            class.bins.push(bins);
        }
        class
    }

    fn is_watched(&self) -> bool {
        self.figures.iter().filter(|figures| figures.is_published).count() >= MIN_FRAMES
    }

    fn alarms(
        &self,
        clean: &CleanFrames<'_>,
        settings: &AlarmSettings,
        allowed: f64,
        tracks: &[TrackCounts],
        rng: &mut Xoshiro256PlusPlus,
    ) -> ClassAlarms {
        let rate_hz = settings.frame_rate_hz.max(0.1);
        let sums: Vec<_> = self.figures.iter().map(|figures| figures.score_sum).collect();
        let presence: Vec<_> = self.figures.iter().map(|f| f64::from(u8::from(f.is_published))).collect();
        let seen = self.figures.iter().filter(|figures| figures.detections > 0);
        let means: Vec<_> = seen.map(|f| f.score_sum / f64::from(f.detections)).collect();
        let dependence = |values: &[f64]| Dependence::new(values, clean.is_stream, rate_hz);
        let baseline = ChangeBaseline {
            presence: presence_baseline(&presence, dependence(&presence)),
            score_sum: capped_baseline(&sums, dependence(&sums)),
            score_mean: capped_baseline(&means, dependence(&means)),
        };
        // Of the figure that is bet on most often.
        let block_s =
            baseline.signals().iter().flatten().map(|signal| signal.block_s.max(1)).min().unwrap_or(1);
        let steps = TEN_HOURS_S / f64::from(block_s);
        let mut change = (2.0 * steps / allowed).ln().max(1.0);
        let mut block = 1;
        if clean.is_stream {
            change *= self.overshoot(&baseline, settings, rng);
            block = dependence(&sums).time.max(dependence(&presence).time).ceil() as usize;
        }
        let frames = Frames { count: self.figures.len(), block };
        // Finite, as the file needs it: with more than this nothing can be detected anyway.
        let change = change.min(500.0);
        let windows = TEN_HOURS_S / (f64::from(settings.window_s.max(1)) * INDEPENDENT_SHARE);
        let share = (allowed / 6.0 / windows).min(0.5);
        let (psi, wasserstein) = self.drift(frames, settings, share, rng);
        let track_match_rate = track_limit(tracks, settings, share, rng);
        ClassAlarms { change, psi, wasserstein, track_match_rate, baseline: Some(baseline) }
    }

    /// How many times larger than it should be the change detector's log statistic gets on a stream of clean blocks.
    fn overshoot(
        &self,
        baseline: &ChangeBaseline,
        settings: &AlarmSettings,
        rng: &mut Xoshiro256PlusPlus,
    ) -> f64 {
        let per_second = (settings.frame_rate_hz.round() as usize).max(1);
        let mut detector = ChangeDetector::new(baseline, 500.0);
        // Several bets long, so that what correlation is left between them shows.
        let longest = baseline.signals().iter().flatten().map(|signal| signal.block_s).max().unwrap_or(1);
        let block = (longest as usize * per_second * 5).min(self.figures.len());
        let frames = Frames { count: self.figures.len(), block };
        let (mut highest, mut in_second) = (0.0_f64, 0);
        let figures = frames.draw(STREAM_S * per_second, rng).filter_map(|i| self.figures.get(i));
        for figures in figures {
            if figures.detections > 0 {
                detector.add(*figures);
            }
            in_second += 1;
            if in_second == per_second {
                detector.end_second(per_second as u32);
                highest = highest.max(detector.log_statistic());
                in_second = 0;
            }
        }
        (highest / (STREAM_S as f64).ln()).max(1.0)
    }

    /// Thresholds of population stability index and Wasserstein distance, each exceeded by `share` of the windows.
    fn drift(
        &self,
        frames: Frames,
        settings: &AlarmSettings,
        share: f64,
        rng: &mut Xoshiro256PlusPlus,
    ) -> (f64, f64) {
        let window = (settings.frame_rate_hz * f64::from(settings.window_s)).round().max(1.0) as usize;
        let (mut psi, mut wasserstein) = (Vec::new(), Vec::new());
        for _ in 0..WINDOWS {
            let profile = self.histogram(frames.draw(frames.count, rng));
            let found = self.histogram(frames.draw(window, rng));
            let Some(reference) = ReferenceScores::new(&profile) else { continue };
            if found.iter().any(|&n| n > 0) {
                psi.push(reference.psi(&found));
                wasserstein.push(reference.wasserstein(&found));
            }
        }
        // Finite, so that the file can hold them; no index of a histogram that counts a few thousand gets there.
        (tail_threshold(&mut psi, share).min(1e3), tail_threshold(&mut wasserstein, share).min(1.0))
    }

    fn histogram(&self, frames: impl Iterator<Item = usize>) -> [u32; SCORE_BINS] {
        let mut histogram = [0; SCORE_BINS];
        for bin in frames.filter_map(|i| self.bins.get(i)).flatten() {
            if let Some(count) = histogram.get_mut(usize::from(*bin)) {
                *count += 1;
            }
        }
        histogram
    }
}

/// How far values of neighbouring frames depend on each other.
#[derive(Debug, Clone, Copy)]
struct Dependence {
    /// Frames that count as one independent one.
    time: f64,
    /// Seconds of a bet.
    block_s: u32,
    /// Independent frames that the values amount to.
    samples: f64,
}

impl Dependence {
    fn new(values: &[f64], is_stream: bool, rate_hz: f64) -> Self {
        if !is_stream {
            return Self { time: 1.0, block_s: 0, samples: values.len() as f64 };
        }
        let time = autocorrelation_time(values);
        // Means over blocks of twice the time correlate by about a quarter with the next one.
        let block_s = (2.0 * time / rate_hz).ceil().max(1.0) as u32;
        Self { time, block_s, samples: values.len() as f64 / time }
    }
}

fn presence_baseline(values: &[f64], dependence: Dependence) -> Option<SignalBaseline> {
    SignalBaseline::new(1.0, wilson_lower(mean(values), dependence.samples), dependence.block_s)
}

/// Baseline of a figure capped at the upper tenth of its positive values, which keeps single crowded frames from being all
/// of its mean.
fn capped_baseline(values: &[f64], dependence: Dependence) -> Option<SignalBaseline> {
    let mut positive: Vec<_> = values.iter().copied().filter(|&value| value > 0.0).collect();
    positive.sort_by(f64::total_cmp);
    let cap = *positive.get(((positive.len() as f64 * 0.9) as usize).min(positive.len().checked_sub(1)?))?;
    let shares: Vec<_> = values.iter().map(|value| (value / cap).min(1.0)).collect();
    let average = mean(&shares);
    let variance = shares.iter().map(|share| (share - average).powi(2)).sum::<f64>() / shares.len() as f64;
    // The second term stands for a rare value that was not among so few samples.
    let samples = dependence.samples;
    let error = CONFIDENCE_Z * (variance / samples).sqrt() + 1.0 / samples;
    SignalBaseline::new(cap, average - error, dependence.block_s)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Lowest track match rate of a window; `None` where too few objects were tracked.
fn track_limit(
    seconds: &[TrackCounts],
    settings: &AlarmSettings,
    share: f64,
    rng: &mut Xoshiro256PlusPlus,
) -> Option<f64> {
    let expected: u64 = seconds.iter().map(|counts| u64::from(counts.expected)).sum();
    if expected < 30 {
        return None;
    }
    let frames = Frames { count: seconds.len(), block: 5.min(seconds.len()) };
    let mut lost = Vec::new();
    for _ in 0..WINDOWS {
        let (mut expected, mut found) = (0_u64, 0_u64);
        for counts in frames.draw(settings.window_s as usize, rng).filter_map(|i| seconds.get(i)) {
            expected += u64::from(counts.expected);
            found += u64::from(counts.found);
        }
        // As the monitor does, which needs support to judge.
        if expected >= 30 {
            lost.push(1.0 - found as f64 / expected as f64);
        }
    }
    (!lost.is_empty()).then(|| (1.0 - tail_threshold(&mut lost, share)).max(0.0))
}
