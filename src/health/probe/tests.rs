use proptest::prelude::*;

use super::margin::{Z_95, wilson};
use super::*;
use crate::detector::BoundingBox;
use crate::health::profile::{ResponseCurve, ResponsePoint};
use crate::health::quality::QualityMeans;

fn detection(class_id: u32, x: f32) -> Detection {
    Detection {
        bbox: BoundingBox { x_min: x, y_min: 0.0, x_max: x + 10.0, y_max: 10.0 },
        class_id,
        score: 0.9,
    }
}

#[test]
fn retention_is_the_share_found_again() {
    let mut probes = ProbeWindow::new(2, 3);
    let clean = [detection(1, 0.0), detection(1, 100.0), detection(2, 50.0)];
    probes.record(0, &clean, &[detection(1, 1.0), detection(2, 51.0)]);
    probes.record(1, &clean, &[detection(2, 0.0)]);
    let worst = probes.worst(1, 2).unwrap();
    assert_eq!((worst.corruption, worst.retention, worst.support), (1, 0.0, 2));
    assert_eq!(probes.worst(2, 1).unwrap().retention, 0.0);
    assert_eq!(probes.worst(1, 3), None, "too little support");
    assert_eq!(probes.worst(0, 1), None);
    assert_eq!(probes.worst(9, 1), None);
}

#[test]
fn one_box_stands_for_one_object() {
    let mut probes = ProbeWindow::new(1, 1);
    probes.record(0, &[detection(0, 0.0), detection(0, 1.0)], &[detection(0, 0.5)]);
    assert_eq!(probes.worst(0, 1).unwrap().retention, 0.5);
}

#[test]
fn old_results_fade_and_outside_indices_are_ignored() {
    let mut probes = ProbeWindow::new(1, 1);
    let clean = [detection(0, 0.0)];
    for _ in 0..2000 {
        probes.record(0, &clean, &[]);
    }
    for _ in 0..2000 {
        probes.record(0, &clean, &clean);
    }
    assert!(probes.worst(0, 1).unwrap().retention > 0.9);
    probes.record(5, &clean, &clean);
    probes.record(0, &[detection(7, 0.0)], &[]);
    assert!(probes.worst(0, 1).unwrap().support < FADE_AT);
}

fn scored(class_id: u32, x: f32, score: f32) -> Detection {
    Detection { score, ..detection(class_id, x) }
}

#[test]
fn the_score_drop_is_of_those_found_again() {
    let mut probes = ProbeWindow::new(1, 3);
    let clean = [scored(1, 0.0, 0.9), scored(1, 100.0, 0.8), scored(1, 200.0, 0.7), scored(2, 300.0, 0.5)];
    probes.record(0, &clean, &[scored(1, 100.0, 0.75), scored(1, 0.0, 0.6)]);
    let found = probes.retention(0, 1).unwrap();
    assert_eq!((found.support, found.found), (3, 2));
    assert!((found.retention() - 2.0 / 3.0).abs() < 1e-12);
    // 0.3 and 0.05; the lost one has no score to compare.
    assert!((found.score_drop - 0.175).abs() < 1e-6, "{found:?}");
    let lost = probes.retention(0, 2).unwrap();
    assert!(lost.retention() == 0.0 && lost.score_drop.is_nan());
    for (corruption, class_id) in [(0, 0), (0, 3), (1, 0), (1, 1), (usize::MAX, 1)] {
        assert_eq!(probes.retention(corruption, class_id), None, "{corruption} {class_id}");
    }
}

#[test]
fn the_score_drop_fades_with_its_counts() {
    let mut probes = ProbeWindow::new(1, 1);
    for _ in 0..2000 {
        probes.record(0, &[scored(0, 0.0, 0.9)], &[scored(0, 0.0, 0.5)]);
    }
    let steady = probes.retention(0, 0).unwrap();
    assert!((steady.score_drop - 0.4).abs() < 1e-6 && steady.retention() == 1.0, "{steady:?}");
    for _ in 0..2000 {
        probes.record(0, &[scored(0, 0.0, 0.9)], &[scored(0, 0.0, 0.8)]);
    }
    let changed = probes.retention(0, 0).unwrap().score_drop;
    assert!((0.1..0.13).contains(&changed), "{changed}");
}

fn curve(points: &[(f64, Option<f64>)]) -> ResponseCurve {
    let point = |&(severity, retention): &(f64, Option<f64>)| ResponsePoint {
        severity,
        quality: QualityMeans::mean([]),
        agreement: [0.5; 2],
        map: 0.3,
        class_ap: Vec::new(),
        class_recall: Vec::new(),
        class_retention: vec![None, retention],
    };
    ResponseCurve { corruption: "fog".to_owned(), points: points.iter().map(point).collect() }
}

#[test]
fn the_profiled_retention_is_interpolated() {
    let fog = curve(&[(0.0, Some(1.0)), (1.0, Some(0.8)), (3.0, Some(0.4))]);
    let at = |severity| profiled_retention(&fog, 1, severity);
    for (severity, expected) in [(0.0, 1.0), (0.5, 0.9), (1.0, 0.8), (2.0, 0.6), (3.0, 0.4)] {
        assert!((at(severity).unwrap() - expected).abs() < 1e-12, "{severity}: {:?}", at(severity));
    }
    for severity in [-0.1, 3.1, f64::NAN] {
        assert_eq!(at(severity), None, "{severity}: nothing is known beyond the curve");
    }
    assert_eq!(profiled_retention(&fog, 0, 1.0), None, "a class without instances");
    assert_eq!(profiled_retention(&fog, 7, 1.0), None);
    let gap = curve(&[(0.0, Some(1.0)), (1.0, None), (3.0, Some(0.4))]);
    assert_eq!(profiled_retention(&gap, 1, 0.5), None);
    assert_eq!(profiled_retention(&gap, 1, 3.0), Some(0.4));
    assert_eq!(profiled_retention(&curve(&[]), 1, 0.0), None);
}

#[test]
fn the_margin_is_live_less_profiled() {
    let fog = curve(&[(0.0, Some(1.0)), (2.0, Some(0.8))]);
    let mut probes = ProbeWindow::new(1, 2);
    let clean: Vec<_> = (0..40).map(|i| detection(1, i as f32 * 20.0)).collect();
    probes.record(0, &clean, &clean[..10]);
    let margin = probes.margin(0, 1, &fog, 1.0).unwrap();
    assert!((margin.profiled - 0.9).abs() < 1e-12 && margin.support == 40);
    assert!((margin.margin.value - (0.25 - 0.9)).abs() < 1e-12);
    assert!(margin.is_below_profile(), "{margin:?}");
    // As good as the profile, and too few to tell.
    let mut few = ProbeWindow::new(1, 2);
    few.record(0, &clean[..5], &clean[..4]);
    assert!(!few.margin(0, 1, &fog, 1.0).unwrap().is_below_profile());
    assert_eq!(few.margin(0, 1, &fog, 4.0), None);
    assert_eq!(few.margin(0, 0, &fog, 1.0), None);
}

/// Wilson's figures solve (p̂ - p)² = z² p (1 - p) / n, by definition.
#[test]
fn the_interval_solves_wilsons_equation() {
    let (low, high) = wilson(7, 20);
    for p in [low, high] {
        let left = (0.35 - p) * (0.35 - p);
        let right = Z_95 * Z_95 * p * (1.0 - p) / 20.0;
        assert!((left - right).abs() < 1e-12, "{p}");
    }
    let (low, high) = wilson(0, 0);
    assert!(low.is_nan() && high.is_nan());
}

proptest! {
    #[test]
    fn the_interval_holds_the_share_and_shrinks(n in 1_u32..2000, share in 0.0_f64..=1.0) {
        let found = (share * f64::from(n)) as u32;
        let (low, high) = wilson(found, n);
        let share = f64::from(found) / f64::from(n);
        prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0, "{low} {share} {high}");
        let (closer_low, closer_high) = wilson(4 * found, 4 * n);
        prop_assert!(closer_high - closer_low < high - low);
    }
}
