//! One rate: a thread that sends frames, a thread that processes the latest of each camera.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pace::{Pace, SystemClock};
use crate::data::source::SourceFrame;
use crate::pipeline::{Mailbox, Outcome};

/// Between two looks whether all frames are done.
const DRAIN_INTERVAL: Duration = Duration::from_millis(1);

/// What happened.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) sent: u64,
    pub(super) processed: u64,
    pub(super) overwritten: u64,
    /// From the first frame until the last one was done.
    pub(super) elapsed: Duration,
    /// By camera, in order.
    pub(super) latencies: Vec<Vec<Duration>>,
    /// How late the source was, frame by frame.
    pub(super) lateness: Vec<Duration>,
}

/// How frames of several cameras share runs of the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batching {
    /// Images for one run at most.
    pub(super) most: usize,
    /// For how long a frame waits for those of other cameras at most.
    pub(super) window: Duration,
}

/// Sends `frames` in turn at the pace for so long, and lets `process` have the latest of each camera. The sending thread
/// is the caller's; `process` runs on another, as the node's worker does.
///
/// # Errors
/// The first of `process`; the trial ends then.
pub(super) fn run<E: Send>(
    pace: Pace,
    length: Duration,
    frames: &[SourceFrame],
    batching: Batching,
    mut process: impl FnMut(&[(usize, &SourceFrame)]) -> Result<(), E> + Send,
) -> Result<Raw, E> {
    let mailbox: Arc<Mailbox<&SourceFrame>> = Mailbox::new(pace.cameras);
    mailbox.set_window(batching.window);
    let mut lateness = Vec::with_capacity(pace.frames(length) as usize * pace.cameras);
    let beginning = Instant::now();
    let (result, elapsed) = std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let mut latencies = vec![Vec::new(); pace.cameras];
            let (mut batch, mut frames) = (Vec::new(), Vec::new());
            while mailbox.take_batch(batching.most, &mut batch) {
                frames.clear();
                frames.extend(batch.iter().map(|taken| (taken.camera, taken.frame)));
                // a failure drops what is in flight, which counts it as rejected
                process(&frames)?;
                for taken in batch.drain(..) {
                    if let Some(latencies) = latencies.get_mut(taken.camera) {
                        latencies.push(taken.arrived.elapsed());
                    }
                    taken.in_flight.finish(Outcome::Processed);
                }
            }
            Ok(latencies)
        });
        // what waits when the worker is gone is nobody's any more
        let is_over = || worker.is_finished();
        let mut next = frames.iter().cycle();
        pace.run(&SystemClock { beginning }, length, |camera, late| {
            if let Some(frame) = next.next() {
                mailbox.put(camera, frame, Instant::now());
                lateness.push(late);
            }
            !is_over()
        });
        let is_done = || (0..pace.cameras).all(|camera| mailbox.counters(camera).pending == 0);
        while !is_done() && !is_over() {
            std::thread::sleep(DRAIN_INTERVAL);
        }
        let elapsed = beginning.elapsed();
        mailbox.close();
        let result = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (result, elapsed)
    });
    let counters = (0..pace.cameras).map(|camera| mailbox.counters(camera));
    let mut raw = Raw { elapsed, latencies: result?, lateness, ..Raw::default() };
    for camera in counters {
        raw.sent += camera.received;
        raw.processed += camera.processed;
        raw.overwritten += camera.overwritten;
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Pictures, Size};

    const ALONE: Batching = Batching { most: 1, window: Duration::ZERO };

    fn pictures() -> Pictures {
        Pictures::synthetic(Size { width: 32, height: 32 })
    }

    #[test]
    fn every_frame_is_processed_or_lost() {
        let pace = Pace { rate_hz: 500.0, cameras: 3, is_staggered: false };
        let mut calls = vec![0; 3];
        let raw = run(pace, Duration::from_millis(200), pictures().frames(), ALONE, |batch| {
            for (camera, _) in batch {
                calls[*camera] += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
            Ok::<_, ()>(())
        })
        .unwrap();
        assert_eq!((raw.sent, raw.lateness.len()), (300, 300));
        assert_eq!(raw.processed + raw.overwritten, raw.sent);
        // three cameras at 500 Hz need 1500 Hz of a server that manages under 1000
        assert!(raw.overwritten > 0 && calls.iter().all(|count| *count > 0), "{raw:?}");
        let by_camera: Vec<usize> = raw.latencies.iter().map(Vec::len).collect();
        assert_eq!(by_camera, calls);
        assert!(raw.latencies.iter().flatten().all(|latency| *latency >= Duration::from_millis(1)));
    }

    #[test]
    fn an_idle_worker_loses_nothing() {
        let pace = Pace { rate_hz: 10.0, cameras: 2, is_staggered: true };
        let raw = run(pace, Duration::from_millis(300), pictures().frames(), ALONE, |_| Ok::<_, ()>(()));
        let raw = raw.unwrap();
        assert_eq!((raw.sent, raw.processed, raw.overwritten), (6, 6, 0));
    }

    #[test]
    fn a_failure_ends_the_trial() {
        let pace = Pace { rate_hz: 100.0, cameras: 1, is_staggered: false };
        let mut calls = 0;
        let result = run(pace, Duration::from_mins(10), pictures().frames(), ALONE, |_| {
            calls += 1;
            if calls == 3 { Err("broken") } else { Ok(()) }
        });
        assert_eq!(result.err(), Some("broken"));
    }
}
