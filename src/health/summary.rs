//! What a window answers when it is read.

use super::Reason;
use super::histogram::SUMMARY_BINS;

/// Whether a class or camera is judged to be well. With a profile `Ok` says that nothing is worse than it; without one only
/// that frames arrive and that there are enough detections to judge by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Frames arrive, there are enough detections, and they are as in the profile where there is one.
    Ok,
    /// Worse than the profile.
    Warn,
    /// Much worse than the profile, lost, or not to be trusted.
    Error,
    /// Too few published detections within the window to judge by.
    InsufficientData {
        /// Published detections within the window.
        have: u64,
        /// Published detections needed.
        need: u64,
    },
    /// No frames arrive: nothing that the window holds is about now. Takes precedence over the others.
    Stale {
        /// Time since the newest frame (or, before the first one, since time was first given), in nanoseconds.
        silent_for_ns: u64,
    },
}

impl HealthStatus {
    /// Its name in files: `ok`, `warn`, `error`, `insufficient_data`, `stale`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::InsufficientData { .. } => "insufficient_data",
            Self::Stale { .. } => "stale",
        }
    }

    /// Whether something is wrong with the detector: `warn` or `error`.
    #[must_use]
    pub fn is_alarm(self) -> bool {
        matches!(self, Self::Warn | Self::Error)
    }

    /// Its number in the messages.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warn => 1,
            Self::Error => 2,
            Self::InsufficientData { .. } => 3,
            Self::Stale { .. } => 4,
        }
    }
}

/// Status and reason for `have` published detections of `need`, after `silent_for_ns` without a frame.
pub(super) fn judge(have: u64, need: u64, silent_for_ns: u64, limit_ns: u64) -> (HealthStatus, Reason) {
    if silent_for_ns > limit_ns {
        (HealthStatus::Stale { silent_for_ns }, Reason::Silent { silent_for_ns, limit_ns })
    } else if have < need {
        (HealthStatus::InsufficientData { have, need }, Reason::TooFewDetections { have, need })
    } else {
        (HealthStatus::Ok, Reason::Supported { have, need })
    }
}

/// Percentiles of scores, each within 0.01 of the sample's; NaN where there are no scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreQuantiles {
    /// 10th percentile.
    pub p10: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
}

/// One class within the window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassSummary {
    /// Published detections.
    pub count: u32,
    /// All detections down to the low threshold, the published ones among them.
    pub low_count: u32,
    /// Published detections per second of covered time; NaN while that is less than a second.
    pub rate_hz: f64,
    /// Published detections per processed frame; NaN without frames.
    pub per_frame: f64,
    /// Mean score of all `low_count` detections, NaN if there are none. Taken down to the low threshold, as the
    /// quantiles and the histogram are: the mean of what passes the publish threshold stays high while
    /// detections vanish below it.
    pub mean_score: f64,
    /// Mean score of the `count` published detections, NaN if there are none.
    pub mean_published_score: f64,
    /// Quantiles of all `low_count` scores.
    pub quantiles: ScoreQuantiles,
    /// All `low_count` scores in bins of 0.05: `[i/20, (i+1)/20)`, the last one including 1.0.
    pub histogram20: [u32; SUMMARY_BINS],
    /// Frames processed.
    pub frames: u64,
    /// Time that the window covers, in seconds: from its beginning, or from the first time given if that is
    /// later, to the latest time given. Silence counts as covered.
    pub covered_s: f64,
    /// The judgement.
    pub status: HealthStatus,
    /// Why.
    pub reason: Reason,
}

/// One camera within the window, all classes together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CameraSummary {
    /// Frames processed.
    pub frames: u64,
    /// Frames per second of covered time; NaN while that is less than a second.
    pub frame_rate_hz: f64,
    /// Published detections.
    pub count: u64,
    /// All detections down to the low threshold.
    pub low_count: u64,
    /// Published detections per processed frame; NaN without frames.
    pub per_frame: f64,
    /// Classes with enough published detections to be judged.
    pub supported_classes: u32,
    /// Time that the window covers, in seconds (see [`ClassSummary::covered_s`]).
    pub covered_s: f64,
    /// Stamp of the newest frame, in nanoseconds; `None` before the first.
    pub last_frame_ns: Option<i64>,
    /// What was left out so far.
    pub counters: WindowCounters,
    /// The judgement; its support is `count` over all classes.
    pub status: HealthStatus,
    /// Why.
    pub reason: Reason,
}

/// What a window could not use, counted since its construction (a reset keeps them).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCounters {
    /// Detections ignored because their score was NaN or outside [0, 1].
    pub bad_scores: u64,
    /// Detections ignored because their class id was not the model's.
    pub bad_classes: u64,
    /// Detections ignored because their bin of the second was full (65 535 of one class and 0.01 of score).
    pub saturated: u64,
    /// Frames older than the newest one, placed into their own second.
    pub reordered_frames: u64,
    /// Frames ignored because their second had just left the window.
    pub late_frames: u64,
    /// Times that time went back by more than the window, which emptied it.
    pub time_jumps: u64,
}
