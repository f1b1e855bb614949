use proptest::prelude::*;

use super::*;

/// The next frame alone; `None` once the mailbox is closed.
fn take<T>(mailbox: &Arc<Mailbox<T>>) -> Option<Taken<T>> {
    let mut batch = Vec::new();
    mailbox.take_batch(1, &mut batch).then(|| batch.remove(0))
}

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
    let taken = take(&mailbox).unwrap();
    assert_eq!((taken.camera, taken.frame), (0, 3));
    assert_eq!(mailbox.put(0, 4, now), None, "a frame in the worker is not in the slot");
    taken.in_flight.finish(Outcome::Processed);
    assert_eq!(mailbox.counters(0), counters(4, 1, 2, 0, 0));
    mailbox.reject(0);
    mailbox.close();
    assert_eq!(mailbox.counters(0), counters(5, 1, 2, 1, 1));
    assert!(take(&mailbox).is_none());
}

#[test]
fn a_frame_lost_in_a_panicking_worker_counts_as_rejected() {
    let mailbox = Mailbox::new(1);
    mailbox.put(0, (), Instant::now());
    let worker = Arc::clone(&mailbox);
    let result = std::thread::spawn(move || {
        let _taken = take(&worker);
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
            let taken = take(&mailbox).unwrap();
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
            while let Some(taken) = take(&mailbox) {
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

#[test]
fn several_frames_are_taken_at_a_time_in_turn() {
    let mailbox = Mailbox::new(3);
    let now = Instant::now();
    let mut batch = Vec::new();
    let put_all = |mailbox: &Mailbox<usize>| {
        for camera in 0..3 {
            mailbox.put(camera, camera, now);
        }
    };
    let mut cameras = |mailbox: &Arc<Mailbox<usize>>, most| {
        assert!(mailbox.take_batch(most, &mut batch));
        batch.iter().map(|taken| taken.camera).collect::<Vec<_>>()
    };
    put_all(&mailbox);
    assert_eq!(cameras(&mailbox, 2), [0, 1]);
    put_all(&mailbox);
    assert_eq!(cameras(&mailbox, 2), [2, 0]);
    assert_eq!(cameras(&mailbox, 64), [1]);
    assert_eq!(mailbox.counters(2), counters(2, 0, 1, 0, 1), "what is left in the buffer was not finished");
    drop(batch);
    assert_eq!(mailbox.counters(1), counters(2, 0, 0, 0, 2));
}

#[test]
fn a_frame_waits_for_another_camera_and_goes_with_it() {
    let mailbox = Mailbox::new(2);
    // Longer than the test: what ends the wait is the other frame.
    mailbox.set_window(Duration::from_hours(1));
    let now = Instant::now();
    let before = |s: u64| now.checked_sub(Duration::from_secs(s)).unwrap_or(now);
    let mut batch = Vec::new();
    for n in (0..5).rev() {
        mailbox.put(0, "front", before(n * 10));
        mailbox.put(1, "rear", before(n * 10 + 1));
        if n > 0 {
            assert!(mailbox.take_batch(2, &mut batch));
        }
    }
    assert!(mailbox.take_batch(1, &mut batch), "a full run of one");
    let worker = {
        let mailbox = Arc::clone(&mailbox);
        std::thread::spawn(move || {
            let mut batch = Vec::new();
            assert!(mailbox.take_batch(2, &mut batch));
            batch.drain(..).map(|taken| (taken.camera, taken.frame)).collect::<Vec<_>>()
        })
    };
    let waits = batch[0].camera;
    mailbox.put(waits, "newer", Instant::now());
    let mut found = worker.join().unwrap();
    found.sort_unstable();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&(waits, "newer")));
}

#[test]
fn closing_ends_the_wait() {
    let mailbox = Mailbox::<u8>::new(2);
    mailbox.set_window(Duration::from_hours(1));
    let worker = {
        let mailbox = Arc::clone(&mailbox);
        std::thread::spawn(move || mailbox.take_batch(2, &mut Vec::new()))
    };
    mailbox.close();
    assert!(!worker.join().unwrap());
}

/// A camera of the simulation, in milliseconds.
#[derive(Debug, Clone)]
struct Source {
    period: u64,
    phase: u64,
    jitter: u64,
    /// Falls silent between these.
    silent: (u64, u64),
    min_period: u64,
}

fn source(limited: bool) -> impl Strategy<Value = Source> {
    let min_period = if limited { 0..150_u64 } else { 0..1 };
    (5..100_u64, 0..100_u64, 0..8_u64, (0..1000_u64, 0..600_u64), min_period).prop_map(
        |(period, phase, jitter, (from, length), min_period)| Source {
            period,
            phase,
            jitter,
            silent: (from, from + length),
            min_period,
        },
    )
}

/// All arrivals in order: when, and of which camera.
fn arrivals(sources: &[Source]) -> Vec<(u64, usize)> {
    let mut all = Vec::new();
    for (camera, source) in sources.iter().enumerate() {
        for n in 0..(1500 / source.period) {
            let late =
                if source.jitter > 0 { (n * 7919 + camera as u64 * 104_729) % source.jitter } else { 0 };
            let at = source.phase + n * source.period + late;
            if !(source.silent.0..source.silent.1).contains(&at) {
                all.push((at, camera));
            }
        }
    }
    all.sort_unstable();
    all
}

/// Runs a mailbox and a worker that takes `service` ms for each run, on a clock of its own, until every frame is
/// accounted for; `taken` hears of each run: when, since when the worker was free, the frames as camera and arrival,
/// and the state before they were taken.
fn simulate(
    sources: &[Source],
    (most, window, service): (usize, u64, u64),
    mut taken: impl FnMut(u64, u64, &[(usize, u64)], &[Option<u64>]),
) -> Vec<FrameCounters> {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let ms = |at: Instant| (at - start).as_millis() as u64;
    let mut state = State::new(sources.len());
    state.window = Duration::from_millis(window);
    for (slot, source) in state.slots.iter_mut().zip(sources) {
        slot.min_period = Duration::from_millis(source.min_period);
    }
    let events = arrivals(sources);
    let mut events = events.iter().copied().peekable();
    let (mut now, mut free_at) = (0, 0);
    loop {
        while let Some((due, camera)) = events.next_if(|(due, _)| *due <= now) {
            state.put(camera, due, at(due));
        }
        let mut wake = None;
        if free_at <= now {
            let waiting: Vec<_> = state.slots.iter().map(|s| s.timing.waiting_since.map(ms)).collect();
            let mut batch = Vec::new();
            let decision = state.next(at(now), most, |camera, frame, _| batch.push((camera, frame)));
            match decision {
                Decision::Go => {
                    assert!(!batch.is_empty() && batch.len() <= most);
                    taken(now, free_at, &batch, &waiting);
                    for (camera, _) in &batch {
                        state.count(*camera, Outcome::Processed);
                    }
                    free_at = now + service;
                    wake = Some(free_at);
                }
                Decision::WaitUntil(due) => {
                    assert!(batch.is_empty() && ms(due) > now, "no busy waiting");
                    wake = Some(ms(due));
                }
                Decision::Idle => assert!(waiting.iter().all(Option::is_none), "{waiting:?}"),
            }
        } else {
            wake = Some(free_at);
        }
        for slot in &state.slots {
            let c = slot.counters;
            assert_eq!(c.received, c.processed + c.overwritten + c.stale + c.rejected + c.pending);
        }
        let next = events.peek().map(|(due, _)| *due);
        match next.into_iter().chain(wake).min() {
            Some(next) => now = next,
            None => return state.slots.iter().map(|slot| slot.counters).collect(),
        }
    }
}

proptest! {
    #[test]
    fn no_frame_waits_beyond_the_window_and_none_is_lost(
        sources in proptest::collection::vec(source(false), 1..5),
        most in 1..6_usize, window in 0..60_u64, service in 1..80_u64,
    ) {
        let counters = simulate(&sources, (most, window, service), |now, free_at, _, waiting| {
            let oldest = waiting.iter().flatten().min().unwrap();
            assert!(now <= free_at.max(oldest + window), "{now}: free at {free_at}, waiting since {oldest}");
        });
        for (camera, counters) in counters.iter().enumerate() {
            let sent = arrivals(&sources).iter().filter(|(_, of)| *of == camera).count() as u64;
            prop_assert_eq!(counters.received, sent);
            prop_assert_eq!((counters.processed + counters.overwritten, counters.pending), (sent, 0));
        }
    }

    #[test]
    fn no_camera_starves(
        sources in proptest::collection::vec(source(false), 1..7),
        most in 1..4_usize, window in 0..60_u64, service in 1..80_u64,
    ) {
        let mut passed_over = vec![0; sources.len()];
        simulate(&sources, (most, window, service), |_, _, batch, waiting| {
            for (camera, passed) in passed_over.iter_mut().enumerate() {
                let served = waiting[camera].is_none() || batch.iter().any(|(of, _)| *of == camera);
                *passed = if served { 0 } else { *passed + 1 };
                assert!(*passed < sources.len().div_ceil(most), "camera {camera}");
            }
        });
    }

    #[test]
    fn a_lone_camera_never_waits(
        only in source(false), most in 1..6_usize, window in 0..60_u64, service in 1..80_u64, others in 0..3_u64,
    ) {
        // The others never send.
        let mute = Source { silent: (0, u64::MAX), ..only.clone() };
        let sources: Vec<_> = std::iter::once(only).chain((0..others).map(|_| mute.clone())).collect();
        simulate(&sources, (most, window, service), |now, free_at, _, waiting| {
            assert_eq!(now, free_at.max(waiting[0].unwrap()));
        });
    }

    #[test]
    fn rate_limits_hold_and_nothing_is_lost_with_them(
        sources in proptest::collection::vec(source(true), 1..5),
        most in 1..6_usize, window in 0..60_u64, service in 1..80_u64,
    ) {
        let mut runs = vec![Vec::new(); sources.len()];
        let counters = simulate(&sources, (most, window, service), |now, _, batch, _| {
            for (camera, _) in batch {
                runs[*camera].push(now);
            }
        });
        for ((source, counters), runs) in sources.iter().zip(&counters).zip(&runs) {
            prop_assert_eq!((counters.processed + counters.overwritten, counters.pending), (counters.received, 0));
            // The mean rate holds: over three runs, at most one of which was late.
            for three in runs.windows(3) {
                prop_assert!(three[2] - three[0] >= source.min_period, "{:?}", runs);
            }
        }
    }
}
