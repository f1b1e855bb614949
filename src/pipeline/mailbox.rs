use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What became of the frames of one camera. Every received frame ends in exactly one of the four outcomes:
/// `received = processed + overwritten + stale + rejected + pending`, and `pending` is 0 once the input is
/// quiet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrameCounters {
    /// Frames that arrived.
    pub received: u64,
    /// Frames whose detections were published.
    pub processed: u64,
    /// Frames replaced in their slot by a newer one before the worker came to them.
    pub overwritten: u64,
    /// Frames older than the maximum age when their turn came, or left over when the node was deactivated.
    pub stale: u64,
    /// Frames that could not be used: malformed, undecodable, or inference failed on them.
    pub rejected: u64,
    /// Frames in the slot or in the worker at this moment.
    pub pending: u64,
}

/// How the worker finished a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Detections were published.
    Processed,
    /// Too old, not processed.
    Stale,
    /// Could not be used.
    Rejected,
}

/// One slot per camera between the thread that receives frames and the worker that processes them.
///
/// A new frame replaces the one that waits in its camera's slot, so the worker always gets the latest frame
/// and nothing queues up. Cameras are served in turn: a fast camera cannot starve a slow one.
#[derive(Debug)]
pub struct Mailbox<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct State<T> {
    slots: Vec<Slot<T>>,
    /// The camera that is asked first at the next take.
    turn: usize,
    closed: bool,
}

#[derive(Debug)]
struct Slot<T> {
    waiting: Option<(T, Instant)>,
    counters: FrameCounters,
    min_period: Duration,
    not_before: Option<Instant>,
}

/// A frame taken out of its slot.
#[derive(Debug)]
pub struct Taken<T> {
    /// Index of the camera.
    pub camera: usize,
    /// The frame.
    pub frame: T,
    /// When it arrived.
    pub arrived: Instant,
    /// Counts the frame when it is finished.
    pub in_flight: InFlight<T>,
}

/// The obligation to say what became of a taken frame. Dropped without an outcome (a panic in the worker),
/// the frame counts as rejected, so that the sums hold whatever happens.
#[derive(Debug)]
pub struct InFlight<T> {
    mailbox: Arc<Mailbox<T>>,
    camera: usize,
    finished: bool,
}

impl<T> InFlight<T> {
    /// Counts the frame under `outcome`.
    pub fn finish(mut self, outcome: Outcome) {
        self.finished = true;
        self.mailbox.count(self.camera, outcome);
    }
}

impl<T> Drop for InFlight<T> {
    fn drop(&mut self) {
        if !self.finished {
            self.mailbox.count(self.camera, Outcome::Rejected);
        }
    }
}

impl<T> Mailbox<T> {
    /// A mailbox for `cameras` cameras, with empty slots and counters at zero.
    #[must_use]
    pub fn new(cameras: usize) -> Arc<Self> {
        let slot = |_| Slot {
            waiting: None,
            counters: FrameCounters::default(),
            min_period: Duration::ZERO,
            not_before: None,
        };
        let state = State { slots: (0..cameras).map(slot).collect(), turn: 0, closed: false };
        Arc::new(Self { state: Mutex::new(state), arrived: Condvar::new() })
    }

    /// Puts a frame into the slot of `camera` (an index below the number of cameras; others are ignored) and
    /// gives back the one it replaces, to be dropped outside the lock.
    pub fn put(&self, camera: usize, frame: T, arrived: Instant) -> Option<T> {
        let replaced = {
            let mut state = self.lock();
            let slot = state.slots.get_mut(camera)?;
            slot.counters.received += 1;
            slot.counters.pending += 1;
            let replaced = slot.waiting.replace((frame, arrived));
            if replaced.is_some() {
                slot.counters.overwritten += 1;
                slot.counters.pending -= 1;
            }
            replaced
        };
        self.arrived.notify_one();
        replaced.map(|(frame, _)| frame)
    }

    /// Counts a frame that was found unusable on arrival.
    pub fn reject(&self, camera: usize) {
        if let Some(slot) = self.lock().slots.get_mut(camera) {
            slot.counters.received += 1;
            slot.counters.rejected += 1;
        }
    }

    /// Limits how often `camera` is served; frames in between overwrite each other in the slot.
    /// `Duration::ZERO` is no limit.
    pub fn set_min_period(&self, camera: usize, min_period: Duration) {
        if let Some(slot) = self.lock().slots.get_mut(camera) {
            slot.min_period = min_period;
            slot.not_before = None;
        }
        self.arrived.notify_one();
    }

    /// Takes the next frame, serving the cameras in turn; waits until there is one. `None` once the mailbox
    /// is closed.
    pub fn take(self: &Arc<Self>) -> Option<Taken<T>> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let now = Instant::now();
            let cameras = state.slots.len();
            let mut wake: Option<Instant> = None;
            for offset in 0..cameras {
                let camera = (state.turn + offset) % cameras;
                let Some(slot) = state.slots.get_mut(camera) else { continue };
                if slot.waiting.is_none() {
                    continue;
                }
                if let Some(due) = slot.not_before.filter(|due| *due > now) {
                    wake = Some(wake.map_or(due, |earlier| earlier.min(due)));
                    continue;
                }
                let Some((frame, arrived)) = slot.waiting.take() else { continue };
                slot.not_before = next_due(slot.not_before, slot.min_period, now);
                state.turn = (camera + 1) % cameras;
                let in_flight = InFlight { mailbox: Arc::clone(self), camera, finished: false };
                return Some(Taken { camera, frame, arrived, in_flight });
            }
            state = match wake {
                None => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let wait = due.saturating_duration_since(now);
                    self.arrived.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Whether no frame waits to be taken.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lock().slots.iter().all(|slot| slot.waiting.is_none())
    }

    /// Ends every [`Mailbox::take`], now and later. Frames that still wait count as stale.
    pub fn close(&self) {
        let leftover: Vec<_> = {
            let mut state = self.lock();
            state.closed = true;
            let take = |slot: &mut Slot<T>| {
                let waiting = slot.waiting.take();
                if waiting.is_some() {
                    slot.counters.pending -= 1;
                    slot.counters.stale += 1;
                }
                waiting
            };
            state.slots.iter_mut().map(take).collect()
        };
        self.arrived.notify_all();
        drop(leftover);
    }

    /// The counters of `camera`, all of the same moment.
    #[must_use]
    pub fn counters(&self, camera: usize) -> FrameCounters {
        self.lock().slots.get(camera).map(|slot| slot.counters).unwrap_or_default()
    }

    fn count(&self, camera: usize, outcome: Outcome) {
        if let Some(slot) = self.lock().slots.get_mut(camera) {
            slot.counters.pending -= 1;
            match outcome {
                Outcome::Processed => slot.counters.processed += 1,
                Outcome::Stale => slot.counters.stale += 1,
                Outcome::Rejected => slot.counters.rejected += 1,
            }
        }
    }

    /// The state is consistent between any two statements that could panic, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When a camera with a rate limit may be served again: one period after it was due, so that the mean rate
/// is kept although frames come when they like; after a pause the count starts anew.
fn next_due(was_due: Option<Instant>, min_period: Duration, now: Instant) -> Option<Instant> {
    if min_period.is_zero() {
        return None;
    }
    let base = was_due.filter(|due| now.saturating_duration_since(*due) < min_period).unwrap_or(now);
    base.checked_add(min_period)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(received: u64, processed: u64, overwritten: u64, stale: u64, rejected: u64) -> FrameCounters {
        let pending = received - processed - overwritten - stale - rejected;
        FrameCounters { received, processed, overwritten, stale, rejected, pending }
    }

    #[test]
    fn the_latest_frame_wins_and_every_frame_is_counted_once() {
        let mailbox = Mailbox::new(1);
        let now = Instant::now();
        assert_eq!(mailbox.put(0, 1, now), None);
        assert_eq!(mailbox.put(0, 2, now), Some(1));
        assert_eq!(mailbox.put(0, 3, now), Some(2));
        assert_eq!(mailbox.counters(0), counters(3, 0, 2, 0, 0));
        let taken = mailbox.take().unwrap();
        assert_eq!((taken.camera, taken.frame), (0, 3));
        assert_eq!(mailbox.put(0, 4, now), None, "a frame in the worker is not in the slot");
        taken.in_flight.finish(Outcome::Processed);
        assert_eq!(mailbox.counters(0), counters(4, 1, 2, 0, 0));
        mailbox.reject(0);
        mailbox.close();
        assert_eq!(mailbox.counters(0), counters(5, 1, 2, 1, 1));
        assert!(mailbox.take().is_none());
    }

    #[test]
    fn a_frame_lost_in_a_panicking_worker_counts_as_rejected() {
        let mailbox = Mailbox::new(1);
        mailbox.put(0, (), Instant::now());
        let worker = Arc::clone(&mailbox);
        let result = std::thread::spawn(move || {
            let _taken = worker.take();
            panic!("as if inference had panicked");
        })
        .join();
        assert!(result.is_err());
        assert_eq!(mailbox.counters(0), counters(1, 0, 0, 0, 1));
    }

    #[test]
    fn cameras_are_served_in_turn() {
        let mailbox = Mailbox::new(3);
        let now = Instant::now();
        let mut order = Vec::new();
        for _ in 0..3 {
            for camera in [0, 0, 0, 1, 2] {
                mailbox.put(camera, camera, now);
            }
            for _ in 0..2 {
                let taken = mailbox.take().unwrap();
                order.push(taken.camera);
                taken.in_flight.finish(Outcome::Processed);
            }
        }
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
    }

    #[test]
    fn a_rate_limit_keeps_the_mean_rate_and_starts_anew_after_a_pause() {
        let start = Instant::now();
        let period = Duration::from_millis(100);
        assert_eq!(next_due(None, Duration::ZERO, start), None);
        let first = next_due(None, period, start).unwrap();
        assert_eq!(first, start + period);
        let late = first + Duration::from_millis(30);
        assert_eq!(next_due(Some(first), period, late), Some(first + period));
        let pause = first + Duration::from_secs(5);
        assert_eq!(next_due(Some(first), period, pause), Some(pause + period));
    }

    #[test]
    fn the_sums_hold_under_concurrency() {
        let mailbox = Mailbox::new(2);
        let worker = {
            let mailbox = Arc::clone(&mailbox);
            std::thread::spawn(move || {
                while let Some(taken) = mailbox.take() {
                    taken.in_flight.finish(if taken.frame % 3 == 0 {
                        Outcome::Stale
                    } else {
                        Outcome::Processed
                    });
                }
            })
        };
        for i in 0..20_000_u64 {
            mailbox.put((i % 2) as usize, i, Instant::now());
            let c = mailbox.counters((i % 2) as usize);
            assert_eq!(c.received, c.processed + c.overwritten + c.stale + c.rejected + c.pending);
        }
        mailbox.close();
        worker.join().unwrap();
        for camera in 0..2 {
            let c = mailbox.counters(camera);
            assert_eq!((c.received, c.pending), (10_000, 0));
            assert_eq!(c.received, c.processed + c.overwritten + c.stale + c.rejected);
        }
    }

    #[test]
    fn unknown_cameras_are_ignored() {
        let mailbox = Mailbox::new(1);
        assert_eq!(mailbox.put(9, 1, Instant::now()), None);
        assert_eq!(mailbox.counters(9), FrameCounters::default());
    }
}
