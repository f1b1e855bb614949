//! A camera's monitor with a profile, its tracker, its estimates and its alarms takes its memory at the beginning and never again.
//!
//! A program of its own, for its counting allocator.

#![allow(clippy::expect_used, reason = "what is put together here is known to be good")]

#[path = "common/counting.rs"]
mod counting;

use std::path::PathBuf;
use std::sync::Arc;

use roadproof::corruption::{Corruption, Severity, Step};
use roadproof::detector::manifest::DecoderKind;
use roadproof::detector::{Agreement, BoundingBox, Detection, ModelInfo, Provider, Thresholds};
use roadproof::evaluation::monitor::{
    Observation as Observed, Observed as Frames, ObservedCell, ObservedFrame, ProfileOptions, make_profile,
};
use roadproof::evaluation::{Rect, Truth};
use roadproof::health::profile::AlarmSettings;
use roadproof::health::{CameraMonitor, HealthStatus, ImageQuality, Observation, Profile, WindowConfig};

const CLASSES: u32 = 80;
const CAMERAS: usize = 6;
const DAY_S: i64 = 24 * 3600;
const FRAME_S: i64 = 3;
const REPORT_S: i64 = 60;

fn thresholds() -> Thresholds {
    Thresholds {
        score: 0.4,
        nms_iou: 0.6,
        max_detections: 100,
        class_scores: Vec::new(),
        enabled: Vec::new(),
        low_score: 0.1,
    }
}

/// Ten detections that depend on the frame's number only.
fn detections(frame: i64, fade: f32, out: &mut Vec<Detection>) {
    out.clear();
    out.extend((0..10_u32).map(|i| {
        let mixed = (frame as u32).wrapping_mul(0x9e37_79b9).wrapping_add(i.wrapping_mul(0x85eb_ca6b));
        let score = (mixed >> 8) as f32 / (1 << 24) as f32;
        let x = (mixed % 500) as f32;
        Detection {
            bbox: BoundingBox::new(x, 50.0, x + 40.0, 120.0),
            class_id: if i < 4 { i } else { mixed % CLASSES },
            score: (0.1 + 0.9 * score * fade).min(1.0),
        }
    }));
}

fn quality(fade: f32, digest: u64) -> ImageQuality {
    let (noise, contrast) = (2.0 + 20.0 * (1.0 - fade), 50.0 * fade);
    ImageQuality {
        noise,
        contrast,
        sharpness: 1.0,
        brightness: 120.0,
        blockiness: 1.0,
        digest,
        ..ImageQuality::default()
    }
}

fn agreement() -> Agreement {
    Agreement { kept: 10, suppressed: 20, consistency_sum: 8.0, reliability_sum: 5.0, supported: 10 }
}

/// A profile with an estimator and with alarms, from frames like those that are played.
fn profile() -> Profile {
    let frame = |number: i64, fade: f32| {
        let mut found = Vec::new();
        detections(number, fade, &mut found);
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        ObservedFrame { detections: found, agreement: agreement(), quality: quality(fade, number as u64) }
    };
    let truths = |number: i64| {
        let mut found = Vec::new();
        detections(number, 1.0, &mut found);
        let is_there = |d: &&Detection| d.score > 0.4;
        let rect = |d: &Detection| {
            let [x_min, y_min, x_max, y_max] =
                [d.bbox.x_min, d.bbox.y_min, d.bbox.x_max, d.bbox.y_max].map(f64::from);
            Rect::from_corners(x_min, y_min, x_max, y_max)
        };
        found.iter().filter(is_there).map(|d| Truth::new(d.class_id, rect(d))).collect::<Vec<_>>()
    };
    let cell = |step: Option<Step>, fade: f32| ObservedCell {
        step,
        frames: (0..60).map(|n| frame(n, fade)).collect(),
    };
    let step = |corruption: Corruption, severity: f64| {
        Some(Step { corruption, severity: Severity::new(severity).expect("a severity") })
    };
    let noise: Corruption = "gaussian_noise".parse().expect("a corruption");
    let fog: Corruption = "fog".parse().expect("a corruption");
    let cells = vec![
        cell(None, 1.0),
        cell(step(noise, 2.0), 0.7),
        cell(step(noise, 4.0), 0.4),
        cell(step(fog, 2.0), 0.8),
        cell(step(fog, 4.0), 0.6),
    ];
    let classes: Vec<String> = (0..CLASSES).map(|class| format!("class {class}")).collect();
    let observed = Frames { truths: Some((0..60).map(truths).collect()), classes: classes.clone(), cells };
    let model = ModelInfo {
        name: "model".to_owned(),
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
    };
    let observation = Observed { observed, model, thresholds: thresholds(), rejected: 0 };
    let options = ProfileOptions {
        name: "frames".to_owned(),
        is_stream: false,
        alarms: AlarmSettings { false_alarms_per_10h: 1.0, frame_rate_hz: 10.0, window_s: 30 },
    };
    make_profile(&observation, &options).expect("a profile")
}

#[test]
fn a_day_of_six_cameras_allocates_nothing() {
    let profile = Arc::new(profile());
    assert!(profile.estimator.is_some() && profile.classes.iter().any(|class| class.alarms.is_some()));
    let config = WindowConfig { window_s: 30, min_support: 5, stale_after_ns: 10_000_000_000 };
    let monitor =
        |_| CameraMonitor::new(CLASSES as usize, config, Some(Arc::clone(&profile))).expect("a monitor");
    let mut monitors: Vec<CameraMonitor> = (0..CAMERAS).map(monitor).collect();
    let (thresholds, mut found) = (thresholds(), Vec::with_capacity(16));
    let mut statuses = [0_u64; 3];
    let mut play = |monitors: &mut [CameraMonitor], from_s: i64, to_s: i64| {
        for second in (from_s..to_s).step_by(FRAME_S as usize) {
            // Every two hours all fades for a quarter of an hour.
            let fade = if second % 7200 > 6300 { 0.3 } else { 1.0 };
            for (camera, monitor) in monitors.iter_mut().enumerate() {
                detections(second * 7 + camera as i64, fade, &mut found);
                let quality = quality(fade, second as u64);
                monitor.record_frame(&Observation {
                    stamp_ns: second * 1_000_000_000,
                    detections: &found,
                    thresholds: &thresholds,
                    image_size: [640, 480],
                    agreement: agreement(),
                    quality: Some(&quality),
                });
                if second % REPORT_S == 0 {
                    monitor.advance(second * 1_000_000_000);
                    let report = monitor.report();
                    assert!(report.estimated_map.value.is_finite());
                    let place = match report.status {
                        HealthStatus::Ok => 0,
                        HealthStatus::Warn | HealthStatus::Error => 1,
                        _ => 2,
                    };
                    statuses[place] += 1;
                }
            }
        }
    };
    play(&mut monitors, 0, 600);
    let (allocations, bytes) = (counting::allocations(), counting::bytes());
    play(&mut monitors, 600, DAY_S);
    assert_eq!(counting::allocations() - allocations, 0, "allocations after ten minutes");
    assert_eq!(counting::bytes(), bytes, "bytes asked for");
    // The day was really judged: well for most of it, and not while all faded.
    let [well, bad, _] = statuses;
    assert!(well > bad && bad > 0, "{statuses:?}");
}
