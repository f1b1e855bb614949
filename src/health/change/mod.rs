//! Whether a class has lost something: an e-detector on what each second shows of it.
//!
//! An e-detector (Shin, Ramdas & Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", 2023,
//! arXiv 2203.03532) multiplies up the gains of a gambler who bets that a bounded figure's mean has fallen below the
//! profile's. While it has not, whatever the distribution, no bet gains on average, so the mean time to a false alarm is at
//! least e^threshold steps. `docs/decisions/0007-e-detector.md` says why it is this one.
//!
//! Bets are on three figures of a frame, each in [0, 1] (see [`ChangeBaseline`]), and for each on four sizes of the fall;
//! the statistic is the mean over all of them.

mod calibrate;
#[cfg(test)]
mod comparison;
#[cfg(test)]
mod tests;

pub use calibrate::{CleanFrames, calibrate};

use serde::{Deserialize, Serialize};

use super::profile::{ClassProfile, ProfileSource};

/// Figures that are bet on.
const SIGNALS: usize = 3;

/// What is left of the mean in the falls that are bet on: nothing, … four fifths.
const FALLS: [f64; 4] = [0.0, 0.3, 0.6, 0.8];

/// Standard errors below the profile's mean from which on a mean counts as fallen.
const CONFIDENCE_Z: f64 = 3.0;

/// A statistic stops growing this far (natural logarithm) above its threshold, so that it comes down again.
const HEADROOM: f64 = 2.0;

/// What clean frames show of a class, for the change detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeBaseline {
    /// Whether the frame has a published detection: its cap is 1.
    pub presence: Option<SignalBaseline>,
    /// Summed scores of the frame.
    pub score_sum: Option<SignalBaseline>,
    /// Mean score of the frame, of frames with detections.
    pub score_mean: Option<SignalBaseline>,
}

/// A figure of clean frames.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalBaseline {
    /// What lies above is taken for this, > 0.
    pub cap: f64,
    /// Lower confidence limit of the capped figure's mean, as a share of `cap`, in (0, 1).
    pub floor: f64,
    /// Seconds that make up one bet, so that bets are nearly independent; 0 where each frame is independent of the others.
    pub block_s: u32,
}

impl SignalBaseline {
    /// A baseline that can be bet on; `None` where the values leave their range.
    fn new(cap: f64, floor: f64, block_s: u32) -> Option<Self> {
        let usable = cap.is_finite() && cap > 0.0 && floor > 1e-3 && floor < 1.0;
        // Certainty can't be had from any number of frames.
        usable.then(|| Self { cap, floor: floor.min(0.995), block_s })
    }
}

impl ChangeBaseline {
    /// What a profile tells without [`calibrate()`]: how often the class is there. Frames of a stream are taken to be
    /// independent after two seconds.
    #[must_use]
    pub fn from_profile(class: &ClassProfile, source: &ProfileSource, frame_rate_hz: f64) -> Self {
        let block_s = if source.is_stream { 2 } else { 0 };
        let per_sample = if source.is_stream { (2.0 * frame_rate_hz).max(1.0) } else { 1.0 };
        let samples = source.frames as f64 / per_sample;
        let presence = SignalBaseline::new(1.0, wilson_lower(class.frames_share, samples), block_s);
        Self { presence, score_sum: None, score_mean: None }
    }

    /// Natural logarithm of the evidence that nothing but absence gives in `frames` frames of `seconds` seconds.
    pub(super) fn absence(&self, frames: f64, seconds: f64) -> f64 {
        let Some(presence) = self.presence else { return 0.0 };
        let bets = if presence.block_s == 0 { frames } else { seconds / f64::from(presence.block_s) };
        -bets * (1.0 - presence.floor).ln()
    }

    /// Seconds until a class that has vanished is noticed at `threshold`; infinite where its presence tells nothing.
    #[must_use]
    pub fn vanishing_s(&self, threshold: f64, frame_rate_hz: f64) -> f64 {
        let evidence = threshold + ((SIGNALS * FALLS.len()) as f64).ln();
        evidence / self.absence(frame_rate_hz, 1.0)
    }

    pub(in crate::health) fn signals(&self) -> [Option<SignalBaseline>; SIGNALS] {
        [self.presence, self.score_sum, self.score_mean]
    }
}

/// Lower limit of a share found in `samples` samples (Wilson, "Probable inference, the law of succession, and statistical
/// inference", 1927).
fn wilson_lower(share: f64, samples: f64) -> f64 {
    let z2 = CONFIDENCE_Z * CONFIDENCE_Z;
    let spread = (share * (1.0 - share) / samples + z2 / (4.0 * samples * samples)).max(0.0).sqrt();
    ((share + z2 / (2.0 * samples) - CONFIDENCE_Z * spread) / (1.0 + z2 / samples)).max(0.0)
}

/// One figure's bets.
#[derive(Debug, Clone, Copy)]
struct Signal {
    baseline: SignalBaseline,
    /// Whether frames without detections count, as zero.
    counts_absence: bool,
    stakes: [f64; FALLS.len()],
    /// Gains of the second in progress, from frames with detections.
    gains: [f64; FALLS.len()],
    /// Sum and number of the values of the second or block in progress.
    sum: f64,
    values: u32,
    /// Seconds and frames of the block in progress.
    seconds: u32,
    frames: u32,
    statistic: [f64; FALLS.len()],
}

impl Signal {
    fn new(baseline: SignalBaseline, counts_absence: bool) -> Self {
        // The stake that grows fastest where a share of 0 or 1 falls from `floor` to `fall · floor` (Kelly).
        let stakes = FALLS.map(|fall| (1.0 - fall) / (1.0 - baseline.floor));
        let (gains, statistic) = ([1.0; FALLS.len()], [0.0; FALLS.len()]);
        Self {
            baseline,
            counts_absence,
            stakes,
            gains,
            sum: 0.0,
            values: 0,
            seconds: 0,
            frames: 0,
            statistic,
        }
    }

    fn add(&mut self, value: f64) {
        let share = (value / self.baseline.cap).clamp(0.0, 1.0);
        self.sum += share;
        self.values = self.values.saturating_add(1);
        for (gain, stake) in self.gains.iter_mut().zip(self.stakes) {
            *gain *= (1.0 + stake * (self.baseline.floor - share)).max(0.0);
        }
    }

    /// Forgets the second or block in progress.
    fn discard(&mut self) {
        self.gains = [1.0; FALLS.len()];
        self.sum = 0.0;
        (self.values, self.seconds, self.frames) = (0, 0, 0);
    }

    /// Ends a second.
    fn end_second(&mut self, frames: u32, ceiling: f64) {
        if self.baseline.block_s == 0 {
            self.settle_frames(frames, ceiling);
            return;
        }
        self.frames = self.frames.saturating_add(frames);
        self.seconds += 1;
        if self.seconds >= self.baseline.block_s {
            self.settle_block(ceiling);
        }
    }

    /// Settles bets on each of `frames` frames.
    fn settle_frames(&mut self, frames: u32, ceiling: f64) {
        let absent = if self.counts_absence { frames.saturating_sub(self.values) } else { 0 };
        let absent = i32::try_from(absent).unwrap_or(i32::MAX);
        for ((statistic, gain), stake) in self.statistic.iter_mut().zip(self.gains).zip(self.stakes) {
            let gain = gain * (1.0 + stake * self.baseline.floor).powi(absent);
            *statistic = ((*statistic + 1.0) * gain).min(ceiling);
        }
        self.discard();
    }

    /// Settles one bet on the mean over the block.
    fn settle_block(&mut self, ceiling: f64) {
        let count = if self.counts_absence { self.frames.max(self.values) } else { self.values };
        if count > 0 {
            let gap = self.baseline.floor - self.sum / f64::from(count);
            for (statistic, stake) in self.statistic.iter_mut().zip(self.stakes) {
                *statistic = ((*statistic + 1.0) * (1.0 + stake * gap).max(0.0)).min(ceiling);
            }
        }
        self.discard();
    }
}

/// What a frame shows of a class that it has detections of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct FrameFigures {
    /// Detections down to the low score.
    pub(super) detections: u32,
    /// Whether one of them is published.
    pub(super) is_published: bool,
    /// Their summed scores.
    pub(super) score_sum: f64,
}

/// Watches one class for a fall of its figures (Shiryaev–Roberts e-detector, mixed over figures and sizes).
#[derive(Debug, Clone)]
pub(super) struct ChangeDetector {
    signals: [Option<Signal>; SIGNALS],
    threshold: f64,
    ceiling: f64,
}

impl ChangeDetector {
    /// Alarms where the statistic's natural logarithm reaches `threshold`.
    pub(super) fn new(baseline: &ChangeBaseline, threshold: f64) -> Self {
        let mut index = 0;
        let signals = baseline.signals().map(|signal| {
            index += 1;
            // Read from a file, perhaps.
            let usable =
                signal.and_then(|signal| SignalBaseline::new(signal.cap, signal.floor, signal.block_s));
            usable.map(|signal| Signal::new(signal, index < SIGNALS))
        });
        let components = (SIGNALS * FALLS.len()) as f64;
        let ceiling = (threshold + HEADROOM).min(600.0).exp() * components;
        Self { signals, threshold, ceiling }
    }

    /// Adds a frame with detections; frames without are told by [`end_second`](Self::end_second).
    pub(super) fn add(&mut self, figures: FrameFigures) {
        let values = [
            f64::from(u8::from(figures.is_published)),
            figures.score_sum,
            figures.score_sum / f64::from(figures.detections.max(1)),
        ];
        for (signal, value) in self.signals.iter_mut().zip(values) {
            if let Some(signal) = signal {
                signal.add(value);
            }
        }
    }

    /// Ends a second of `frames` frames, those without detections among them. A second without frames tells nothing.
    pub(super) fn end_second(&mut self, frames: u32) {
        if frames == 0 {
            return;
        }
        let ceiling = self.ceiling;
        self.signals.iter_mut().flatten().for_each(|signal| signal.end_second(frames, ceiling));
    }

    /// Forgets the second or block in progress: it can't be trusted.
    pub(super) fn discard(&mut self) {
        self.signals.iter_mut().flatten().for_each(Signal::discard);
    }

    /// Forgets everything.
    pub(super) fn restart(&mut self) {
        self.discard();
        self.signals.iter_mut().flatten().for_each(|signal| signal.statistic = [0.0; FALLS.len()]);
    }

    /// Natural logarithm of the statistic; −∞ before the first second.
    pub(super) fn log_statistic(&self) -> f64 {
        let components = (self.signals.iter().flatten().count() * FALLS.len()).max(1) as f64;
        let sum: f64 = self.signals.iter().flatten().flat_map(|signal| signal.statistic).sum();
        (sum / components).ln()
    }

    /// Whether the statistic is at the threshold.
    pub(super) fn is_alarm(&self) -> bool {
        self.log_statistic() >= self.threshold
    }

    /// The statistic's logarithm over its threshold, at least 0; NaN where there is nothing to bet on.
    pub(super) fn relative(&self) -> f64 {
        if self.signals.iter().all(Option::is_none) || self.threshold <= 0.0 {
            return f64::NAN;
        }
        self.log_statistic().max(0.0) / self.threshold
    }
}
