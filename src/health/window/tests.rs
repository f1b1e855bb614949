//! The window against one that keeps every sample, and its behaviour case by case.

mod against_naive;

use super::*;
use crate::health::{HealthStatus, Reason};

const S: i64 = 1_000_000_000;

fn config(window_s: u32, min_support: u32) -> WindowConfig {
    WindowConfig { window_s, min_support, stale_after_ns: 2 * S as u64 }
}

fn window(window_s: u32, min_support: u32) -> CameraWindow {
    CameraWindow::new(3, config(window_s, min_support)).unwrap()
}

/// `n` frames at 10 frames/s from `start_ns`, each with one published detection of class 0.
fn record(window: &mut CameraWindow, start_ns: i64, n: i64) {
    for i in 0..n {
        window.record_frame(start_ns + i * S / 10, [(0, 0.8, true)].into_iter());
    }
}

#[test]
fn a_new_window_says_that_it_knows_nothing() {
    let window = window(10, 30);
    let class = window.class_summary(0).unwrap();
    assert_eq!(class.status, HealthStatus::InsufficientData { have: 0, need: 30 });
    assert_eq!((class.count, class.low_count, class.frames), (0, 0, 0));
    for figure in [class.rate_hz, class.per_frame, class.mean_score, class.quantiles.p50] {
        assert!(figure.is_nan());
    }
    let camera = window.camera_summary();
    assert_eq!(camera.status, HealthStatus::InsufficientData { have: 0, need: 30 });
    assert_eq!(camera.last_frame_ns, None);
}

#[test]
fn a_class_the_model_lacks_has_no_summary() {
    let window = window(10, 30);
    assert!(window.class_summary(3).is_none());
    assert!(window.class_summary(u32::MAX).is_none());
    assert!(window.score_histogram(3).is_none());
}

#[test]
fn a_rare_class_has_insufficient_data_and_says_how_much_it_needs() {
    let mut window = window(10, 30);
    record(&mut window, 0, 3);
    let class = window.class_summary(0).unwrap();
    assert_eq!(class.status, HealthStatus::InsufficientData { have: 3, need: 30 });
    assert_eq!(class.reason.to_string(), "insufficient data: 3 of 30 detections");
    record(&mut window, S, 27);
    assert_eq!(window.class_summary(0).unwrap().status, HealthStatus::Ok);
    assert_eq!(window.class_summary(0).unwrap().reason, Reason::Supported { have: 30, need: 30 });
    assert_eq!(window.class_summary(1).unwrap().status, HealthStatus::InsufficientData { have: 0, need: 30 });
    assert_eq!(window.camera_summary().supported_classes, 1);
}

#[test]
fn low_scores_alone_do_not_support_a_class() {
    let mut window = window(10, 30);
    for i in 0..100 {
        window.record_frame(i * S / 20, [(1, 0.05, false)].into_iter());
    }
    let class = window.class_summary(1).unwrap();
    assert_eq!((class.count, class.low_count), (0, 100));
    assert_eq!(class.status, HealthStatus::InsufficientData { have: 0, need: 30 });
    assert!(class.mean_published_score.is_nan());
    assert!((class.mean_score - 0.05).abs() < 1e-7);
}

#[test]
fn a_silent_camera_is_stale_and_recovers() {
    let mut window = window(10, 3);
    record(&mut window, 0, 10);
    window.advance(2 * S);
    assert_eq!(window.class_summary(0).unwrap().status, HealthStatus::Ok);
    window.advance(900_000_000 + 2 * S);
    assert_eq!(window.class_summary(0).unwrap().status, HealthStatus::Ok);
    window.advance(900_000_001 + 2 * S);
    let class = window.class_summary(0).unwrap();
    assert_eq!(class.status, HealthStatus::Stale { silent_for_ns: 2_000_000_001 });
    assert_eq!(class.reason.to_string(), "stale: no frame for 2.0 s, at most 2.0 s allowed");
    assert!(matches!(window.camera_summary().status, HealthStatus::Stale { .. }));
    record(&mut window, 4 * S, 3);
    assert_eq!(window.class_summary(0).unwrap().status, HealthStatus::Ok);
}

#[test]
fn a_camera_that_never_speaks_becomes_stale() {
    let mut window = window(10, 3);
    window.advance(100 * S);
    assert_eq!(window.camera_summary().status, HealthStatus::InsufficientData { have: 0, need: 3 });
    window.advance(105 * S);
    assert_eq!(window.camera_summary().status, HealthStatus::Stale { silent_for_ns: 5 * S as u64 });
}

#[test]
fn silence_longer_than_the_window_empties_it() {
    let mut window = window(5, 3);
    record(&mut window, 0, 50);
    window.advance(1000 * S);
    let camera = window.camera_summary();
    assert_eq!((camera.frames, camera.count, camera.low_count), (0, 0, 0));
    assert!(matches!(camera.status, HealthStatus::Stale { .. }));
}

#[test]
fn rates_are_per_second_of_covered_time() {
    let mut window = window(10, 3);
    record(&mut window, S / 2, 5);
    assert!(window.class_summary(0).unwrap().rate_hz.is_nan(), "under a second");
    record(&mut window, S, 40);
    window.advance(5 * S);
    let class = window.class_summary(0).unwrap();
    assert!((class.covered_s - 4.5).abs() < 1e-12);
    assert!((class.rate_hz - 10.0).abs() < 1e-12);
    assert!((class.per_frame - 1.0).abs() < 1e-12);
    // Once the window is full, it covers the whole seconds before and the part of the one in progress.
    record(&mut window, 5 * S, 155);
    window.advance(20 * S + S / 2);
    let class = window.class_summary(0).unwrap();
    assert!((class.covered_s - 9.5).abs() < 1e-12);
    assert!((class.rate_hz - 10.0).abs() < 1e-12);
    assert_eq!(class.frames, 95);
}

#[test]
fn an_older_frame_goes_into_its_own_second() {
    let mut window = window(3, 1);
    assert_eq!(window.record_frame(10 * S, [].into_iter()), Arrival::InOrder);
    assert_eq!(window.record_frame(8 * S, [(0, 0.5, true)].into_iter()), Arrival::Reordered);
    assert_eq!(window.class_summary(0).unwrap().count, 1);
    assert!((window.class_summary(0).unwrap().covered_s - 2.0).abs() < 1e-12);
    // Second 8 leaves a window of three seconds as second 11 begins.
    window.advance(11 * S);
    assert_eq!(window.class_summary(0).unwrap().count, 0);
    assert_eq!(window.counters().reordered_frames, 1);
}

#[test]
fn a_frame_stamped_before_the_clock_is_in_order() {
    let mut window = window(3, 1);
    window.advance(10 * S);
    assert_eq!(window.record_frame(10 * S - 50_000_000, [].into_iter()), Arrival::InOrder);
    assert_eq!(window.counters().reordered_frames, 0);
}

#[test]
fn a_frame_just_too_old_is_left_out_and_counted() {
    let mut window = window(3, 1);
    record(&mut window, 10 * S + S / 2, 1);
    assert_eq!(window.record_frame(7 * S + S * 3 / 4, [(0, 0.5, true)].into_iter()), Arrival::TooLate);
    assert_eq!(window.counters().late_frames, 1);
    assert_eq!(window.camera_summary().frames, 1);
}

#[test]
fn time_that_jumps_back_empties_the_window() {
    let mut window = window(3, 1);
    record(&mut window, 10 * S, 10);
    assert_eq!(window.record_frame(5 * S, [(1, 0.5, true)].into_iter()), Arrival::TimeJumpedBack);
    let camera = window.camera_summary();
    assert_eq!((camera.frames, camera.count, camera.counters.time_jumps), (1, 1, 1));
    assert_eq!(camera.last_frame_ns, Some(5 * S));
    // The clock may be the first to tell.
    window.advance(S);
    assert_eq!((window.camera_summary().frames, window.counters().time_jumps), (0, 2));
}

#[test]
fn a_clock_slightly_behind_the_stamps_changes_nothing() {
    let mut window = window(3, 1);
    record(&mut window, 10 * S, 11);
    let before = window.camera_summary();
    window.advance(10 * S);
    assert_eq!(window.camera_summary(), before);
}

#[test]
fn reset_empties_the_window_and_keeps_the_counters() {
    let mut window = window(3, 1);
    window.record_frame(10 * S, [(0, f32::NAN, true), (0, 0.5, true)].into_iter());
    window.reset();
    assert_eq!(window.camera_summary().frames, 0);
    assert_eq!(window.class_summary(0).unwrap().low_count, 0);
    assert_eq!(window.counters().bad_scores, 1);
    // Any time may follow.
    assert_eq!(window.record_frame(9 * S, [].into_iter()), Arrival::InOrder);
}

#[test]
fn bad_scores_and_classes_are_left_out_and_counted() {
    let mut window = window(3, 1);
    let detections =
        [(0, f32::NAN, true), (0, 1.1, true), (0, -0.1, false), (0, f32::INFINITY, true), (3, 0.5, true)];
    window.record_frame(0, detections.into_iter());
    assert_eq!((window.counters().bad_scores, window.counters().bad_classes), (4, 1));
    assert_eq!(window.camera_summary().low_count, 0);
}

#[test]
fn scores_of_zero_and_one_are_counted_in_the_outer_bins() {
    let mut window = window(3, 1);
    window.record_frame(0, [(0, 0.0, false), (0, 1.0, true)].into_iter());
    let class = window.class_summary(0).unwrap();
    assert_eq!((class.histogram20[0], class.histogram20[19]), (1, 1));
    assert!((class.mean_score - 0.5).abs() < 1e-12);
    assert!((class.mean_published_score - 1.0).abs() < 1e-12);
    assert!(class.quantiles.p10 <= 0.01 && class.quantiles.p90 >= 0.99);
    assert_eq!(window.score_histogram(0).unwrap()[99], 1);
}

#[test]
fn a_full_bin_leaves_every_figure_consistent() {
    let mut window = window(3, 1);
    window.record_frame(0, std::iter::repeat_n((0, 0.5, true), 70_000));
    let class = window.class_summary(0).unwrap();
    assert_eq!((class.count, class.low_count, class.histogram20[10]), (65_535, 65_535, 65_535));
    assert!((class.mean_score - 0.5).abs() < 1e-12);
    assert_eq!(window.counters().saturated, 70_000 - 65_535);
    window.advance(3 * S);
    assert_eq!(window.class_summary(0).unwrap().low_count, 0);
}

#[test]
fn times_at_the_ends_of_their_range_are_only_jumps() {
    let mut window = window(3, 1);
    for stamp_ns in [i64::MIN, i64::MAX, 0, -1, i64::MAX, i64::MIN, i64::MIN + 1] {
        window.record_frame(stamp_ns, [(0, 0.5, true)].into_iter());
        assert!(window.camera_summary().covered_s >= 0.0);
        window.advance(stamp_ns.saturating_add(S));
        assert!(window.class_summary(0).unwrap().covered_s <= 3.0);
    }
}

#[test]
fn a_bad_configuration_is_refused_with_its_range() {
    let error = |classes, config| CameraWindow::new(classes, config).err().unwrap();
    assert_eq!(
        error(3, config(1, 30)).to_string(),
        "health: `window_s` must be from 2 to 600 seconds, found 1; 60 is usual"
    );
    assert_eq!(error(3, config(601, 30)), HealthError::WindowLength { found_s: 601 });
    assert_eq!(error(3, config(60, 0)), HealthError::MinSupport);
    assert_eq!(error(0, config(60, 30)), HealthError::NoClasses);
    for found_ns in [0, 60_000_000_001, u64::MAX] {
        let config = WindowConfig { stale_after_ns: found_ns, ..WindowConfig::default() };
        assert!(matches!(error(3, config), HealthError::StaleAfter { .. }));
    }
    for classes in [100_000, usize::MAX] {
        assert!(matches!(error(classes, config(60, 30)), HealthError::TooLarge { .. }));
    }
}

#[test]
fn the_memory_stated_in_the_documentation_is_right() {
    assert_eq!(WindowConfig::default().memory_bytes(80), 1_109_360);
    assert_eq!(
        WindowConfig { window_s: 7, ..WindowConfig::default() }.memory_bytes(3),
        3 * (7 * 224 + 424) + 28
    );
}

#[test]
fn an_unknown_key_in_a_configuration_is_an_error() {
    assert_eq!(
        toml::from_str::<WindowConfig>("window_s = 20").unwrap(),
        WindowConfig { window_s: 20, ..WindowConfig::default() }
    );
    assert!(toml::from_str::<WindowConfig>("window = 20").unwrap_err().to_string().contains("unknown field"));
    assert!(toml::from_str::<WindowConfig>("window_s = -1").is_err());
}
