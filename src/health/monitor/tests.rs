//! The monitor with profiles made here, case by case, and under anything that may come.

mod anything;

use super::*;
use crate::detector::{Agreement, BoundingBox, Detection};
use crate::health::change::{CleanFrames, calibrate};
use crate::health::profile::{
    AlarmSettings, CameraProfile, ClassAlarms, ClassProfile, ProfileSource, ProfiledModel,
};
use crate::health::testing::thresholds;
use crate::health::{HealthStatus, QualityMeans, Reason};

const S: i64 = 1_000_000_000;
const SETTINGS: AlarmSettings =
    AlarmSettings { false_alarms_per_10h: 1.0, frame_rate_hz: 10.0, window_s: 20 };
const WINDOW: WindowConfig = WindowConfig { window_s: 20, min_support: 30, stale_after_ns: 2 * S as u64 };

/// Class 0 in every frame, class 1 in every fifth, class 2 never; scores depend on the frame's number only.
fn scene(frame: u32) -> Vec<Detection> {
    // Mixed well (splitmix64): neighbouring frames, and every fifth one, have nothing to do with each other.
    let score = |i: u32| {
        let mut z = (u64::from(frame) << 8 | u64::from(i)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        0.3 + 0.6 * ((z ^ (z >> 31)) % 1000) as f32 / 1000.0
    };
    let at = |class_id: u32, x: f32, score: f32| Detection {
        bbox: BoundingBox::from_centre(x, 300.0, 60.0, 40.0),
        class_id,
        score,
    };
    let mut scene = vec![at(0, 200.0, score(0)), at(0, 400.0, score(1))];
    if frame.is_multiple_of(5) {
        scene.push(at(1, 600.0, 0.3 + score(2) * 0.5));
    }
    scene
}

fn class_profile(class_id: u32, frames: &[Vec<Detection>], alarms: Option<ClassAlarms>) -> ClassProfile {
    let mut histogram = vec![0; 100];
    let count = |of: &dyn Fn(&Detection) -> bool| {
        frames.iter().flatten().filter(|d| d.class_id == class_id && of(d)).count() as f64
            / frames.len() as f64
    };
    for detection in frames.iter().flatten().filter(|d| d.class_id == class_id) {
        histogram[(f64::from(detection.score) * 100.0) as usize] += 1;
    }
    let published = |frame: &&Vec<Detection>| frame.iter().any(|d| d.class_id == class_id && d.score >= 0.4);
    ClassProfile {
        name: format!("class {class_id}"),
        score_histogram: histogram,
        detections_per_frame: [count(&|_| true), 0.5],
        published_per_frame: [count(&|d| d.score >= 0.4), 0.5],
        score_sum_per_frame: [1.0, 0.5],
        frames_share: frames.iter().filter(published).count() as f64 / frames.len() as f64,
        precision_by_score: Some((0..100).map(|bin| f64::from(bin) / 100.0).collect()),
        atc_score: Some(0.5),
        track_match_rate: None,
        ap: Some(0.4),
        instances: 100,
        co_occurrence: vec![0.0; 3],
        alarms,
    }
}

fn profile() -> Profile {
    let frames: Vec<_> = (10_000..10_500).map(scene).collect();
    let thresholds = thresholds();
    let clean =
        CleanFrames { frames: &frames, thresholds: &thresholds, image_size: [1000, 600], is_stream: false };
    let alarms = calibrate(&clean, 3, &SETTINGS, 1);
    let quality = QualityMeans::mean([]);
    Profile {
        version: crate::health::profile::PROFILE_VERSION,
        roadproof_version: String::new(),
        model: ProfiledModel { name: String::new(), sha256: String::new() },
        source: ProfileSource {
            name: String::new(),
            frames: frames.len(),
            is_labelled: true,
            is_stream: false,
            low_score: 0.05,
            nms_iou: 0.6,
        },
        camera: CameraProfile { quality, quality_deviation: quality, agreement: [0.8, 0.6], map: Some(0.4) },
        classes: (0..3).zip(alarms).map(|(id, alarms)| class_profile(id, &frames, alarms)).collect(),
        curves: Vec::new(),
        estimator: None,
        alarms: SETTINGS,
        sha256: String::new(),
    }
}

fn monitor() -> CameraMonitor {
    CameraMonitor::new(3, WINDOW, Some(Arc::new(profile()))).unwrap()
}

fn observe(monitor: &mut CameraMonitor, stamp_ns: i64, detections: &[Detection]) -> Arrival {
    monitor.record_frame(&Observation {
        stamp_ns,
        detections,
        thresholds: &thresholds(),
        image_size: [1000, 600],
        agreement: Agreement::default(),
        quality: None,
    })
}

/// A second of ten frames from second `from` on for `seconds`, each ended with a report, given to `see`.
fn play(
    monitor: &mut CameraMonitor,
    from: i64,
    seconds: i64,
    change: impl Fn(&mut Vec<Detection>),
    mut see: impl FnMut(i64, &CameraReport),
) {
    for second in from..from + seconds {
        for i in 0..10 {
            let mut detections = scene((second * 10 + i) as u32);
            change(&mut detections);
            observe(monitor, second * S + i * S / 10, &detections);
        }
        monitor.advance((second + 1) * S);
        see(second, monitor.report());
    }
}

fn nothing(_: i64, _: &CameraReport) {}

#[test]
fn a_clean_stream_stays_ok_and_its_figures_are_the_profiles() {
    let mut monitor = monitor();
    play(
        &mut monitor,
        0,
        300,
        |_| {},
        |second, report| {
            assert!(
                matches!(report.status, HealthStatus::Ok | HealthStatus::InsufficientData { .. }),
                "{second}: {}",
                report.reason
            );
            if second > 5 {
                assert_eq!(report.status, HealthStatus::Ok);
                assert_eq!(report.classes[0].status, HealthStatus::Ok);
            }
            assert!(matches!(report.classes[2].status, HealthStatus::InsufficientData { have: 0, need: 30 }));
        },
    );
    let report = monitor.report();
    let class = &report.classes[0];
    assert!((class.detection_rate - class.expected_detection_rate).abs() < 1.0);
    assert!(class.score_psi < 0.1 && class.score_wasserstein < 0.03 && class.change_statistic < 1.0);
    assert!((class.expected_precision - 0.65).abs() < 0.03, "{}", class.expected_precision);
    assert!((class.above_threshold_share - 2.0 / 3.0).abs() < 0.05, "{}", class.above_threshold_share);
    assert_eq!(class.detections, class.score_histogram.iter().sum::<u32>());
    assert!(report.classes[2].score_psi.is_nan());
}

#[test]
fn a_class_that_vanishes_is_an_error_within_ten_seconds_and_recovers() {
    let mut monitor = monitor();
    play(&mut monitor, 0, 60, |_| {}, nothing);
    let mut first = None;
    play(
        &mut monitor,
        60,
        60,
        |d| d.retain(|d| d.class_id != 0),
        |second, report| {
            let class = &report.classes[0];
            if class.status == HealthStatus::Error && first.is_none() {
                first = Some(second + 1 - 60);
                assert!(matches!(class.reason, Reason::Vanished { .. }), "{}", class.reason);
                assert!(class.change_statistic >= 1.0);
                assert_eq!((report.status, report.worst_class), (HealthStatus::Error, Some(0)));
            }
            // It stays so, in one way or another, for as long as the class is away.
            assert!(first.is_none() || class.status == HealthStatus::Error, "{second}: {}", class.reason);
            assert_ne!(report.classes[1].status, HealthStatus::Error);
        },
    );
    assert!(first.unwrap() <= 10, "{first:?} s");
    play(&mut monitor, 120, 60, |_| {}, nothing);
    let class = &monitor.report().classes[0];
    assert_eq!(class.status, HealthStatus::Ok, "{}", class.reason);
}

#[test]
fn a_class_that_never_comes_is_lost_and_not_unknown() {
    let mut monitor = monitor();
    play(&mut monitor, 0, 30, |d| d.retain(|d| d.class_id != 0), nothing);
    let class = &monitor.report().classes[0];
    assert_eq!(class.status, HealthStatus::Error, "{}", class.reason);
    // Without thresholds the window alone tells.
    let mut bare = profile();
    bare.classes.iter_mut().for_each(|class| class.alarms = None);
    let mut monitor = CameraMonitor::new(3, WINDOW, Some(Arc::new(bare))).unwrap();
    play(&mut monitor, 0, 30, |d| d.retain(|d| d.class_id != 0), nothing);
    let class = &monitor.report().classes[0];
    assert_eq!(class.status, HealthStatus::Error);
    let Reason::Lost { frames, need: 30, expected } = class.reason else { panic!("{}", class.reason) };
    assert!(frames >= 190 && expected > 250.0, "{}", class.reason);
}

#[test]
fn lower_scores_are_a_warning() {
    let mut monitor = monitor();
    play(&mut monitor, 0, 40, |_| {}, nothing);
    play(&mut monitor, 40, 30, |d| d.iter_mut().for_each(|d| d.score *= 0.85), nothing);
    let class = &monitor.report().classes[0];
    assert_eq!(class.status, HealthStatus::Warn, "{}", class.reason);
    assert!(class.reason.to_string().contains("limit") || class.reason.to_string().contains("allowed"));
}

#[test]
fn without_a_profile_support_decides() {
    let mut monitor = CameraMonitor::new(3, WINDOW, None).unwrap();
    play(&mut monitor, 0, 30, |_| {}, nothing);
    let report = monitor.report();
    assert_eq!(report.status, HealthStatus::Ok);
    assert_eq!(
        report.classes[0].reason,
        Reason::Supported { have: u64::from(report.classes[0].published), need: 30 }
    );
    assert!(matches!(report.classes[2].status, HealthStatus::InsufficientData { .. }));
    assert!(report.classes[0].score_psi.is_nan() && report.estimated_map.value.is_nan());
    play(&mut monitor, 30, 30, Vec::clear, nothing);
    assert!(matches!(monitor.report().status, HealthStatus::InsufficientData { .. }));
}

#[test]
fn a_silent_camera_is_stale_whatever_was_before() {
    let mut monitor = monitor();
    play(&mut monitor, 0, 40, |_| {}, nothing);
    monitor.advance(45 * S);
    let report = monitor.report();
    assert!(matches!(report.status, HealthStatus::Stale { .. }));
    assert!(report.classes.iter().all(|class| matches!(class.status, HealthStatus::Stale { .. })));
    assert_eq!(report.worst_class, None);
}

#[test]
fn a_profile_of_fewer_classes_leaves_the_others_to_their_support() {
    let mut short = profile();
    short.classes.truncate(1);
    let mut monitor = CameraMonitor::new(3, WINDOW, Some(Arc::new(short))).unwrap();
    play(&mut monitor, 0, 30, |_| {}, nothing);
    let report = monitor.report();
    assert_eq!(report.classes.len(), 3);
    assert_eq!(report.classes[0].status, HealthStatus::Ok);
    assert!(report.classes[1].score_psi.is_nan());
}

#[test]
fn nan_scores_do_not_keep_a_class_alive() {
    let mut monitor = monitor();
    play(&mut monitor, 0, 40, |_| {}, nothing);
    play(&mut monitor, 40, 20, |d| d.iter_mut().for_each(|d| d.score = f32::NAN), nothing);
    let report = monitor.report();
    assert_eq!(report.status, HealthStatus::Error, "{}", report.reason);
}
