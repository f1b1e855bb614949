//! What must hold in every profile; the errors say where, what was expected and what was found.

use std::ops::RangeInclusive;

use crate::corruption::{Corruption, Severity};
use crate::health::change::ChangeBaseline;
use crate::health::quality::QualityMeans;
use crate::health::{MAX_WINDOW_S, MIN_WINDOW_S, SCORE_BINS};

use super::{AlarmSettings, CameraProfile, ClassAlarms, ClassProfile, Profile, ResponseCurve, ResponsePoint};

const SHARE: RangeInclusive<f64> = 0.0..=1.0;
const GREY: RangeInclusive<f64> = 0.0..=255.0;
const NOT_NEGATIVE: RangeInclusive<f64> = 0.0..=f64::MAX;

type Checked = Result<(), String>;

impl Profile {
    /// Checks every range and every list's length.
    pub(super) fn check(&self) -> Checked {
        let hash = &self.model.sha256;
        let is_hash = hash.len() == 64 && hash.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        holds(is_hash, "model.sha256", "64 lower-case hexadecimal digits", &format!("'{hash}'"))?;
        holds(self.source.frames > 0, "source.frames", "at least 1", "0")?;
        within("source.low_score", f64::from(self.source.low_score), &(f64::from(f32::MIN_POSITIVE)..=1.0))?;
        within("source.nms_iou", f64::from(self.source.nms_iou), &SHARE)?;
        self.camera.check()?;
        holds(!self.classes.is_empty(), "classes", "at least 1 class", "none")?;
        for (id, class) in self.classes.iter().enumerate() {
            class.check(&format!("classes[{id}]"), self.classes.len())?;
        }
        for (i, curve) in self.curves.iter().enumerate() {
            let at = format!("curves[{i}]");
            curve.check(&at, self.classes.len())?;
            let is_new = self.curves.iter().take(i).all(|other| other.corruption != curve.corruption);
            holds(
                is_new,
                &format!("{at}.corruption"),
                "each corruption once",
                &format!("'{}' again", curve.corruption),
            )?;
        }
        self.estimator.as_ref().map_or(Ok(()), |estimator| estimator.check(self.classes.len()))?;
        self.alarms.check()
    }
}

impl CameraProfile {
    fn check(&self) -> Checked {
        quality("camera.quality", &self.quality)?;
        deviation("camera.quality_deviation", &self.quality_deviation)?;
        agreement("camera.agreement", self.agreement)?;
        optional("camera.map", self.map, &SHARE)
    }
}

impl ClassProfile {
    fn check(&self, at: &str, classes: usize) -> Checked {
        holds(!self.name.is_empty(), &format!("{at}.name"), "a name", "an empty text")?;
        length(&format!("{at}.score_histogram"), self.score_histogram.len(), SCORE_BINS)?;
        for (name, moments) in [
            ("detections_per_frame", self.detections_per_frame),
            ("published_per_frame", self.published_per_frame),
            ("score_sum_per_frame", self.score_sum_per_frame),
        ] {
            all(&format!("{at}.{name}"), &moments, &NOT_NEGATIVE)?;
        }
        within(&format!("{at}.frames_share"), self.frames_share, &SHARE)?;
        if let Some(map) = &self.precision_by_score {
            let at = format!("{at}.precision_by_score");
            length(&at, map.len(), SCORE_BINS)?;
            all(&at, map, &SHARE)?;
            for (bin, (lower, upper)) in map.iter().zip(map.iter().skip(1)).enumerate() {
                let expected =
                    format!("at least {lower}, the value before it (precision never falls with the score)");
                holds(upper >= lower, &format!("{at}[{}]", bin + 1), &expected, &upper.to_string())?;
            }
        }
        optional(&format!("{at}.atc_score"), self.atc_score, &SHARE)?;
        optional(&format!("{at}.track_match_rate"), self.track_match_rate, &SHARE)?;
        optional(&format!("{at}.ap"), self.ap, &SHARE)?;
        length(&format!("{at}.co_occurrence"), self.co_occurrence.len(), classes)?;
        all(&format!("{at}.co_occurrence"), &self.co_occurrence, &SHARE)?;
        self.alarms.as_ref().map_or(Ok(()), |alarms| alarms.check(&format!("{at}.alarms")))
    }
}

impl ClassAlarms {
    fn check(&self, at: &str) -> Checked {
        within(&format!("{at}.change"), self.change, &(f64::MIN..=f64::MAX))?;
        within(&format!("{at}.psi"), self.psi, &NOT_NEGATIVE)?;
        within(&format!("{at}.wasserstein"), self.wasserstein, &NOT_NEGATIVE)?;
        optional(&format!("{at}.track_match_rate"), self.track_match_rate, &SHARE)?;
        for signal in self.baseline.iter().flat_map(ChangeBaseline::signals).flatten() {
            let is_positive = f64::MIN_POSITIVE..=f64::MAX;
            within(&format!("{at}.baseline: cap"), signal.cap, &is_positive)?;
            // At 1 a bet would divide by zero.
            within(&format!("{at}.baseline: floor"), signal.floor, &(1e-3..=0.995))?;
        }
        Ok(())
    }
}

impl ResponseCurve {
    fn check(&self, at: &str, classes: usize) -> Checked {
        let is_known = self.corruption.parse::<Corruption>().is_ok();
        let found = format!("'{}'", self.corruption);
        holds(
            is_known,
            &format!("{at}.corruption"),
            "the name of a corruption (`roadproof corrupt --help`)",
            &found,
        )?;
        holds(!self.points.is_empty(), &format!("{at}.points"), "at least the clean point", "none")?;
        let mut before: Option<f64> = None;
        for (i, point) in self.points.iter().enumerate() {
            let at = format!("{at}.points[{i}]");
            let severity = point.severity;
            within(&format!("{at}.severity"), severity, &(0.0..=Severity::MAX.value()))?;
            let (fits, expected) = match before {
                None => (severity <= 0.0, "0, the clean images".to_owned()),
                Some(before) => (severity > before, format!("more than {before}, the one before it")),
            };
            holds(fits, &format!("{at}.severity"), &expected, &severity.to_string())?;
            before = Some(severity);
            point.check(&at, classes)?;
        }
        Ok(())
    }
}

impl ResponsePoint {
    fn check(&self, at: &str, classes: usize) -> Checked {
        quality(&format!("{at}.quality"), &self.quality)?;
        agreement(&format!("{at}.agreement"), self.agreement)?;
        within(&format!("{at}.map"), self.map, &SHARE)?;
        for (name, values) in [
            ("class_ap", &self.class_ap),
            ("class_recall", &self.class_recall),
            ("class_retention", &self.class_retention),
        ] {
            length(&format!("{at}.{name}"), values.len(), classes)?;
            for (id, value) in values.iter().enumerate() {
                optional(&format!("{at}.{name}[{id}]"), *value, &SHARE)?;
            }
        }
        Ok(())
    }
}

impl AlarmSettings {
    fn check(&self) -> Checked {
        let positive = f64::MIN_POSITIVE..=f64::MAX;
        within("alarms.false_alarms_per_10h", self.false_alarms_per_10h, &positive)?;
        within("alarms.frame_rate_hz", self.frame_rate_hz, &positive)?;
        let window = f64::from(MIN_WINDOW_S)..=f64::from(MAX_WINDOW_S);
        within("alarms.window_s", f64::from(self.window_s), &window)
    }
}

fn quality(at: &str, means: &QualityMeans) -> Checked {
    for (name, value, range) in [
        ("noise", means.noise, NOT_NEGATIVE),
        ("sharpness", means.sharpness, NOT_NEGATIVE),
        ("brightness", means.brightness, GREY),
        ("contrast", means.contrast, GREY),
        ("dark_share", means.dark_share, SHARE),
        ("bright_share", means.bright_share, SHARE),
        ("blockiness", means.blockiness, NOT_NEGATIVE),
        ("flat_share", means.flat_share, SHARE),
        ("saturation", means.saturation, SHARE),
    ] {
        within(&format!("{at}.{name}"), value, &range)?;
    }
    Ok(())
}

fn deviation(at: &str, of: &QualityMeans) -> Checked {
    let values = [
        of.noise,
        of.sharpness,
        of.brightness,
        of.contrast,
        of.dark_share,
        of.bright_share,
        of.blockiness,
        of.flat_share,
        of.saturation,
    ];
    holds(
        values.iter().all(|value| NOT_NEGATIVE.contains(value)),
        at,
        "finite numbers from 0",
        &format!("{values:?}"),
    )
}

/// NaN stands for unknown.
fn agreement(at: &str, values: [f64; 2]) -> Checked {
    for (i, value) in values.into_iter().enumerate() {
        optional(&format!("{at}[{i}]"), (!value.is_nan()).then_some(value), &SHARE)?;
    }
    Ok(())
}

fn holds(condition: bool, at: &str, expected: &str, found: &str) -> Checked {
    if condition { Ok(()) } else { Err(format!("`{at}`: expected {expected}, found {found}")) }
}

fn length(at: &str, found: usize, expected: usize) -> Checked {
    holds(found == expected, at, &format!("{expected} entries"), &found.to_string())
}

fn within(at: &str, value: f64, range: &RangeInclusive<f64>) -> Checked {
    // Also false for NaN.
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = (*range.start(), *range.end());
    let expected = match (low <= f64::MIN, low > 0.0 && low < 1e-30, high >= f64::MAX) {
        (true, _, true) => "a finite number".to_owned(),
        (_, true, true) => "a finite number above 0".to_owned(),
        (_, _, true) => format!("a finite number from {low}"),
        (_, true, _) => format!("a number above 0 up to {high}"),
        _ => format!("a number from {low} to {high}"),
    };
    holds(false, at, &expected, &value.to_string())
}

fn optional(at: &str, value: Option<f64>, range: &RangeInclusive<f64>) -> Checked {
    value.map_or(Ok(()), |value| within(at, value, range))
}

fn all(at: &str, values: &[f64], range: &RangeInclusive<f64>) -> Checked {
    values.iter().enumerate().try_for_each(|(i, value)| within(&format!("{at}[{i}]"), *value, range))
}
