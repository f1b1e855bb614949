use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::batching::{self, Decision, Timing};

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
/// and nothing queues up. Cameras are served in turn: a fast camera cannot starve a slow one. Several frames are
/// taken at a time where the worker can use them; whether one is kept for others that are about to come is a matter of
/// the [window](Mailbox::set_window).
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
    /// For how long a frame is kept for others to join it.
    window: Duration,
    closed: bool,
}

#[derive(Debug)]
struct Slot<T> {
    waiting: Option<(T, Instant)>,
    timing: Timing,
    counters: FrameCounters,
    min_period: Duration,
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
        self.mailbox.lock().count(self.camera, outcome);
    }
}

impl<T> Drop for InFlight<T> {
    fn drop(&mut self) {
        if !self.finished {
            self.mailbox.lock().count(self.camera, Outcome::Rejected);
        }
    }
}

impl<T> State<T> {
    fn new(cameras: usize) -> Self {
        let slot = |_| Slot {
            waiting: None,
            timing: Timing::default(),
            counters: FrameCounters::default(),
            min_period: Duration::ZERO,
        };
        Self { slots: (0..cameras).map(slot).collect(), turn: 0, window: Duration::ZERO, closed: false }
    }

    /// Puts a frame into its slot and gives back the one that it replaces; `None` also for an unknown camera.
    fn put(&mut self, camera: usize, frame: T, arrived: Instant) -> Option<T> {
        let slot = self.slots.get_mut(camera)?;
        slot.counters.received += 1;
        slot.counters.pending += 1;
        slot.timing.arrivals.record(arrived);
        slot.timing.waiting_since.get_or_insert(arrived);
        let (frame, _) = slot.waiting.replace((frame, arrived))?;
        slot.counters.overwritten += 1;
        slot.counters.pending -= 1;
        Some(frame)
    }

    /// Hands over the frames whose turn it is at `now`, at most `most`, if they are to go now.
    fn next(&mut self, now: Instant, most: usize, mut take: impl FnMut(usize, T, Instant)) -> Decision {
        let timings = self.slots.iter().map(|slot| &slot.timing);
        let decision = batching::decide(timings, most, self.window, now);
        if decision != Decision::Go {
            return decision;
        }
        let (cameras, first) = (self.slots.len(), self.turn);
        let mut left = most.max(1);
        for camera in (first..first + cameras).map(|camera| camera % cameras) {
            let Some(slot) = self.slots.get_mut(camera) else { continue };
            if slot.timing.ready_since(now).is_none() {
                continue;
            }
            let Some((frame, arrived)) = slot.waiting.take() else { continue };
            slot.timing.waiting_since = None;
            slot.timing.not_before = next_due(slot.timing.not_before, slot.min_period, now);
            self.turn = (camera + 1) % cameras;
            take(camera, frame, arrived);
            left -= 1;
            if left == 0 {
                break;
            }
        }
        decision
    }

    fn count(&mut self, camera: usize, outcome: Outcome) {
        if let Some(slot) = self.slots.get_mut(camera) {
            slot.counters.pending -= 1;
            match outcome {
                Outcome::Processed => slot.counters.processed += 1,
                Outcome::Stale => slot.counters.stale += 1,
                Outcome::Rejected => slot.counters.rejected += 1,
            }
        }
    }
}

impl<T> Mailbox<T> {
    /// A mailbox for `cameras` cameras, with empty slots and counters at zero, and no window.
    #[must_use]
    pub fn new(cameras: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::new(cameras)), arrived: Condvar::new() })
    }

    /// Puts a frame into the slot of `camera` (an index below the number of cameras; others are ignored) and
    /// gives back the one it replaces, to be dropped outside the lock.
    pub fn put(&self, camera: usize, frame: T, arrived: Instant) -> Option<T> {
        let replaced = self.lock().put(camera, frame, arrived);
        self.arrived.notify_one();
        replaced
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
            slot.timing.not_before = None;
        }
        self.arrived.notify_one();
    }

    /// For how long at most a frame is kept, from its arrival on, for frames of other cameras to be taken with it.
    /// `Duration::ZERO`, as at first, takes what waits. A frame is kept only where another camera's next frame is due
    /// within the window, by the intervals of its last frames, and not where its own camera's next frame would replace
    /// it meanwhile.
    pub fn set_window(&self, window: Duration) {
        self.lock().window = window;
        self.arrived.notify_one();
    }

    /// Takes the next frames into `batch`, which is cleared before: at least one, at most `most`, at most one of each
    /// camera, serving the cameras in turn; waits until there are some. `false`, and nothing in `batch`, once the
    /// mailbox is closed.
    pub fn take_batch(self: &Arc<Self>, most: usize, batch: &mut Vec<Taken<T>>) -> bool {
        // Outside the lock, which a frame that was not finished takes when it is dropped.
        batch.clear();
        let mut state = self.lock();
        loop {
            if state.closed {
                return false;
            }
            let now = Instant::now();
            let decision = state.next(now, most, |camera, frame, arrived| {
                let in_flight = InFlight { mailbox: Arc::clone(self), camera, finished: false };
                batch.push(Taken { camera, frame, arrived, in_flight });
            });
            state = match decision {
                Decision::Go => return true,
                Decision::Idle => self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner),
                Decision::WaitUntil(due) => {
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

    /// Ends every [`Mailbox::take_batch`], now and later. Frames that still wait count as stale.
    pub fn close(&self) {
        let leftover: Vec<_> = {
            let mut state = self.lock();
            state.closed = true;
            let take = |slot: &mut Slot<T>| {
                let waiting = slot.waiting.take();
                slot.timing.waiting_since = None;
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
mod tests;
