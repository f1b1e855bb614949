//! Why a status is what it is, in figures and in words.

use std::fmt;

use super::ImageState;

/// Why a status is what it is. `Display` says it in words, without allocating: the figure, its limit, and what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Enough published detections, and nothing worse than the profile.
    Supported {
        /// Published detections within the window.
        have: u64,
        /// Published detections needed.
        need: u64,
    },
    /// Too few published detections.
    TooFewDetections {
        /// Published detections within the window.
        have: u64,
        /// Published detections needed.
        need: u64,
    },
    /// No frame for too long.
    Silent {
        /// Time without a frame, in nanoseconds.
        silent_for_ns: u64,
        /// The longest time allowed, in nanoseconds.
        limit_ns: u64,
    },
    /// The image shows nothing that detections could be judged by.
    BadImage {
        /// What it is instead of a picture.
        state: ImageState,
    },
    /// The class was there and is gone: its published detections fell, beyond chance, to next to nothing.
    Vanished {
        /// Published detections per frame in the last seconds.
        per_frame: f64,
        /// The least allowed.
        limit: f64,
        /// In the profile.
        expected: f64,
    },
    /// Not one published detection in a window in which the profile expects enough.
    Lost {
        /// Frames in the window.
        frames: u64,
        /// Published detections needed.
        need: u64,
        /// Published detections that the profile expects in as many frames.
        expected: f64,
    },
    /// Detections or their scores fell beyond chance.
    Fallen {
        /// The change detector's statistic over its threshold when it alarmed, at least 1.
        statistic: f64,
        /// Published detections per frame in the last seconds.
        per_frame: f64,
        /// In the profile.
        expected: f64,
    },
    /// Estimated average precision is too far below the profile's.
    LowPrecision {
        /// The estimate.
        value: f64,
        /// Its interval's upper end, which is below the limit.
        high: f64,
        /// The limit.
        limit: f64,
        /// In the profile.
        expected: f64,
    },
    /// Scores are distributed otherwise than in the profile, by population stability index.
    ScorePsi {
        /// The index.
        value: f64,
        /// The limit.
        limit: f64,
    },
    /// Scores are distributed otherwise than in the profile, by Wasserstein-1 distance.
    ScoreDistance {
        /// The distance.
        value: f64,
        /// The limit.
        limit: f64,
    },
    /// Tracked objects are lost too often from one frame to the next.
    TracksBreak {
        /// Share of tracked objects that were found again.
        value: f64,
        /// The limit.
        limit: f64,
        /// In the profile.
        expected: f64,
    },
    /// No class has enough detections to be judged, so the camera isn't either.
    NoClassJudged {
        /// Published detections of the class that has most.
        most: u64,
        /// Published detections that a class needs.
        need: u64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Supported { have, need } => write!(f, "enough data: {have} detections, {need} needed"),
            Self::TooFewDetections { have, need } => {
                write!(f, "insufficient data: {have} of {need} detections")
            }
            Self::Silent { silent_for_ns, limit_ns } => {
                let (silent_s, limit_s) = (silent_for_ns as f64 / 1e9, limit_ns as f64 / 1e9);
                write!(f, "stale: no frame for {silent_s:.1} s, at most {limit_s:.1} s allowed")
            }
            Self::BadImage { state } => {
                let found = match state {
                    ImageState::Unknown => "unknown",
                    ImageState::Normal => "a picture",
                    ImageState::Frozen => "frozen",
                    ImageState::Black => "black",
                    ImageState::Obstructed => "obstructed",
                };
                write!(f, "image {found}, a changing picture expected: figures are not to be trusted")
            }
            Self::Vanished { per_frame, limit, expected } => write!(
                f,
                "vanished: {per_frame:.3} detections per frame lately, at least {limit:.3} required, \
                 {expected:.3} expected"
            ),
            Self::Lost { frames, need, expected } => {
                write!(f, "lost: 0 detections in {frames} frames, {need} needed, {expected:.1} expected")
            }
            Self::Fallen { statistic, per_frame, expected } => write!(
                f,
                "detections or scores fell: change statistic {statistic:.2}, limit 1; {per_frame:.3} detections \
                 per frame lately, {expected:.3} expected"
            ),
            Self::LowPrecision { value, high, limit, expected } => write!(
                f,
                "estimated AP {value:.3} (at most {high:.3}), at least {limit:.3} required, {expected:.3} expected"
            ),
            Self::ScorePsi { value, limit } => {
                write!(f, "scores drifted: PSI {value:.3}, at most {limit:.3} allowed, 0 expected")
            }
            Self::ScoreDistance { value, limit } => {
                write!(f, "scores drifted: Wasserstein {value:.3}, at most {limit:.3} allowed, 0 expected")
            }
            Self::TracksBreak { value, limit, expected } => write!(
                f,
                "tracks break: {value:.3} found again, at least {limit:.3} required, {expected:.3} expected"
            ),
            Self::NoClassJudged { most, need } => {
                write!(f, "insufficient data: no class has {need} detections, {most} at most")
            }
        }
    }
}
