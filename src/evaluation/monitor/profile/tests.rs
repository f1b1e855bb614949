use std::path::PathBuf;

use proptest::prelude::*;

use super::calibration::{Evidence, isotonic, platt, shrunk};
use super::*;
use crate::corruption::{Corruption, Severity, Step};
use crate::detector::manifest::DecoderKind;
use crate::detector::{Agreement, BoundingBox, Detection, ModelInfo, Provider};
use crate::evaluation::Rect;
use crate::health::{ImageQuality, SCORE_BINS};

fn detection(class_id: u32, x: f32, score: f32) -> Detection {
    Detection { bbox: BoundingBox::new(x, 0.0, x + 50.0, 50.0), class_id, score }
}

fn truth(class_id: u32, x: f64) -> Truth {
    Truth::new(class_id, Rect { x, y: 0.0, width: 50.0, height: 50.0 })
}

fn frame(detections: Vec<Detection>, noise: f32) -> ObservedFrame {
    let agreement = Agreement {
        kept: 2,
        suppressed: 4,
        consistency_sum: 0.8 * noise,
        reliability_sum: 0.5 * noise,
        supported: noise as u32,
    };
    ObservedFrame { detections, agreement, quality: ImageQuality { noise, ..ImageQuality::default() } }
}

fn cell(step: Option<(Corruption, f64)>, frames: Vec<ObservedFrame>) -> ObservedCell {
    let step =
        step.map(|(corruption, severity)| Step { corruption, severity: Severity::new(severity).unwrap() });
    ObservedCell { step, frames }
}

/// Two frames: in the first a car is found and a dog is only suspected, in the second two cars are.
fn observation(truths: Option<Vec<Vec<Truth>>>) -> Observation {
    let clean = vec![
        frame(vec![detection(0, 0.0, 0.9), detection(1, 100.0, 0.2)], 1.0),
        frame(vec![detection(0, 0.0, 0.8), detection(0, 200.0, 0.6)], 3.0),
    ];
    let fog = vec![frame(vec![detection(0, 5.0, 0.5)], 0.0), frame(vec![detection(0, 200.0, 0.3)], 0.0)];
    let blind = vec![frame(Vec::new(), 0.0), frame(Vec::new(), 0.0)];
    let cells = vec![
        cell(None, clean),
        cell(Some((Corruption::Fog, 1.0)), fog.clone()),
        cell(Some((Corruption::Fog, 5.0)), blind.clone()),
        cell(Some((Corruption::Contrast, 5.0)), blind),
    ];
    let classes: Vec<String> = ["car", "dog", "tram"].map(str::to_owned).to_vec();
    Observation {
        observed: Observed { truths, classes: classes.clone(), cells },
        model: ModelInfo {
            name: "nano".into(),
            path: PathBuf::new(),
            sha256: "0".repeat(64),
            provider: Provider::Cpu,
            gpu: None,
            input_width: 416,
            input_height: 416,
            class_names: classes,
            decoder: DecoderKind::Nanodet,
            runtime_version: String::new(),
            runtime_library: PathBuf::new(),
            placement: None,
            engine: None,
            warnings: Vec::new(),
        },
        thresholds: Thresholds {
            score: 0.4,
            nms_iou: 0.6,
            max_detections: 100,
            class_scores: Vec::new(),
            enabled: Vec::new(),
            low_score: 0.1,
        },
        rejected: 0,
    }
}

fn options() -> ProfileOptions {
    ProfileOptions {
        name: "set".into(),
        is_stream: false,
        alarms: AlarmSettings { false_alarms_per_10h: 1.0, frame_rate_hz: 10.0, window_s: 30 },
    }
}

fn labelled() -> Observation {
    observation(Some(vec![vec![truth(0, 0.0), truth(1, 100.0)], vec![truth(0, 0.0)]]))
}

#[test]
fn clean_frames_give_rates_shares_and_what_occurs_together() {
    let profile = make_profile(&labelled(), &options()).unwrap();
    let [car, dog, tram] = profile.classes.as_slice() else { panic!() };
    assert_eq!((car.detections_per_frame, car.published_per_frame), ([1.5, 0.5], [1.5, 0.5]));
    assert_eq!((dog.detections_per_frame, dog.published_per_frame), ([0.5, 0.5], [0.0, 0.0]));
    // Scores 0.9 and 1.4.
    assert!((car.score_sum_per_frame[0] - 1.15).abs() < 1e-6);
    assert!((car.score_sum_per_frame[1] - 0.125).abs() < 1e-6);
    assert_eq!((car.frames_share, dog.frames_share), (1.0, 0.0));
    assert_eq!(car.score_histogram.iter().sum::<u32>(), 3);
    // In single precision 0.9 is a little less.
    assert_eq!(car.score_histogram[89], 1);
    assert_eq!(car.co_occurrence, [1.0, 0.0, 0.0]);
    assert_eq!(tram.co_occurrence, [0.0; 3]);
    assert_eq!((car.instances, dog.instances, tram.instances), (2, 1, 0));
    // A wrong detection below the right ones costs nothing.
    let is_one = |ap: Option<f64>| ap.is_some_and(|ap| (ap - 1.0).abs() < 1e-12);
    assert!(is_one(car.ap) && is_one(dog.ap) && tram.ap.is_none());
    assert!(is_one(profile.camera.map));
    assert_eq!(car.precision_by_score, None, "four detections calibrate nothing");
    assert_eq!((profile.camera.quality.noise, profile.camera.quality_deviation.noise), (2.0, 2.0_f64.sqrt()));
    // Frames count by their boxes: one and three of them.
    assert!((profile.camera.agreement[0] - 0.8).abs() < 1e-6);
    profile.to_json().unwrap();
}

#[test]
fn curves_begin_clean_and_tell_accuracy_recall_and_what_is_kept() {
    let profile = make_profile(&labelled(), &options()).unwrap();
    let names: Vec<_> = profile.curves.iter().map(|curve| curve.corruption.as_str()).collect();
    assert_eq!(names, ["fog", "contrast"]);
    let [clean, light, heavy] = profile.curves[0].points.as_slice() else { panic!() };
    assert_eq!([clean.severity, light.severity, heavy.severity], [0.0, 1.0, 5.0]);
    assert_eq!(clean, &profile.curves[1].points[0]);
    assert_eq!(clean.class_recall, [Some(1.0), Some(0.0), None], "the dog is not published");
    assert_eq!(clean.class_retention, [Some(1.0), None, None]);
    // Of three published cars one is found again; the other detection is not published.
    assert_eq!(light.class_retention, [Some(1.0 / 3.0), None, None]);
    assert_eq!(light.class_recall, [Some(0.5), Some(0.0), None]);
    let ap = light.class_ap[0].unwrap();
    assert!(ap > 0.2 && ap < 0.6, "{ap}");
    assert!(light.agreement[0].is_nan());
    assert_eq!((heavy.map, heavy.class_ap[0], heavy.class_retention[0]), (0.0, Some(0.0), Some(0.0)));
}

#[test]
fn without_labels_the_published_detections_are_the_reference() {
    let profile = make_profile(&observation(None), &options()).unwrap();
    assert!(!profile.source.is_labelled);
    let car = &profile.classes[0];
    assert_eq!((car.ap, car.instances, profile.camera.map), (None, 0, None));
    assert_eq!((car.precision_by_score.as_ref(), car.atc_score), (None, None));
    let [clean, light, _] = profile.curves[0].points.as_slice() else { panic!() };
    assert_eq!((clean.map, clean.class_ap[0], clean.class_ap[1]), (1.0, Some(1.0), None));
    assert_eq!(light.class_recall[0], light.class_retention[0]);
}

#[test]
fn nothing_to_compare_with_is_an_error() {
    let mut blind = observation(None);
    blind.thresholds.score = 0.95;
    let error = make_profile(&blind, &options()).unwrap_err().to_string();
    assert!(error.contains("set") && error.contains("0.95"), "{error}");
}

/// Evidence by bin: detections and those of them that are right.
fn evidence(rows: &[(usize, u32, u32)]) -> Evidence {
    let mut evidence = Evidence::NONE;
    for &(bin, all, right) in rows {
        (evidence.all[bin], evidence.right[bin]) = (all, right);
    }
    evidence
}

#[test]
fn violators_are_pooled_and_gaps_are_bridged() {
    // 0.2; 0.8 and 0.4 pooled to 0.6; 1.
    let map = isotonic(&evidence(&[(10, 10, 2), (20, 10, 8), (30, 10, 4), (50, 5, 5)]));
    for (bin, expected) in
        [(0, 0.2), (10, 0.2), (15, 0.4), (20, 0.6), (25, 0.6), (30, 0.6), (40, 0.8), (50, 1.0), (99, 1.0)]
    {
        assert!((map[bin] - expected).abs() < 1e-12, "bin {bin}: {}", map[bin]);
    }
}

#[test]
fn platt_scaling_recovers_the_sigmoid_that_made_the_data() {
    let odds = |bin: usize| {
        let score = (bin as f64 + 0.5) / 100.0;
        (score / (1.0 - score)).ln()
    };
    let probability = |bin: usize| 1.0 / (1.0 + (-(0.6 * odds(bin) - 0.7)).exp());
    let rows: Vec<_> =
        (10..90).map(|bin| (bin, 100_000, (probability(bin) * 100_000.0).round() as u32)).collect();
    let map = platt(&evidence(&rows));
    for (bin, &found) in map.iter().enumerate() {
        assert!((found - probability(bin)).abs() < 1e-4, "bin {bin}: {found} {}", probability(bin));
    }
}

#[test]
fn where_precision_falls_with_the_score_the_slope_is_none() {
    let map = platt(&evidence(&[(20, 20, 18), (80, 20, 2)]));
    assert!((map[0] - map[99]).abs() < 1e-12 && (map[0] - 0.5).abs() < 1e-9, "{map:?}");
}

#[test]
fn thin_support_leans_on_all_classes() {
    let together = [0.5; SCORE_BINS];
    let all_right = |count: u32| shrunk(&evidence(&[(50, count, count)]), &together)[50];
    assert_eq!(all_right(29), 0.5, "a class of 29 takes what all classes have");
    let (few, many) = (all_right(100), all_right(10_000));
    assert!(few > 0.7 && few < 0.85 && many > 0.99, "{few} {many}");
}

#[test]
fn the_share_of_scores_above_the_atc_threshold_is_the_precision() {
    let mut frames = Vec::new();
    let mut truths = Vec::new();
    for i in 0..40_u8 {
        // Right are the first 10, whatever their scores.
        let score = 0.2 + 0.01 * (u32::from(i) * 7 % 40) as f32;
        frames.push(frame(vec![detection(0, 0.0, score)], 1.0));
        truths.push(if i < 10 { vec![truth(0, 0.0)] } else { vec![truth(0, 500.0)] });
    }
    let mut seen = observation(Some(truths));
    seen.observed.cells = vec![cell(None, frames.clone())];
    let profile = make_profile(&seen, &options()).unwrap();
    let threshold = profile.classes[0].atc_score.unwrap();
    let above = frames.iter().filter(|frame| f64::from(frame.detections[0].score) > threshold).count();
    assert_eq!(above, 10);
    assert_eq!(profile.classes[1].atc_score, None);
    assert!(profile.classes[1].precision_by_score.is_some(), "that of all classes");
}

proptest! {
    #[test]
    fn maps_are_probabilities_that_never_fall(
        counts in prop::collection::vec((0_u32..60, 0.0_f64..=1.0), SCORE_BINS),
        together in 0.0_f64..=1.0,
    ) {
        let rows: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(bin, (all, share))| (bin, *all, (f64::from(*all) * share) as u32))
            .collect();
        let evidence = evidence(&rows);
        for map in [isotonic(&evidence), platt(&evidence), shrunk(&evidence, &[together; SCORE_BINS])] {
            prop_assert!(map.iter().all(|value| (0.0..=1.0).contains(value)));
            prop_assert!(map.windows(2).all(|pair| pair[1] >= pair[0]));
        }
        // Pooling keeps the total.
        let map = isotonic(&evidence);
        let expected: f64 = evidence.all.iter().zip(map).map(|(all, value)| f64::from(*all) * value).sum();
        let right: u32 = evidence.right.iter().sum();
        prop_assert!((expected - f64::from(right)).abs() < 1e-6 * f64::from(right).max(1.0));
    }

    #[test]
    fn a_profile_can_always_be_read_again(
        scores in prop::collection::vec((0_u32..3, 0.1_f32..1.0, 0.0_f32..300.0), 1..80),
    ) {
        let mut seen = labelled();
        for (i, (class_id, score, x)) in scores.into_iter().enumerate() {
            let cells = seen.observed.cells.len();
            seen.observed.cells[i % cells].frames[i % 2].detections.push(detection(class_id, x, score));
        }
        let profile = make_profile(&seen, &options()).unwrap();
        prop_assert!(profile.to_json().is_ok());
        prop_assert_eq!(make_profile(&seen, &options()).unwrap().to_json().unwrap(), profile.to_json().unwrap());
    }
}

#[test]
fn only_a_stream_has_a_track_match_rate() {
    // Well within the picture, whose edges are where the outermost boxes end: what touches them may be leaving.
    let at = |detection: Detection, y: f32| Detection {
        bbox: BoundingBox { y_min: y, y_max: y + 50.0, ..detection.bbox },
        ..detection
    };
    let found = || vec![at(detection(0, 200.0, 0.9), 200.0), at(detection(1, 600.0, 0.2), 600.0)];
    let frames = (0..20).map(|_| frame(found(), 1.0)).collect();
    let mut seen = observation(Some(vec![vec![truth(0, 0.0)]; 20]));
    seen.observed.cells = vec![ObservedCell { step: None, frames }];
    let rate = |is_stream: bool| {
        let profile = make_profile(&seen, &ProfileOptions { is_stream, ..options() }).unwrap();
        profile.classes.iter().map(|class| class.track_match_rate).collect::<Vec<_>>()
    };
    assert_eq!(rate(true), [Some(1.0), None, None]);
    assert_eq!(rate(false), [None, None, None]);
}
