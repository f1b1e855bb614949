use proptest::prelude::*;

use super::*;
use crate::data::bag::cdr::{Detection2D, Detection2DArray, Hypothesis};
use crate::detector::{BoundingBox, Detection, Thresholds};
use crate::evaluation::{Found, IouThreshold, Labelled, Matches, Rect, Truth, accuracy};
use crate::health::Estimated;

const NAMES: [&str; 3] = ["person", "bus", "traffic light"];
const SIZE: [u32; 2] = [640, 384];

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).to_vec()
}

fn thresholds() -> Thresholds {
    Thresholds {
        score: 0.4,
        nms_iou: 0.6,
        max_detections: 100,
        class_scores: vec![None, Some(0.3)],
        enabled: Vec::new(),
        low_score: 0.1,
    }
}

fn monitor(window_frames: usize) -> TruthMonitor {
    let config = TruthConfig { window_frames, iou: IouThreshold::default(), wait_ns: 1000 };
    TruthMonitor::new("front", &names(), config)
}

fn object(class: &str, [x, y, width, height]: [f64; 4]) -> Detection2D {
    Detection2D {
        results: vec![Hypothesis { class_id: class.to_owned(), score: 1.0 }],
        center_x_px: x + width / 2.0,
        center_y_px: y + height / 2.0,
        size_x_px: width,
        size_y_px: height,
        ..Detection2D::default()
    }
}

fn truth(stamp_ns: i64, detections: Vec<Detection2D>) -> Detection2DArray {
    Detection2DArray { stamp_ns, frame_id: "cam".into(), detections }
}

fn frame(stamp_ns: i64, detections: Vec<Detection>) -> FrameResult {
    let thresholds = thresholds();
    FrameResult { stamp_ns, frame_id: "cam".into(), image_size: SIZE, detections, thresholds }
}

fn detection(class_id: u32, score: f32, [x, y, width, height]: [f32; 4]) -> Detection {
    let bbox = BoundingBox { x_min: x, y_min: y, x_max: x + width, y_max: y + height };
    Detection { bbox, class_id, score }
}

fn report(monitor: &mut TruthMonitor) -> TruthReport {
    monitor.report(0, |_| ClassEstimate::UNKNOWN, |_| true)
}

/// Every frame and every message is in exactly one place.
fn check_sums(counts: &TruthCounts, frames: u64) {
    let of_frames = counts.frames_compared + counts.wrong_frame_id + counts.frames_without_truth;
    assert_eq!(of_frames + counts.frames_unstamped + counts.frames_waiting, frames, "{counts:?}");
    let of_truths = counts.frames_compared + counts.wrong_frame_id + counts.truths_without_frame;
    let unusable = counts.truths_duplicate + counts.truths_unstamped + counts.truths_malformed;
    assert_eq!(of_truths + unusable + counts.truths_waiting, counts.truths_received, "{counts:?}");
}

#[test]
fn figures_are_those_of_what_was_published_and_of_all_that_was_kept() {
    let mut monitor = monitor(10);
    let (left, right) = ([10.0, 10.0, 40.0, 80.0], [200.0, 10.0, 40.0, 80.0]);
    monitor.truth(
        0,
        Ok(truth(1, vec![object("person", left.map(f64::from)), object("Person", right.map(f64::from))])),
    );
    // One found and published, one found below the threshold, one published where nothing is.
    let found = vec![
        detection(0, 0.9, left),
        detection(0, 0.2, right),
        detection(0, 0.5, [400.0, 10.0, 40.0, 80.0]),
        detection(1, 0.35, left),
    ];
    monitor.frame(0, frame(1, found));
    let estimate = ClassEstimate { ap: Estimated { value: 0.8, low: 0.7, high: 0.9 }, precision: 0.75 };
    let report = monitor.report(0, |_| estimate, |_| true);
    assert_eq!((report.frames, report.first_stamp_ns, report.last_stamp_ns), (1, 1, 1));
    let [person, bus] = &report.classes[..] else { panic!("{:?}", report.classes) };
    assert_eq!((person.instances, person.published, person.right), (2, 2, 1));
    assert_eq!((person.precision, person.recall), (0.5, 0.5));
    // Precision 1 up to a recall of 0.5, then 2/3.
    let ap = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
    assert!((person.ap - ap).abs() < 1e-9, "{}", person.ap);
    assert!((person.ap_error - (0.8 - ap)).abs() < 1e-9);
    assert_eq!(person.precision_error, 0.25);
    assert_eq!((bus.instances, bus.published, bus.precision), (0, 1, 0.0));
    assert!(bus.recall.is_nan() && bus.ap.is_nan() && bus.ap_error.is_nan());
    // A class that does not occur says nothing of the mean.
    assert_eq!((report.map, report.estimated_map, report.map_error), (person.ap, 0.8, person.ap_error));
    let fewer = monitor.report(0, |_| estimate, |class_id| class_id == 1);
    assert_eq!(fewer.classes.len(), 1);
    assert!(fewer.map.is_nan());
}

#[test]
fn what_cannot_be_used_is_counted_by_kind_and_told() {
    let mut monitor = monitor(10);
    let good = [10.0, 10.0, 40.0, 80.0];
    let objects = vec![
        object("person", good),
        object("van", good),
        object("2", good),
        Detection2D { results: Vec::new(), ..object("", good) },
        object("person", [10.0, 10.0, -40.0, 80.0]),
        object("person", [10.0, 10.0, 0.0, 80.0]),
        object("person", [f64::NAN, 10.0, 40.0, 80.0]),
        object("person", [10.0, 10.0, f64::INFINITY, 80.0]),
        object("person", [700.0, 10.0, 40.0, 80.0]),
        object("person", [-20.0, 10.0, 40.0, 80.0]),
        Detection2D { theta_rad: 0.1, ..object("person", good) },
    ];
    monitor.truth(0, Ok(truth(1, objects)));
    monitor.truth(0, Ok(truth(1, vec![object("person", good)])));
    monitor.truth(0, Ok(truth(0, Vec::new())));
    monitor.truth(0, Detection2DArray::decode(b"no message"));
    monitor.truth(0, Ok(truth(9, vec![object("person", good); MAX_OBJECTS + 1])));
    monitor.frame(0, frame(1, Vec::new()));
    monitor.frame(0, frame(0, Vec::new()));
    monitor.truth(0, Ok(Detection2DArray { frame_id: "rear".into(), ..truth(2, Vec::new()) }));
    monitor.frame(0, frame(2, Vec::new()));
    let report = report(&mut monitor);
    let counts = &report.counts;
    check_sums(counts, 3);
    assert_eq!((counts.truths_received, counts.truths_duplicate, counts.truths_unstamped), (6, 1, 1));
    assert_eq!((counts.truths_malformed, counts.wrong_frame_id, counts.frames_unstamped), (2, 1, 1));
    assert_eq!((counts.objects_received, counts.objects_unknown_class), (11, 3));
    assert_eq!((counts.objects_bad_box, counts.objects_outside), (4, 1));
    assert_eq!((counts.objects_partly_outside, counts.objects_rotated), (1, 1));
    let unknown = [(String::new(), 1), ("2".to_owned(), 1), ("van".to_owned(), 1)];
    assert_eq!(report.unknown_classes, unknown);
    // What is left: the good one, the one partly outside, the rotated one.
    assert_eq!(report.classes[0].instances, 3);
    let notes = report.notes.join("\n");
    for text in ["'van'", "'person'", "left out", "stamp 0", "'rear'", "640 × 384", "theta"] {
        assert!(notes.contains(text), "{text} in {notes}");
    }
    assert_eq!(self::report(&mut monitor).notes, [""; 0], "told once");
}

#[test]
fn a_number_for_a_class_is_explained() {
    let mut monitor = monitor(10);
    monitor.truth(0, Ok(truth(1, vec![object("17", [0.0, 0.0, 9.0, 9.0])])));
    let notes = report(&mut monitor).notes;
    assert!(notes[0].contains("'17' is a number"), "{notes:?}");
}

#[test]
fn names_without_end_take_no_memory() {
    let mut monitor = monitor(10);
    for i in 0..2 * MAX_UNKNOWN_CLASSES {
        let name = format!("{i} {}", "x".repeat(10_000));
        monitor.truth(0, Ok(truth(i as i64 + 1, vec![object(&name, [0.0, 0.0, 9.0, 9.0])])));
    }
    let report = report(&mut monitor);
    assert_eq!(report.unknown_classes.len(), MAX_UNKNOWN_CLASSES + 1);
    assert!(report.unknown_classes.iter().all(|(name, _)| name.len() < 100));
    let sum: u64 = report.unknown_classes.iter().map(|(_, count)| count).sum();
    assert_eq!(sum, report.counts.objects_unknown_class);
}

#[test]
fn what_waits_too_long_or_is_too_much_goes() {
    let mut monitor = monitor(10);
    monitor.frame(0, frame(1, Vec::new()));
    monitor.truth(0, Ok(truth(2, Vec::new())));
    monitor.truth(1001, Ok(truth(1, Vec::new())));
    monitor.frame(1001, frame(2, Vec::new()));
    let counts = monitor.counts();
    assert_eq!((counts.frames_without_truth, counts.truths_without_frame), (1, 1));
    assert_eq!((counts.frames_waiting, counts.truths_waiting, counts.frames_compared), (1, 1, 0));
    let notes = monitor.report(1001, |_| ClassEstimate::UNKNOWN, |_| true).notes;
    assert!(notes[0].contains("exactly their stamp"), "{notes:?}");
    for i in 0..MAX_WAITING as i64 + 10 {
        monitor.frame(1001, frame(100 + i, Vec::new()));
        monitor.truth(1001, Ok(truth(1_000_000 + i, Vec::new())));
    }
    let counts = monitor.counts();
    assert_eq!((counts.frames_waiting, counts.truths_waiting), (MAX_WAITING as u64, MAX_WAITING as u64));
    check_sums(&counts, 2 + MAX_WAITING as u64 + 10);
}

#[test]
fn a_recording_that_starts_over_begins_a_new_window() {
    let mut monitor = monitor(10);
    let second = 1_000_000_000;
    for stamp_ns in [5 * second, 6 * second] {
        monitor.truth(0, Ok(truth(stamp_ns, Vec::new())));
        monitor.frame(0, frame(stamp_ns, Vec::new()));
    }
    monitor.frame(0, frame(7 * second, Vec::new()));
    // Jitter is no jump.
    monitor.truth(0, Ok(truth(7 * second - 1, Vec::new())));
    monitor.frame(0, frame(7 * second - 1, Vec::new()));
    assert_eq!(report(&mut monitor).frames, 3);
    monitor.truth(0, Ok(truth(second, Vec::new())));
    monitor.frame(0, frame(second, Vec::new()));
    let report = report(&mut monitor);
    assert_eq!((report.frames, report.counts.time_jumps), (1, 1));
    assert_eq!((report.first_stamp_ns, report.counts.frames_without_truth), (second, 1));
    check_sums(&report.counts, 5);
}

type Boxes = Vec<(u32, [u8; 4], u8)>;

fn boxes() -> impl Strategy<Value = Boxes> {
    // A small grid, so that boxes meet, and few scores, so that there are ties.
    let bbox = [0..8_u8, 0..8, 1..4, 1..4];
    proptest::collection::vec((0..3_u32, bbox, 2..10_u8), 0..6)
}

proptest! {
    #[test]
    fn the_window_is_what_evaluation_says_of_its_frames(
        frames in proptest::collection::vec((boxes(), boxes()), 1..12),
        window_frames in 1..15_usize,
        truth_first in proptest::collection::vec(any::<bool>(), 12),
    ) {
        let mut monitor = monitor(window_frames);
        let mut images = Vec::new();
        for (i, (objects, found)) in frames.iter().enumerate() {
            let stamp_ns = i as i64 + 1;
            let side = |cell: u8| f64::from(cell) * 20.0;
            let message = truth(
                stamp_ns,
                objects.iter().map(|(class, bbox, _)| object(NAMES[*class as usize], bbox.map(side))).collect(),
            );
            let detections: Vec<_> = found
                .iter()
                .map(|(class, bbox, score)| {
                    detection(*class, f32::from(*score) / 10.0, bbox.map(|cell| side(cell) as f32))
                })
                .collect();
            let truths = objects.iter().map(|(class, bbox, _)| {
                let [x, y, width, height] = bbox.map(side);
                Truth::new(*class, Rect { x, y, width, height })
            });
            images.push(Labelled { truths: truths.collect(), detections: detections.iter().map(Found::from).collect() });
            if truth_first[i] {
                monitor.truth(0, Ok(message));
                monitor.frame(0, frame(stamp_ns, detections));
            } else {
                monitor.frame(0, frame(stamp_ns, detections));
                monitor.truth(0, Ok(message));
            }
        }
        let images = &images[images.len().saturating_sub(window_frames)..];
        let expected = accuracy(images, &names(), &Matches::new(images, NAMES.len()));
        let report = report(&mut monitor);
        prop_assert_eq!(report.frames, images.len());
        prop_assert_eq!(expected.ap.unwrap_or(-1.0), if report.map.is_nan() { -1.0 } else { report.map });
        for class in &report.classes {
            let of_class = &expected.classes[class.class_id as usize];
            prop_assert_eq!(of_class.ap.unwrap_or(-1.0), if class.ap.is_nan() { -1.0 } else { class.ap });
            let instances = images.iter().flat_map(|image| &image.truths);
            let instances = instances.filter(|truth| truth.class_id == Some(class.class_id)).count();
            prop_assert_eq!(class.instances as usize, instances);
            let score = thresholds().publish_score(class.class_id);
            let published = images.iter().flat_map(|image| &image.detections);
            let published = published.filter(|found| found.class_id == class.class_id && found.score >= score).count();
            prop_assert_eq!(class.published as usize, published);
            prop_assert!(class.right <= class.published && class.right <= class.instances);
        }
    }

    #[test]
    fn whatever_comes_nothing_is_lost(
        events in proptest::collection::vec((any::<bool>(), 0..6_i64, any::<bool>(), 0..400_i64), 0..80),
    ) {
        let mut monitor = monitor(4);
        let (mut now_ns, mut frames) = (0, 0);
        for (is_frame, stamp_ns, other_frame_id, later_ns) in events {
            now_ns += later_ns;
            // Far enough apart that some go back by a jump.
            let stamp_ns = stamp_ns * 300_000_000;
            let frame_id = if other_frame_id { "rear" } else { "cam" }.to_owned();
            if is_frame {
                frames += 1;
                monitor.frame(now_ns, FrameResult { frame_id, ..frame(stamp_ns, Vec::new()) });
            } else {
                monitor.truth(now_ns, Ok(Detection2DArray { frame_id, ..truth(stamp_ns, Vec::new()) }));
            }
            check_sums(&monitor.counts(), frames);
            prop_assert!(report(&mut monitor).frames <= 4);
        }
    }
}
