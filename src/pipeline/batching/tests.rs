use super::*;

const MS: Duration = Duration::from_millis(1);

fn ago(at: Instant, ms: u32) -> Instant {
    at.checked_sub(MS * ms).unwrap()
}

/// A camera whose frames came every `period_ms`, the last one at `last`.
fn camera(last: Instant, period_ms: u32) -> Timing {
    let mut timing = Timing::default();
    for back in (0..5).rev() {
        timing.arrivals.record(ago(last, period_ms * back));
    }
    timing
}

fn waiting(mut timing: Timing) -> Timing {
    timing.waiting_since = timing.arrivals.last;
    timing
}

fn start() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

fn decided(cameras: &[Timing], most: usize, window_ms: u32, now: Instant) -> Decision {
    decide(cameras.iter(), most, MS * window_ms, now)
}

#[test]
fn nothing_waits_for_nothing() {
    let now = start();
    assert_eq!(decided(&[], 4, 20, now), Decision::Idle);
    assert_eq!(decided(&[camera(now, 30), Timing::default()], 4, 20, now), Decision::Idle);
}

#[test]
fn a_frame_waits_for_a_camera_that_is_due_within_the_window() {
    let now = start();
    let front = waiting(camera(now, 50));
    let rear = camera(ago(now, 40), 50);
    assert_eq!(decided(&[front, rear], 2, 20, now), Decision::WaitUntil(now + MS * 20));
    assert_eq!(decided(&[front, rear], 2, 20, now + MS * 19), Decision::WaitUntil(now + MS * 20));
    assert_eq!(decided(&[front, rear], 2, 20, now + MS * 20), Decision::Go);
    assert_eq!(decided(&[front, rear], 2, 9, now), Decision::Go, "due 10 ms from now");
    assert_eq!(decided(&[front, waiting(rear)], 3, 200, now + MS), Decision::Go, "nobody else");
}

#[test]
fn a_lone_frame_goes_at_once() {
    let now = start();
    let front = waiting(camera(now, 50));
    let unknown = Timing::default();
    let mut twice = Timing::default();
    (0..2).for_each(|n| twice.arrivals.record(ago(now, 50) + MS * 10 * n));
    let silent = camera(ago(now, 150), 50);
    for others in [vec![], vec![unknown], vec![twice], vec![silent]] {
        let cameras: Vec<_> = std::iter::once(front).chain(others).collect();
        assert_eq!(decided(&cameras, 4, 40, now), Decision::Go, "{cameras:?}");
    }
}

#[test]
fn a_full_run_or_no_window_goes_at_once() {
    let now = start();
    let (front, rear, left) = (waiting(camera(now, 50)), camera(ago(now, 45), 50), waiting(camera(now, 50)));
    assert_eq!(decided(&[front, rear, left], 2, 20, now), Decision::Go);
    assert_eq!(decided(&[front, rear], 1, 20, now), Decision::Go);
    assert_eq!(decided(&[front, rear], 0, 20, now), Decision::Go);
    assert_eq!(decided(&[front, rear], 3, 0, now), Decision::Go);
    assert_eq!(decided(&[front, rear, left], 3, 20, now), Decision::WaitUntil(now + MS * 20));
}

#[test]
fn a_late_camera_is_expected_until_it_counts_as_silent() {
    let now = start();
    let front = waiting(camera(now, 50));
    let late = camera(ago(now, 52), 50);
    assert_eq!(decided(&[front, late], 2, 20, now), Decision::WaitUntil(now + MS * 20));
    let very_late = camera(ago(now, 145), 50);
    assert_eq!(decided(&[front, very_late], 2, 20, now), Decision::WaitUntil(now + MS * 5));
    assert_eq!(decided(&[front, very_late], 2, 20, now + MS * 5), Decision::Go);
}

#[test]
fn a_frame_does_not_wait_until_the_next_one_replaces_it() {
    let now = start();
    let fast = waiting(camera(now, 10));
    let slow = camera(ago(now, 85), 100);
    assert_eq!(
        decided(&[fast, slow], 2, 50, now),
        Decision::Go,
        "due 15 ms from now, the next of its own in 10"
    );
    let slow = camera(ago(now, 95), 100);
    assert_eq!(decided(&[fast, slow], 2, 50, now), Decision::WaitUntil(now + MS * 10));
}

#[test]
fn a_rate_limit_holds_a_frame_and_others_wait_for_it_within_the_window() {
    let now = start();
    let mut limited = waiting(camera(ago(now, 30), 100));
    limited.not_before = Some(now + MS * 12);
    assert_eq!(decided(&[limited], 2, 20, now), Decision::WaitUntil(now + MS * 12));
    let front = waiting(camera(now, 100));
    assert_eq!(decided(&[front, limited], 2, 20, now), Decision::WaitUntil(now + MS * 12));
    assert_eq!(decided(&[front, limited], 2, 10, now), Decision::Go);
    assert_eq!(decided(&[front, limited], 2, 20, now + MS * 12), Decision::Go);
    let late = camera(ago(now, 105), 100);
    assert_eq!(decided(&[front, limited, late], 2, 20, now), Decision::WaitUntil(now + MS * 12), "full then");
}

#[test]
fn a_pause_or_a_burst_does_not_move_the_period() {
    let mut arrivals = Arrivals::default();
    let mut at = start();
    for interval_ms in [50, 51, 49, 5000, 50, 1, 99] {
        assert!(arrivals.count >= KNOWN_FROM || arrivals.next().is_none());
        arrivals.record(at);
        at += MS * interval_ms;
    }
    arrivals.record(at);
    assert_eq!(arrivals.period, Some(MS * 50));
    // Seven intervals of another rate, and the old one is forgotten.
    for _ in 0..7 {
        at += MS * 20;
        arrivals.record(at);
    }
    assert_eq!(arrivals.period, Some(MS * 20));
}
