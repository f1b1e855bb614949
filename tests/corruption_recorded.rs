//! The corruptions against what was recorded of the reference, `imagecorruptions` 1.1.2, on a small picture.
//!
//! `tests/corruption/record.py` made the records; `tests/corruption/test_fidelity.py` compares with the reference itself.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program from end to end")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use roadproof::corruption::{
    Corruption, Corruptor, CorruptorOptions, FrameKey, Group, Picture, Severity, Step,
};
use roadproof::image::{CompressedDecoder, DecodeLimits};
use serde::Deserialize;

/// Rows of deterministic.png.
const DETERMINISTIC: [&str; 8] = [
    "defocus_blur",
    "zoom_blur",
    "gaussian_blur",
    "brightness",
    "contrast",
    "saturate",
    "pixelate",
    "jpeg_compression",
];

const TILE: [u32; 2] = [64, 48];

/// Lags, in pixels, of the mean squared differences.
const LAGS: [usize; 5] = [1, 2, 4, 8, 16];

#[derive(Deserialize)]
struct Recorded {
    seeds: u64,
    statistics: BTreeMap<String, Vec<Level>>,
}

#[derive(Deserialize)]
struct Level {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corruption/recorded")
}

fn read(name: &str) -> Picture {
    let data = std::fs::read(folder().join(name)).unwrap();
    let mut decoder = CompressedDecoder::new(DecodeLimits::default());
    let mut picture = Picture::default();
    picture.assign(&decoder.decode("", &data).unwrap()).unwrap();
    picture
}

/// A tile of TILE pixels of a picture.
fn tile(of: &Picture, column: u32, row: u32) -> Picture {
    let [width, height] = TILE;
    let stride = of.width() as usize * 3;
    let rows = (row * height..(row + 1) * height).flat_map(|y| {
        let start = y as usize * stride + (column * width) as usize * 3;
        of.data()[start..start + width as usize * 3].iter().copied()
    });
    Picture::from_rgb(width, height, rows.collect()).unwrap()
}

fn corrupted(of: &Picture, name: &str, level: u32, seed: u64) -> Picture {
    let step = Step {
        corruption: name.parse::<Corruption>().unwrap(),
        severity: Severity::new(f64::from(level)).unwrap(),
    };
    let mut picture = of.clone();
    let mut corruptor = Corruptor::new(CorruptorOptions { seed, ..CorruptorOptions::default() });
    let _ = corruptor.corrupt(&mut picture, &[step], FrameKey { camera: 0, index: 0, stamp_ns: 0 }).unwrap();
    picture
}

#[test]
fn deterministic_corruptions_are_the_recorded_ones_to_a_grey_level() {
    let clean = tile(&read("scene.png"), 0, 0);
    let sheet = read("deterministic.png");
    for (row, name) in (0..).zip(DETERMINISTIC) {
        for level in 1..=5 {
            let expected = tile(&sheet, level - 1, row);
            let found = corrupted(&clean, name, level, 0);
            let differences = || found.data().iter().zip(expected.data()).map(|(a, b)| a.abs_diff(*b));
            let count = expected.data().len() as f64;
            let mean = differences().map(f64::from).sum::<f64>() / count;
            let near = differences().filter(|d| *d <= 3).count() as f64 / count;
            assert!(mean <= 1.0 && near >= 0.999, "{name}:{level}: mean {mean}, {near} within 3");
            assert!(expected != clean, "{name}:{level} does something");
        }
    }
}

/// Mean, standard deviation and deciles of the grey, and mean squared differences over LAGS along both axes.
fn statistics(picture: &Picture) -> Vec<f64> {
    let width = picture.width() as usize;
    let grey: Vec<f64> = picture
        .data()
        .as_chunks::<3>()
        .0
        .iter()
        .map(|p| p.iter().map(|v| f64::from(*v)).sum::<f64>() / 3.0)
        .collect();
    let count = grey.len() as f64;
    let mean = grey.iter().sum::<f64>() / count;
    let variance = grey.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count;
    let mut sorted = grey.clone();
    sorted.sort_by(f64::total_cmp);
    let mut found = vec![mean, variance.sqrt()];
    found.extend((1..10).map(|i| sorted[grey.len() * i / 10]));
    for lag in LAGS {
        let squared = |pairs: &mut dyn Iterator<Item = (f64, f64)>| {
            let (sum, count) =
                pairs.fold((0.0, 0.0), |(sum, count), (a, b)| (sum + (a - b).powi(2), count + 1.0));
            sum / count
        };
        let down = squared(&mut grey.iter().copied().zip(grey[lag * width..].iter().copied()));
        let rows = grey.chunks(width);
        let along = squared(&mut rows.flat_map(|row| row.iter().copied().zip(row[lag..].iter().copied())));
        found.push(f64::midpoint(down, along));
    }
    found
}

/// By how much the means over seeds may differ: four times the standard error of their difference, as the reference's own
/// seeds spread, and a little for what hardly varies: half a grey level, or 4 % of a squared difference.
fn tolerance(level: &Level, statistic: usize, seeds: u64) -> f64 {
    let error = level.deviation[statistic] * (2.0 / seeds as f64).sqrt();
    let little = if statistic < 11 { 0.5 } else { 0.04 * level.mean[statistic] };
    4.0 * error + little
}

#[test]
fn random_corruptions_have_the_recorded_statistics() {
    let recorded: Recorded =
        serde_json::from_str(&std::fs::read_to_string(folder().join("statistics.json")).unwrap()).unwrap();
    let clean = read("scene.png");
    assert_eq!(recorded.statistics.len(), 11);
    let mut unlike = Vec::new();
    for (name, levels) in &recorded.statistics {
        for (number, level) in (1..).zip(levels) {
            let samples: Vec<Vec<f64>> =
                (0..recorded.seeds).map(|seed| statistics(&corrupted(&clean, name, number, seed))).collect();
            for (i, expected) in level.mean.iter().enumerate() {
                let found = samples.iter().map(|sample| sample[i]).sum::<f64>() / samples.len() as f64;
                let tolerance = tolerance(level, i, recorded.seeds);
                if (found - expected).abs() > tolerance {
                    unlike.push(format!(
                        "{name}:{number} statistic {i}: {found:.2}, {expected:.2} ± {tolerance:.2}"
                    ));
                }
            }
        }
    }
    assert!(unlike.is_empty(), "{}", unlike.join("\n"));
}

#[test]
fn the_tolerance_tells_levels_apart() {
    let recorded: Recorded =
        serde_json::from_str(&std::fs::read_to_string(folder().join("statistics.json")).unwrap()).unwrap();
    for (name, levels) in &recorded.statistics {
        for (level, other) in [(1, 3), (3, 5), (1, 5)] {
            // Fog and frost differ from seed to seed more than between the nearer of these.
            if (other, level) != (5, 1) && ["fog", "frost"].contains(&name.as_str()) {
                continue;
            }
            let (level, other) = (&levels[level - 1], &levels[other - 1]);
            let differs =
                |i: usize| (level.mean[i] - other.mean[i]).abs() > tolerance(level, i, recorded.seeds);
            assert!((0..16).any(differs), "{name}");
        }
    }
}

/// Mean change of a value by a corruption, over a few seeds.
fn change(clean: &Picture, corruption: Corruption, severity: f64) -> f64 {
    let seeds = 6;
    let steps = [Step { corruption, severity: Severity::new(severity).unwrap() }];
    let sum: u64 = (0..seeds)
        .map(|seed| {
            let mut picture = clean.clone();
            let mut corruptor = Corruptor::new(CorruptorOptions { seed, ..CorruptorOptions::default() });
            let _ = corruptor
                .corrupt(&mut picture, &steps, FrameKey { camera: 0, index: 0, stamp_ns: 0 })
                .unwrap();
            picture.data().iter().zip(clean.data()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>()
        })
        .sum();
    sum as f64 / (clean.data().len() as u64 * seeds) as f64
}

/// Where the published levels themselves step back: saturate from draining colour (2) to exaggerating it (3), glass from three
/// passes (3) to two (4), frost to a darker picture under the same ice (4).
const STEPS_BACK: [(Corruption, u32); 3] =
    [(Corruption::Saturate, 2), (Corruption::GlassBlur, 3), (Corruption::Frost, 3)];

#[test]
fn the_effect_grows_with_severity_and_between_levels_goes_one_way() {
    let clean = read("scene.png");
    let mut wrong = Vec::new();
    for corruption in Corruption::ALL.iter().filter(|c| c.group() != Group::Stream) {
        for level in 0..5 {
            let quarters = (0..=4).map(|quarter| f64::from(level) + f64::from(quarter) / 4.0);
            let changes: Vec<f64> = quarters.map(|severity| change(&clean, *corruption, severity)).collect();
            let grows = changes[4] >= changes[0];
            // What six seeds leave open.
            let tolerance = |change: f64| 0.03 * change + 0.1;
            let back = |pair: &[f64]| {
                let gone = if grows { pair[0] - pair[1] } else { pair[1] - pair[0] };
                gone > tolerance(pair[0])
            };
            let steps_back = changes[0] - changes[4] > tolerance(changes[0]);
            if changes.windows(2).any(back) || steps_back && !STEPS_BACK.contains(&(*corruption, level)) {
                wrong.push(format!("{corruption} from {level}: {changes:.2?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
