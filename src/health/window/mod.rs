//! The sliding window of one camera: what belongs to which second, and what time it is.

#[cfg(test)]
mod tests;

use super::aggregates::{Added, Aggregates, second_of};
use super::config::{HealthError, MAX_WINDOW_BYTES, WindowConfig};
use super::histogram::{ScoreHistogram, merged, percentile};
use super::summary::{CameraSummary, ClassSummary, ScoreQuantiles, WindowCounters, judge};

/// What a window did with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// At least as new as every frame before.
    InOrder,
    /// Older than another frame, and placed into its own second.
    Reordered,
    /// Ignored: its second has just left the window.
    TooLate,
    /// Older than the newest time by more than the window: time jumped back, the window was emptied and starts
    /// with this frame.
    TimeJumpedBack,
}

/// The detections of one camera over the last [`WindowConfig::window_s`] seconds.
///
/// The window moves in steps of a second and consists of the second in progress and the `window_s - 1` seconds
/// before it. Adding a detection is O(1), entering a new second O(classes × bins), reading a class O(bins). All
/// memory is taken at construction and its amount depends on nothing else: for 80 classes × 60 s 1 109 360 bytes
/// (1.06 MiB), see [`WindowConfig::memory_bytes`].
///
/// # Time
/// The caller gives it, in nanoseconds since any fixed point: [`record_frame`](Self::record_frame) the stamp of
/// the frame, [`advance`](Self::advance) the time now on *the same clock*. The newest of both is the window's
/// time. A stamp up to a window too far ahead is believed: later frames count as reordered, and silence goes
/// unnoticed, until time catches up with it. If time goes back by more than the window, the window is emptied and
/// starts anew. Going back by less can't be told from reordering: a caller who knows of a jump (a recording
/// starts over, simulated time is set back) calls [`reset`](Self::reset).
#[derive(Clone, Debug)]
pub struct CameraWindow {
    config: WindowConfig,
    aggregates: Aggregates,
    span: Option<Span>,
    last_frame_ns: Option<i64>,
    counters: WindowCounters,
}

/// First and latest time given since the window was last empty.
#[derive(Clone, Copy, Debug)]
struct Span {
    start_ns: i64,
    now_ns: i64,
}

impl CameraWindow {
    /// A window for a model of `class_count` classes.
    ///
    /// # Errors
    /// If `class_count` is zero, a value of `config` is out of its range, or both together would take more than
    /// [`MAX_WINDOW_BYTES`].
    pub fn new(class_count: usize, config: WindowConfig) -> Result<Self, HealthError> {
        config.validate()?;
        if class_count == 0 {
            return Err(HealthError::NoClasses);
        }
        let found_bytes = config.memory_bytes(class_count);
        if found_bytes > MAX_WINDOW_BYTES {
            return Err(HealthError::TooLarge { class_count, window_s: config.window_s, found_bytes });
        }
        Ok(Self {
            config,
            aggregates: Aggregates::new(class_count, config.window_s),
            span: None,
            last_frame_ns: None,
            counters: WindowCounters::default(),
        })
    }

    /// The configuration it was made with.
    #[must_use]
    pub fn config(&self) -> &WindowConfig {
        &self.config
    }

    /// The latest time given, in nanoseconds; `None` before the first.
    #[must_use]
    pub fn now_ns(&self) -> Option<i64> {
        self.span.map(|span| span.now_ns)
    }

    /// Number of classes; their ids are `0..class_count`.
    #[must_use]
    pub fn class_count(&self) -> usize {
        self.aggregates.classes().len()
    }

    /// What was left out so far.
    #[must_use]
    pub fn counters(&self) -> &WindowCounters {
        &self.counters
    }

    /// Adds a processed frame, also one without detections.
    ///
    /// `stamp_ns` is the frame's stamp. Each detection is (class id, score in [0, 1], whether it was published);
    /// give all of them down to the low threshold. A detection whose score is NaN or out of range, or whose class
    /// the model doesn't have, is left out and counted.
    pub fn record_frame(
        &mut self,
        stamp_ns: i64,
        detections: impl Iterator<Item = (u32, f32, bool)>,
    ) -> Arrival {
        let jumped = self.move_to(stamp_ns);
        let Some(mut second) = self.aggregates.frame(second_of(stamp_ns)) else {
            self.counters.late_frames += 1;
            return Arrival::TooLate;
        };
        for (class_id, score, published) in detections {
            match second.add(class_id, score, published) {
                Added::Yes => {}
                Added::BadScore => self.counters.bad_scores += 1,
                Added::BadClass => self.counters.bad_classes += 1,
                Added::Saturated => self.counters.saturated += 1,
            }
        }
        if let Some(span) = &mut self.span {
            span.start_ns = span.start_ns.min(stamp_ns);
        }
        match self.last_frame_ns {
            Some(last_ns) if stamp_ns < last_ns => {
                self.counters.reordered_frames += 1;
                Arrival::Reordered
            }
            _ => {
                self.last_frame_ns = Some(stamp_ns);
                if jumped { Arrival::TimeJumpedBack } else { Arrival::InOrder }
            }
        }
    }

    /// Says that it is `now_ns`, so that what is too old expires and a silent camera is noticed. Call it before
    /// reading. A time before the newest one known is ignored, unless it is older by more than the window (see
    /// [Time](Self#time)).
    pub fn advance(&mut self, now_ns: i64) {
        self.move_to(now_ns);
    }

    /// Empties the window, for a caller who knows that time jumped. The counters are kept.
    pub fn reset(&mut self) {
        self.aggregates.clear();
        self.span = None;
        self.last_frame_ns = None;
    }

    /// Summary of a class; `None` if the model has no class of that id.
    #[must_use]
    pub fn class_summary(&self, class_id: u32) -> Option<ClassSummary> {
        let class = self.aggregates.classes().get(class_id as usize)?;
        let (status, reason) = self.judge(u64::from(class.published));
        let covered_s = self.covered_s();
        let frames = self.aggregates.frames();
        Some(ClassSummary {
            count: class.published,
            low_count: class.low,
            rate_hz: rate_hz(f64::from(class.published), covered_s),
            per_frame: f64::from(class.published) / frames as f64,
            mean_score: class.mean_low(),
            mean_published_score: class.mean_published(),
            quantiles: ScoreQuantiles {
                p10: percentile(&class.bins, 10),
                p50: percentile(&class.bins, 50),
                p90: percentile(&class.bins, 90),
            },
            histogram20: merged(&class.bins),
            frames,
            covered_s,
            status,
            reason,
        })
    }

    /// Scores of a class down to the low threshold, in 100 bins of 0.01 (what drift measures compare with a
    /// profile); `None` if the model has no class of that id.
    #[must_use]
    pub fn score_histogram(&self, class_id: u32) -> Option<&ScoreHistogram> {
        self.aggregates.classes().get(class_id as usize).map(|class| &class.bins)
    }

    /// Summary of the camera, all classes together. O(classes).
    #[must_use]
    pub fn camera_summary(&self) -> CameraSummary {
        let classes = self.aggregates.classes();
        let count = classes.iter().map(|class| u64::from(class.published)).sum();
        let supported = classes.iter().filter(|class| class.published >= self.config.min_support).count();
        let (status, reason) = self.judge(count);
        let covered_s = self.covered_s();
        let frames = self.aggregates.frames();
        CameraSummary {
            frames,
            frame_rate_hz: rate_hz(frames as f64, covered_s),
            count,
            low_count: classes.iter().map(|class| u64::from(class.low)).sum(),
            per_frame: count as f64 / frames as f64,
            supported_classes: supported as u32,
            covered_s,
            last_frame_ns: self.last_frame_ns,
            counters: self.counters,
            status,
            reason,
        }
    }

    /// Takes note of a time; whether that emptied the window because time jumped back.
    fn move_to(&mut self, time_ns: i64) -> bool {
        let jumped = self.span.is_some_and(|span| {
            time_ns < span.now_ns && span.now_ns.abs_diff(time_ns) > self.config.window_ns()
        });
        if jumped {
            self.reset();
            self.counters.time_jumps += 1;
        }
        let span = self.span.get_or_insert(Span { start_ns: time_ns, now_ns: time_ns });
        span.now_ns = span.now_ns.max(time_ns);
        self.aggregates.move_to(second_of(span.now_ns));
        jumped
    }

    fn judge(&self, have: u64) -> (super::HealthStatus, super::Reason) {
        judge(have, u64::from(self.config.min_support), self.silent_for_ns(), self.config.stale_after_ns)
    }

    /// Time since the newest frame, or since time was first given.
    fn silent_for_ns(&self) -> u64 {
        self.span.map_or(0, |span| span.now_ns.abs_diff(self.last_frame_ns.unwrap_or(span.start_ns)))
    }

    fn covered_s(&self) -> f64 {
        let (Some(span), Some(oldest)) = (self.span, self.aggregates.oldest()) else { return 0.0 };
        let begin_ns = span.start_ns.max(oldest.saturating_mul(1_000_000_000));
        span.now_ns.abs_diff(begin_ns) as f64 / 1e9
    }
}

/// Events per second, NaN over less than a second: there it would depend on where between two frames the time
/// happens to begin.
pub(super) fn rate_hz(events: f64, covered_s: f64) -> f64 {
    if covered_s >= 1.0 { events / covered_s } else { f64::NAN }
}
