//! A study that looks like one, for tests: three variants, the fifteen published corruptions, twenty classes.

use crate::corruption::{Corruption, Group};
use crate::evaluation::{
    Accuracy, Calibration, CalibrationBin, Cell, ClassAccuracy, ClassSupport, Comparison, Confusion,
    DatasetSummary, DetectionBox, Difference, FORMAT, GroupRobustness, Latency, ModelSummary, PrPoint,
    Robustness, Sample, Settings, Study, TruthBox, Variant, WorstClass,
};

/// A class whose name is an attack on whoever prints it.
pub(super) const HOSTILE: &str = "<script>alert(\"sign\")</script> & 'co'";

const CLASSES: [(&str, usize); 20] = [
    ("person", 412),
    ("bicycle", 38),
    ("car", 301),
    ("motorcycle", 27),
    ("bus", 24),
    ("train", 12),
    ("truck", 64),
    ("traffic light", 118),
    (HOSTILE, 19),
    ("stop sign", 14),
    ("parking meter", 3),
    ("bench", 41),
    ("bird", 6),
    ("cat", 11),
    ("dog", 22),
    ("horse", 0),
    ("sheep", 0),
    ("cow", 4),
    ("backpack", 33),
    ("umbrella", 29),
];
const GROUPS: [Group; 4] = [Group::Noise, Group::Blur, Group::Weather, Group::Digital];
const SEVERITIES: [f64; 3] = [1.0, 3.0, 5.0];

/// A number between 0 and 1 that depends on the seeds alone.
fn spread(a: usize, b: usize) -> f64 {
    let mut mixed = (a as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)
        ^ (b as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..2 {
        mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    ((mixed ^ (mixed >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn accuracy(factor: f64, intervals: bool) -> Accuracy {
    let classes: Vec<_> = CLASSES
        .iter()
        .enumerate()
        .map(|(i, (name, instances))| {
            let ap = round((0.12 + 0.55 * spread(i, 1)) * factor);
            let half = 0.35 / (*instances as f64).sqrt();
            ClassAccuracy {
                name: (*name).to_owned(),
                ap: (*instances > 0).then_some(ap),
                ap50: (*instances > 0).then_some(round((ap * 1.5).min(1.0))),
                interval: (intervals && *instances > 0)
                    .then(|| [round((ap - half).max(0.0)), round((ap + half).min(1.0))]),
            }
        })
        .collect();
    let known: Vec<f64> = classes.iter().filter_map(|class| class.ap).collect();
    let ap = round(known.iter().sum::<f64>() / known.len() as f64);
    let of = |share: f64| Some(round(ap * share));
    Accuracy {
        ap: Some(ap),
        ap50: of(1.5),
        ap75: of(1.05),
        ap_small: of(0.4),
        ap_medium: of(1.1),
        ap_large: None,
        ar: [of(0.8), of(1.1), of(1.2)],
        ar_by_size: [of(0.5), of(1.2), None],
        ap_interval: intervals.then(|| [round(ap - 0.021), round(ap + 0.023)]),
        classes,
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    (count > 0.0).then(|| round(sum / count))
}

/// A difference whose interval is that much to either side, with the p-value that goes with it.
fn difference(drop: f64, half: f64) -> Difference {
    let z = drop.abs() / half * 1.96;
    let p_value = statrs::function::erf::erfc(z / 2.0_f64.sqrt());
    Difference {
        drop: round(drop),
        interval: [round(drop - half), round(drop + half)],
        p_value: round(p_value),
    }
}

fn comparison(which: usize) -> Comparison {
    let groups = [
        difference(0.031, 0.019),
        difference(0.004, 0.017),
        difference(-0.012, 0.011),
        difference(0.009 * which as f64, 0.015),
    ];
    let benchmark = Corruption::ALL.iter().filter(|corruption| corruption.is_benchmark());
    let corruptions = benchmark.enumerate().map(|(i, corruption)| {
        let drop = 0.06 * (spread(i, which) - 0.35);
        (corruption.name().to_owned(), difference(drop, 0.012 + 0.01 * spread(i, 9)))
    });
    let classes = CLASSES.iter().enumerate().filter(|(_, (_, instances))| *instances >= 10);
    let classes = classes.map(|(i, (name, instances))| {
        let half = 0.16 / (*instances as f64).sqrt();
        ((*name).to_owned(), difference(0.08 * (spread(i, 20 + which) - 0.3), half))
    });
    Comparison {
        clean_drop: difference([0.0, 0.019, 0.037][which], 0.021),
        groups: GROUPS.into_iter().zip(groups).collect(),
        groups_relative: Vec::new(),
        corruptions: corruptions.collect(),
        classes: classes.collect(),
    }
}

fn confusion(which: usize) -> Confusion {
    let mut classes: Vec<String> = CLASSES.iter().map(|(name, _)| (*name).to_owned()).collect();
    classes.retain(|name| name != "horse" && name != "sheep");
    let count = classes.len();
    let cell = |row: usize, column: usize| match (row == count, column == count) {
        (true, true) => 0,
        (_, true) => (40.0 * spread(row, 50)) as usize,
        (true, _) => (30.0 * spread(column, 51)) as usize,
        _ if row == column => (80.0 * spread(row, 52)) as usize + 5,
        _ => (spread(row, 60 + column + 100 * which).powi(9) * 24.0) as usize,
    };
    let counts = (0..=count).map(|row| (0..=count).map(|column| cell(row, column)).collect()).collect();
    Confusion { classes, counts }
}

fn samples() -> Vec<Sample> {
    let truth = |class: &str, bbox, found| TruthBox { class: class.to_owned(), bbox, found };
    let detection =
        |class: &str, bbox, score, right| DetectionBox { class: class.to_owned(), bbox, score, right };
    vec![
        Sample {
            image: "../../docs/images/detections.jpg".into(),
            size: [1057, 420],
            truths: vec![
                truth("person", [20.0, 10.0, 330.0, 415.0], true),
                truth("cat", [480.0, 40.0, 900.0, 400.0], true),
                truth(HOSTILE, [340.0, 20.0, 430.0, 160.0], false),
                truth("bench", [905.0, 290.0, 1050.0, 415.0], false),
            ],
            detections: vec![
                detection("person", [24.0, 14.0, 325.0, 412.0], 0.73, true),
                detection("cat", [488.0, 44.0, 890.0, 398.0], 0.56, true),
                detection("dog", [600.0, 60.0, 880.0, 300.0], 0.41, false),
            ],
        },
        Sample {
            image: "../corruption/recorded/scene.png".into(),
            size: [160, 120],
            truths: vec![
                truth("car", [10.0, 60.0, 70.0, 100.0], true),
                truth("dog", [90.0, 30.0, 130.0, 80.0], false),
            ],
            detections: vec![detection("car", [12.0, 58.0, 71.0, 101.0], 0.66, true)],
        },
        Sample {
            image: "images/not there & <gone>.jpg".into(),
            size: [640, 480],
            truths: vec![truth("person", [10.0, 20.0, 30.0, 90.0], false)],
            detections: vec![],
        },
    ]
}

fn variant(which: usize) -> Variant {
    let factor = [1.0, 0.95, 0.9][which];
    let clean = accuracy(factor, true);
    let clean_ap = clean.ap.unwrap_or(0.0);
    let benchmark = Corruption::ALL.iter().filter(|corruption| corruption.is_benchmark()).enumerate();
    let cells: Vec<Cell> = benchmark
        .flat_map(|(i, corruption)| {
            SEVERITIES.map(|severity| {
                let left = 1.0 - severity / 5.0 * (0.25 + 0.65 * spread(i, 3)) - 0.02 * which as f64;
                Cell {
                    corruption: corruption.name().to_owned(),
                    group: corruption.group(),
                    severity,
                    accuracy: accuracy(factor * left.max(0.02), false),
                }
            })
        })
        .collect();
    let mpc = mean(cells.iter().filter_map(|cell| cell.accuracy.ap));
    let groups = GROUPS.into_iter().map(|group| {
        let mpc = mean(cells.iter().filter(|cell| cell.group == group).filter_map(|cell| cell.accuracy.ap));
        GroupRobustness { group, mpc, rpc: mpc.map(|mpc| round(mpc / clean_ap)) }
    });
    let groups = groups.collect();
    let enough = clean.classes.iter().zip(CLASSES).filter(|(_, (_, instances))| *instances >= 10);
    let worst = enough.min_by(|(a, _), (b, _)| a.ap.unwrap_or(1.0).total_cmp(&b.ap.unwrap_or(1.0)));
    let worst_class = worst.map(|(class, (_, instances))| WorstClass {
        name: class.name.clone(),
        ap: class.ap.unwrap_or(0.0),
        interval: class.interval.unwrap_or([0.0, 1.0]),
        instances,
    });
    // The mean over severities grows with the middle one.
    let middle = cells.iter().filter(|cell| cell.severity == SEVERITIES[1]);
    let lowest = middle.min_by(|a, b| a.accuracy.ap.unwrap_or(1.0).total_cmp(&b.accuracy.ap.unwrap_or(1.0)));
    let worst_corruption = lowest.map(|cell| cell.corruption.clone());
    let pr_curve = (0..=50).map(|i| {
        let recall = f64::from(i) / 50.0;
        PrPoint { recall, precision: round((1.0 - recall.powf(1.7)) * (0.97 - 0.03 * which as f64)).max(0.0) }
    });
    let bins = (0..9).map(|i| {
        let score = 0.1 + 0.1 * f64::from(i);
        let precision = round((score + 0.08 + 0.06 * (spread(i as usize, 70 + which) - 0.5)).min(1.0));
        CalibrationBin { score: round(score), precision, count: 2400 / (i as usize + 1) }
    });
    Variant {
        name: ["street-fp32", "street-int8", "street-pruned-50"][which].into(),
        base: (which > 0).then(|| "street-fp32".into()),
        model: ModelSummary {
            file: format!("street-{which}.onnx"),
            sha256: format!("{which}b5e{}", "0f1e2d3c4b5a6978".repeat(4)).chars().take(64).collect(),
            size_bytes: [37_800_000, 9_700_000, 19_200_000][which],
            input: [640, 640],
            provider: "cpu".into(),
        },
        latency: Latency { p50_ms: [41.2, 18.7, 24.4][which], p99_ms: [55.9, 27.3, 31.0][which] },
        robustness: Robustness { mpc, rpc: mpc.map(|mpc| round(mpc / clean_ap)), groups },
        clean,
        cells,
        worst_class,
        worst_corruption,
        pr_curve: pr_curve.collect(),
        calibration: Calibration { d_ece: Some(0.061 + 0.02 * which as f64), bins: bins.collect() },
        confusion: confusion(which),
        against_base: (which > 0).then(|| comparison(which)),
        samples: if which == 2 { vec![] } else { samples() },
    }
}

/// The study.
pub(super) fn study() -> Study {
    let support =
        |(name, instances): &(&str, usize)| ClassSupport { name: (*name).to_owned(), instances: *instances };
    let benchmark = Corruption::ALL.iter().filter(|corruption| corruption.is_benchmark());
    Study {
        format: FORMAT,
        roadproof_version: "0.1.0".into(),
        created: "2026-03-01T12:00:00Z".into(),
        dataset: DatasetSummary {
            name: "street-128".into(),
            images: 128,
            instances: CLASSES.iter().map(|(_, instances)| instances).sum(),
            classes: CLASSES.iter().map(support).collect(),
            unmapped: vec![ClassSupport { name: "scooter <e>".into(), instances: 17 }],
        },
        settings: Settings {
            corruptions: benchmark.map(|corruption| corruption.name().to_owned()).collect(),
            severities: SEVERITIES.to_vec(),
            seed: 7,
            score: 0.05,
            min_support: 10,
            bootstrap: 1000,
        },
        variants: (0..3).map(variant).collect(),
        monitor: None,
    }
}

/// Writes what the tests outside the crate read; run it when the layout changes:
/// `cargo test --no-default-features --lib -- --ignored write_the_fixture`.
#[test]
#[ignore = "writes tests/report/study.json"]
fn write_the_fixture() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/study.json");
    std::fs::write(path, serde_json::to_string(&study()).unwrap() + "\n").unwrap();
}
