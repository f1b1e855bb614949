//! When frames are due, and waiting for it without burning a core.

use std::time::{Duration, Instant};

/// A clock that can wait; tests have one that only counts.
pub(super) trait Clock {
    /// Time since some beginning.
    fn now(&self) -> Duration;
    /// Returns at `due`, or later.
    fn sleep_until(&self, due: Duration);
}

/// The machine's monotonic clock; the thread sleeps while it waits.
pub(super) struct SystemClock {
    /// Zero of its time.
    pub(super) beginning: Instant,
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.beginning.elapsed()
    }

    fn sleep_until(&self, due: Duration) {
        // a sleep may end early by the clock's rounding
        while let Some(left) = due.checked_sub(self.now()).filter(|left| !left.is_zero()) {
            std::thread::sleep(left);
        }
    }
}

/// The frames of several cameras at one rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pace {
    /// Frames per second of each camera.
    pub(super) rate_hz: f64,
    /// How many cameras.
    pub(super) cameras: usize,
    /// Whether the cameras take turns within a period; otherwise all of them deliver at once.
    pub(super) is_staggered: bool,
}

impl Pace {
    /// Frames of each camera within `length`, at least 1.
    pub(super) fn frames(&self, length: Duration) -> u64 {
        (length.as_secs_f64() * self.rate_hz).round().max(1.0) as u64
    }

    /// When frame `index` of `camera` is due after the start. From the start, not from the frame before: lateness does
    /// not add up.
    fn due(&self, index: u64, camera: usize) -> Duration {
        let phase = if self.is_staggered { camera as f64 / self.cameras.max(1) as f64 } else { 0.0 };
        Duration::from_secs_f64((index as f64 + phase) / self.rate_hz)
    }

    /// Calls `send` with the camera and how late it is, once for each frame within `length`. A source that is behind
    /// sends at once what is overdue and leaves nothing out; `false` from `send` ends it.
    pub(super) fn run(
        &self,
        clock: &impl Clock,
        length: Duration,
        mut send: impl FnMut(usize, Duration) -> bool,
    ) {
        let start = clock.now();
        for index in 0..self.frames(length) {
            for camera in 0..self.cameras {
                let due = start + self.due(index, camera);
                clock.sleep_until(due);
                if !send(camera, clock.now().saturating_sub(due)) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A clock that jumps to what is waited for, and is always `late`.
    struct Counting {
        now: Cell<Duration>,
        late: Duration,
    }

    impl Clock for Counting {
        fn now(&self) -> Duration {
            self.now.get()
        }

        fn sleep_until(&self, due: Duration) {
            if due > self.now.get() {
                self.now.set(due + self.late);
            }
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn sent(pace: Pace, late: Duration, each_takes: Duration) -> Vec<(usize, Duration, Duration)> {
        let clock = Counting { now: Cell::new(5 * SECOND), late };
        let mut sent = Vec::new();
        pace.run(&clock, SECOND, |camera, lateness| {
            sent.push((camera, clock.now().saturating_sub(5 * SECOND), lateness));
            clock.now.set(clock.now() + each_takes);
            true
        });
        sent
    }

    #[test]
    fn lateness_does_not_add_up() {
        let late = Duration::from_millis(3);
        let pace = Pace { rate_hz: 50.0, cameras: 1, is_staggered: false };
        let sent = sent(pace, late, Duration::ZERO);
        assert_eq!(sent.len(), 50);
        // the first is due at once, and there is nothing to sleep for
        assert_eq!(sent.first(), Some(&(0, Duration::ZERO, Duration::ZERO)));
        assert_eq!(sent.last(), Some(&(0, Duration::from_millis(980) + late, late)));
    }

    #[test]
    fn cameras_deliver_at_once_or_in_turn() {
        let pace = Pace { rate_hz: 10.0, cameras: 4, is_staggered: false };
        let times = |pace| -> Vec<_> {
            let ms = |(camera, at, _): (usize, Duration, Duration)| (camera, at.as_millis());
            sent(pace, Duration::ZERO, Duration::ZERO).into_iter().skip(4).take(4).map(ms).collect()
        };
        assert_eq!(times(pace), [(0, 100), (1, 100), (2, 100), (3, 100)]);
        let staggered = Pace { is_staggered: true, ..pace };
        assert_eq!(times(staggered), [(0, 100), (1, 125), (2, 150), (3, 175)]);
    }

    #[test]
    fn a_source_that_is_behind_leaves_nothing_out() {
        let pace = Pace { rate_hz: 100.0, cameras: 2, is_staggered: false };
        let sent = sent(pace, Duration::ZERO, Duration::from_millis(8));
        assert_eq!(sent.len(), 200);
        // 16 ms for each period of 10 ms: the last frame comes 99 × 6 ms late, and its camera is the second
        let (_, _, lateness) = sent.last().unwrap();
        assert_eq!(*lateness, Duration::from_millis(99 * 6 + 8));
    }

    #[test]
    fn a_trial_is_never_empty_and_can_be_ended() {
        let pace = Pace { rate_hz: 0.5, cameras: 1, is_staggered: false };
        assert_eq!(pace.frames(SECOND), 1);
        let clock = Counting { now: Cell::new(Duration::ZERO), late: Duration::ZERO };
        let mut calls = 0;
        Pace { rate_hz: 10.0, ..pace }.run(&clock, SECOND, |_, _| {
            calls += 1;
            calls < 3
        });
        assert_eq!(calls, 3);
    }

    #[test]
    fn the_machines_clock_waits_at_least_as_long_as_asked() {
        let clock = SystemClock { beginning: Instant::now() };
        let due = clock.now() + Duration::from_millis(2);
        clock.sleep_until(due);
        assert!(clock.now() >= due);
        clock.sleep_until(Duration::ZERO);
    }
}
