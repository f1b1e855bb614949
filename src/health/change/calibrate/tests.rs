//! What calibrated thresholds do on streams like the one they come from, and on the same one without a class.

use super::*;
use crate::detector::BoundingBox;
use crate::health::change::tests::Random;
use crate::health::testing::thresholds;

const SETTINGS: AlarmSettings =
    AlarmSettings { false_alarms_per_10h: 1.0, frame_rate_hz: 10.0, window_s: 60 };

fn detection(class_id: u32, score: f32) -> Detection {
    Detection { bbox: BoundingBox::new(40.0, 40.0, 60.0, 60.0), class_id, score }
}

/// Frames in which class 0 is usual, class 1 is there in a third, class 2 next to never.
fn images(random: &mut Random, count: usize) -> Vec<Vec<Detection>> {
    let frame = |_| {
        let mut frame = Vec::new();
        for (class_id, in_view) in [(0, 1.5), (1, 0.4), (2, 0.01)] {
            for _ in 0..random.poisson(in_view) {
                frame.push(detection(class_id, (0.2 + 0.75 * random.uniform()) as f32));
            }
        }
        frame
    };
    (0..count).map(frame).collect()
}

/// A stream in which objects of class 0 stay for seconds, and one of class 1 is always there.
fn stream(random: &mut Random, count: usize) -> Vec<Vec<Detection>> {
    let mut objects = 2;
    let frame = |_| {
        let leaving = (0..objects).filter(|_| random.uniform() < 1.0 / 30.0).count() as u32;
        objects = objects - leaving + random.poisson(2.0 / 30.0);
        let mut frame: Vec<_> =
            (0..objects).map(|_| detection(0, (0.3 + 0.6 * random.uniform()) as f32)).collect();
        frame.push(detection(1, (0.5 + 0.4 * random.uniform()) as f32));
        frame
    };
    (0..count).map(frame).collect()
}

fn calibrated(frames: &[Vec<Detection>], is_stream: bool) -> Vec<Option<ClassAlarms>> {
    let thresholds = thresholds();
    let clean = CleanFrames { frames, thresholds: &thresholds, image_size: [100, 100], is_stream };
    calibrate(&clean, 4, &SETTINGS, 7)
}

/// Alarms of a class in `seconds`, and the seconds after which the first one came.
fn alarms(
    alarms: &ClassAlarms,
    class_id: u32,
    seconds: usize,
    mut frames: impl FnMut() -> Vec<Vec<Detection>>,
) -> (u32, Option<usize>) {
    let mut detector = ChangeDetector::new(&alarms.baseline.unwrap(), alarms.change);
    let (mut count, mut first) = (0, None);
    let thresholds = thresholds();
    for second in 0..seconds {
        let frames = frames();
        let clean = CleanFrames {
            frames: &frames,
            thresholds: &thresholds,
            image_size: [100, 100],
            is_stream: false,
        };
        for figures in ClassFrames::new(&clean, class_id).figures.iter().filter(|f| f.detections > 0) {
            detector.add(*figures);
        }
        detector.end_second(frames.len() as u32);
        if detector.is_alarm() {
            count += 1;
            first = first.or(Some(second + 1));
            detector.restart();
        }
    }
    (count, first)
}

#[test]
fn rare_classes_get_no_thresholds_and_the_others_sound_ones() {
    let found = calibrated(&images(&mut Random::new(1), 300), false);
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false, false]);
    for alarms in found.iter().flatten() {
        assert!(alarms.psi > 0.0 && alarms.psi.is_finite());
        assert!(alarms.wasserstein > 0.0 && alarms.wasserstein < 0.5);
        assert_eq!(alarms.track_match_rate, None);
        // Two classes, half the budget: ln(2 · 2 · 36000).
        assert!((alarms.change - 144_000_f64.ln()).abs() < 1e-9);
    }
    let again = calibrated(&images(&mut Random::new(1), 300), false);
    assert_eq!(found, again);
}

#[test]
fn a_clean_day_of_images_is_quiet_and_a_lost_class_is_not() {
    let mut random = Random::new(2);
    let found = calibrated(&images(&mut random, 300), false);
    for class_id in [0, 1] {
        let of_class = found[class_id as usize].as_ref().unwrap();
        let (clean, _) = alarms(of_class, class_id, 20_000, || images(&mut random, 10));
        assert_eq!(clean, 0, "class {class_id}");
        let (_, first) = alarms(of_class, class_id, 60, || vec![vec![detection(3, 0.9)]; 10]);
        let first = first.unwrap();
        let said = of_class.baseline.unwrap().vanishing_s(of_class.change, 10.0);
        assert!(first as f64 <= said + 1.0 && first <= 10, "class {class_id}: {first} s, {said} s said");
    }
}

#[test]
fn a_clean_stream_is_quiet_and_what_was_always_there_is_missed_soon() {
    let mut random = Random::new(3);
    let recording = stream(&mut random, 12_000);
    let found = calibrated(&recording, true);
    let fresh = stream(&mut random, 200_000);
    for class_id in [0, 1] {
        let of_class = found[class_id as usize].as_ref().unwrap();
        let mut seconds = fresh.chunks(10);
        let (clean, _) = alarms(of_class, class_id, 20_000, || seconds.next().unwrap().to_vec());
        assert_eq!(clean, 0, "class {class_id}");
    }
    let always = found[1].as_ref().unwrap();
    let (_, first) = alarms(always, 1, 60, || vec![vec![]; 10]);
    assert!(first.unwrap() <= 10, "{first:?}");
    // Boxes stand still in the middle: always found again.
    assert!(always.track_match_rate.unwrap() > 0.9, "{:?}", always.track_match_rate);
}

#[test]
fn drift_limits_hold_for_other_halves_of_the_same_images() {
    let mut random = Random::new(4);
    let mut exceeded = 0;
    for _ in 0..10 {
        let frames = images(&mut random, 100);
        let found = calibrated(&frames, false);
        let thresholds = thresholds();
        let of = |frames: &[Vec<Detection>]| {
            let clean =
                CleanFrames { frames, thresholds: &thresholds, image_size: [100, 100], is_stream: false };
            let class = ClassFrames::new(&clean, 0);
            class.histogram(0..frames.len())
        };
        let reference = ReferenceScores::new(&of(&frames)).unwrap();
        let alarms = found[0].as_ref().unwrap();
        for _ in 0..20 {
            let window = of(&images(&mut random, 600));
            exceeded += u32::from(reference.psi(&window) > alarms.psi);
            exceeded += u32::from(reference.wasserstein(&window) > alarms.wasserstein);
        }
        // A tenth off all scores is found.
        let mut faded = images(&mut random, 600);
        faded.iter_mut().flatten().for_each(|d| d.score *= 0.7);
        assert!(reference.wasserstein(&of(&faded)) > alarms.wasserstein);
    }
    assert_eq!(exceeded, 0);
}
