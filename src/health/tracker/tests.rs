//! Objects that move, blink, fade and leave.

use proptest::prelude::*;

use super::*;
use crate::health::testing::thresholds;

const S: f64 = 1e9;
const SIZE: [u32; 2] = [1000, 600];

fn object(class_id: u32, score: f32, x: f32, y: f32) -> Detection {
    Detection { bbox: BoundingBox::from_centre(x, y, 60.0, 40.0), class_id, score }
}

/// Records `frames` frames at `rate_hz`; `scene` gives the detections at a time in seconds.
fn record(rate_hz: f64, frames: u32, scene: impl Fn(u32, f32) -> Vec<Detection>) -> Tracker {
    let mut tracker = Tracker::new(3, 60);
    for i in 0..frames {
        let time_s = f64::from(i) / rate_hz;
        tracker.record_frame((time_s * S) as i64, &scene(i, time_s as f32), &thresholds(), SIZE);
    }
    tracker
}

#[test]
fn moving_objects_are_found_again_at_any_frame_rate() {
    for rate_hz in [5.0, 10.0, 30.0] {
        let tracker = record(rate_hz, (2.0 * rate_hz) as u32, |_, t| {
            vec![object(0, 0.8, 100.0 + 120.0 * t, 100.0), object(1, 0.8, 900.0 - 100.0 * t, 300.0)]
        });
        for class_id in [0, 1] {
            let counts = tracker.counts(class_id);
            assert!(f64::from(counts.expected) >= 2.0 * rate_hz - 6.0, "{rate_hz}: {counts:?}");
            assert_eq!(counts.expected, counts.found, "{rate_hz}");
        }
        assert_eq!(tracker.counts(2), TrackCounts::default());
        assert!(tracker.counts(7).rate().is_nan());
    }
}

#[test]
fn irregular_intervals_are_followed() {
    let mut tracker = Tracker::new(1, 60);
    let mut stamp_ns = 0_i64;
    // Over the longest interval the box moves so far that without its velocity it would be lost.
    for i in 0..40 {
        let t = stamp_ns as f32 / 1e9;
        tracker.record_frame(stamp_ns, &[object(0, 0.8, 100.0 + 120.0 * t, 100.0)], &thresholds(), SIZE);
        stamp_ns += [20_000_000, 200_000_000, 90_000_000, 350_000_000][i % 4];
    }
    let counts = tracker.counts(0);
    assert!(counts.expected > 30 && counts.found == counts.expected, "{counts:?}");
}

#[test]
fn an_object_that_blinks_lowers_the_rate() {
    // Missing in every fifth frame: expected there, and not in the frame after, before which it was not seen.
    let tracker =
        record(10.0, 100, |i, _| if i % 5 == 4 { vec![] } else { vec![object(0, 0.8, 500.0, 300.0)] });
    let rate = tracker.counts(0).rate();
    assert!((rate - 0.75).abs() < 0.03, "{rate}");
}

#[test]
fn a_faded_object_is_expected_for_as_long_as_it_is_there() {
    // Fades every other frame, then for good.
    let blinking =
        record(10.0, 100, |i, _| vec![object(0, if i % 2 == 0 { 0.5 } else { 0.2 }, 500.0, 300.0)]);
    assert!((blinking.counts(0).rate() - 0.5).abs() < 0.02);
    let faded = record(10.0, 100, |i, _| vec![object(0, if i < 50 { 0.5 } else { 0.2 }, 500.0, 300.0)]);
    let counts = faded.counts(0);
    let lost = counts.expected - counts.found;
    assert!((9..=11).contains(&lost), "a second of misses: {counts:?}");
    assert_eq!(faded.track_count(), 0);
}

#[test]
fn objects_that_leave_are_not_lost() {
    let tracker = record(10.0, 60, |_, t| {
        let x = 800.0 + 80.0 * t;
        let bbox = BoundingBox::from_centre(x, 300.0, 60.0, 40.0).clip(SIZE[0], SIZE[1]);
        if bbox.area() > 100.0 { vec![Detection { bbox, class_id: 0, score: 0.8 }] } else { vec![] }
    });
    let counts = tracker.counts(0);
    assert!(counts.expected > 10 && counts.found == counts.expected, "{counts:?}");
    // In the middle the same end is a loss.
    let tracker = record(10.0, 60, |_, t| if t < 2.0 { vec![object(0, 0.8, 400.0, 300.0)] } else { vec![] });
    let counts = tracker.counts(0);
    assert_eq!(counts.expected - counts.found, 1);
}

#[test]
fn classes_are_kept_apart_and_neighbours_too() {
    let tracker = record(10.0, 50, |i, _| {
        let mut scene = vec![object(0, 0.9, 400.0, 300.0), object(0, 0.8, 430.0, 300.0)];
        // Changes its class every frame: never seen twice running.
        scene.push(object(1 + i % 2, 0.7, 700.0, 300.0));
        scene
    });
    assert_eq!(tracker.counts(0).rate(), 1.0);
    assert_eq!(tracker.counts(0).expected, 2 * 48);
    for class_id in [1, 2] {
        assert!(!tracker.counts(class_id).rate().is_finite() || tracker.counts(class_id).rate() < 0.1);
    }
}

#[test]
fn a_gap_ends_all_tracks_and_counts_expire() {
    let mut tracker = record(10.0, 50, |_, _| vec![object(0, 0.9, 400.0, 300.0)]);
    let before = tracker.counts(0);
    tracker.record_frame((9.0 * S) as i64, &[], &thresholds(), SIZE);
    assert_eq!((tracker.counts(0), tracker.track_count()), (before, 0));
    tracker.advance((70.0 * S) as i64);
    assert_eq!(tracker.counts(0), TrackCounts::default());
}

#[test]
fn velocity_is_learnt_and_stays_sound() {
    let mut filter = BoxFilter::new(&BoundingBox::from_centre(0.0, 0.0, 50.0, 30.0));
    for i in 1..100_u16 {
        filter.predict(0.1);
        filter.update(&BoundingBox::from_centre(f32::from(i) * 10.0, f32::from(i) * -2.0, 50.0, 30.0));
    }
    let [x, y] = filter.velocity();
    assert!((x - 100.0).abs() < 1.0 && (y + 20.0).abs() < 1.0, "{x} {y}");
    assert!(filter.is_sound());
}

proptest! {
    #[test]
    fn no_filter_becomes_unsound(
        steps in prop::collection::vec((0.0_f64..1.0, -100.0_f32..2000.0, 0.0_f32..2000.0, 0.0_f32..2000.0), 1..200)
    ) {
        let mut filter = BoxFilter::new(&BoundingBox::from_centre(10.0, 10.0, 0.0, 5.0));
        for (dt_s, position, width, height) in steps {
            filter.predict(dt_s);
            prop_assert!(filter.is_sound());
            filter.update(&BoundingBox::from_centre(position, position, width, height));
            prop_assert!(filter.is_sound() && filter.bbox().is_finite());
        }
    }

    /// Whatever comes: counts make sense and memory stays what it was.
    #[test]
    fn anything_may_come(
        frames in prop::collection::vec(
            (any::<i64>(), prop::collection::vec((prop::array::uniform4(prop::num::f32::ANY), 0_u32..5, prop::num::f32::ANY), 0..20)),
            1..40,
        ),
        apart in 0_i64..300_000_000,
    ) {
        let mut tracker = Tracker::new(3, 5);
        let capacity = (tracker.tracks.capacity(), tracker.pairs.capacity(), tracker.taken.capacity());
        for (i, (stamp_ns, detections)) in frames.iter().enumerate() {
            let detections: Vec<_> = detections
                .iter()
                .map(|&([a, b, c, d], class_id, score)| Detection { bbox: BoundingBox::new(a, b, c, d), class_id, score })
                .collect();
            // Stamps in order first, then any.
            let stamp_ns = if i < 20 { i as i64 * apart } else { *stamp_ns };
            tracker.record_frame(stamp_ns, &detections, &thresholds(), SIZE);
            for class_id in 0..5 {
                let counts = tracker.counts(class_id);
                prop_assert!(counts.found <= counts.expected);
            }
            prop_assert!(tracker.track_count() <= MAX_TRACKS);
        }
        prop_assert_eq!(capacity, (tracker.tracks.capacity(), tracker.pairs.capacity(), tracker.taken.capacity()));
    }
}
