use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::detector::manifest::DecoderKind;
use crate::detector::{ModelInfo, Provider, Thresholds};
use crate::health::{QualityMeans, SCORE_BINS};

const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn quality() -> QualityMeans {
    QualityMeans {
        noise: 2.5,
        sharpness: 0.4,
        brightness: 101.0,
        contrast: 50.0,
        dark_share: 0.01,
        bright_share: 0.02,
        blockiness: 1.0,
        flat_share: 0.1,
        saturation: 0.3,
    }
}

fn point(severity: f64) -> ResponsePoint {
    ResponsePoint {
        severity,
        quality: quality(),
        agreement: [f64::NAN, 0.25],
        map: 0.3,
        class_ap: vec![Some(0.3), None],
        class_recall: vec![Some(0.5), None],
        class_retention: vec![Some(1.0), None],
    }
}

fn class(name: &str) -> ClassProfile {
    let mut score_histogram = vec![0; SCORE_BINS];
    score_histogram[50] = 7;
    ClassProfile {
        name: name.to_owned(),
        score_histogram,
        detections_per_frame: [0.7, 0.1],
        published_per_frame: [0.7, 0.1],
        score_sum_per_frame: [0.35, 0.1],
        frames_share: 0.7,
        precision_by_score: Some((0..SCORE_BINS).map(|bin| bin as f64 / 100.0).collect()),
        atc_score: Some(0.4),
        track_match_rate: None,
        ap: Some(0.3),
        instances: 9,
        co_occurrence: vec![1.0, 0.5],
        alarms: Some(ClassAlarms {
            change: 5.5,
            psi: 0.2,
            wasserstein: 0.1,
            track_match_rate: Some(0.5),
            baseline: None,
        }),
    }
}

pub(crate) fn profile() -> Profile {
    Profile {
        version: PROFILE_VERSION,
        roadproof_version: "0.1.0".into(),
        model: ProfiledModel { name: "nano".into(), sha256: HASH.into() },
        source: ProfileSource {
            name: "drive".into(),
            frames: 10,
            is_labelled: true,
            is_stream: false,
            low_score: 0.1,
            nms_iou: 0.6,
        },
        camera: CameraProfile {
            quality: quality(),
            quality_deviation: quality(),
            agreement: [0.8, 0.5],
            map: Some(0.3),
        },
        classes: vec![class("car"), class("dog")],
        curves: vec![ResponseCurve { corruption: "fog".into(), points: vec![point(0.0), point(2.5)] }],
        estimator: None,
        alarms: AlarmSettings { false_alarms_per_10h: 1.0, frame_rate_hz: 10.0, window_s: 30 },
        sha256: String::new(),
    }
}

fn read(json: &[u8]) -> Result<Profile, ProfileError> {
    Profile::from_json(json, Path::new("p.json"))
}

/// The profile's JSON with one value replaced, found by its JSON pointer.
fn changed(pointer: &str, value: Value) -> String {
    let mut json: Value = serde_json::from_slice(&profile().to_json().unwrap()).unwrap();
    *json.pointer_mut(pointer).unwrap() = value;
    read(json.to_string().as_bytes()).unwrap_err().to_string()
}

#[test]
fn what_is_saved_is_loaded_again_with_the_hash_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("profile.json");
    profile().save(&path).unwrap();
    let loaded = Profile::load(&path).unwrap();
    assert_eq!(loaded.to_json().unwrap(), std::fs::read(&path).unwrap());
    assert!(loaded.curves[0].points[0].agreement[0].is_nan());
    assert_eq!(loaded.classes, profile().classes);
    assert_eq!(loaded.sha256.len(), 64);
    let json = std::fs::read(&path).unwrap();
    let other = [json.as_slice(), b"\n"].concat();
    assert_ne!(read(&other).unwrap().sha256, loaded.sha256);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing partial is left behind");
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("profile.json");
    let mut broken = profile();
    broken.classes[1].frames_share = f64::NAN;
    let error = broken.save(&path).unwrap_err().to_string();
    assert!(error.contains("classes[1].frames_share") && error.contains("found NaN"), "{error}");
    assert!(!path.exists());
}

#[test]
fn the_version_is_checked_before_anything_else() {
    let error = read(br#"{"version": 7, "future": []}"#).unwrap_err();
    assert!(matches!(error, ProfileError::Version { found: 7, expected: PROFILE_VERSION, .. }), "{error}");
    for (json, expected) in [
        (r#"{"model": 1}"#, "`version`"),
        (r#"{"version": "1"}"#, "`version`"),
        (r#"{"version": -1}"#, "`version`"),
        ("", "expected JSON"),
        ("[1", "expected JSON"),
    ] {
        let error = read(json.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("p.json"), "{json}: {error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Profile::load(Path::new("no/profile.json")).unwrap_err();
    assert!(matches!(error, ProfileError::Read { .. }) && error.to_string().contains("no/profile.json"));
}

#[test]
fn a_truncated_profile_is_refused_wherever_it_ends() {
    let json = profile().to_json().unwrap();
    for end in (0..json.len() - 2).step_by(37) {
        assert!(matches!(read(&json[..end]), Err(ProfileError::Malformed { .. })), "cut at {end}");
    }
}

#[test]
fn values_out_of_range_are_named_with_what_was_expected() {
    let list = |value: f64, length: usize| Value::from(vec![value; length]);
    let mut falling = vec![0.5; SCORE_BINS];
    falling[60] = 0.4;
    for (pointer, value, expected) in [
        ("/model/sha256", Value::from("abc"), "`model.sha256`: expected 64"),
        ("/source/frames", 0.into(), "`source.frames`: expected at least 1"),
        ("/source/low_score", 0.0.into(), "`source.low_score`"),
        ("/source/low_score", 1e300.into(), "number out of range"),
        ("/source/nms_iou", 1.5.into(), "`source.nms_iou`: expected a number from 0 to 1, found 1.5"),
        (
            "/camera/quality/brightness",
            300.into(),
            "`camera.quality.brightness`: expected a number from 0 to 255",
        ),
        ("/camera/quality_deviation/noise", (-1).into(), "`camera.quality_deviation`"),
        ("/camera/agreement", list(1.5, 2), "`camera.agreement[0]`"),
        ("/classes/1/score_histogram", list(1.0, 3), "invalid type"),
        (
            "/classes/1/score_histogram",
            Value::from(vec![1; 99]),
            "`classes[1].score_histogram`: expected 100 entries, found 99",
        ),
        ("/classes/0/detections_per_frame/1", (-0.5).into(), "`classes[0].detections_per_frame[1]`"),
        ("/classes/0/precision_by_score", list(0.5, 101), "`classes[0].precision_by_score`: expected 100"),
        (
            "/classes/0/precision_by_score",
            falling.into(),
            "`classes[0].precision_by_score[60]`: expected at least 0.5",
        ),
        ("/classes/0/co_occurrence", list(0.5, 1), "`classes[0].co_occurrence`: expected 2 entries, found 1"),
        ("/classes/0/alarms/psi", (-1).into(), "`classes[0].alarms.psi`"),
        ("/classes", Value::Array(Vec::new()), "`classes`"),
        (
            "/curves/0/corruption",
            "rain of frogs".into(),
            "`curves[0].corruption`: expected the name of a corruption",
        ),
        ("/curves/0/points/0/severity", 1.into(), "`curves[0].points[0].severity`: expected 0"),
        ("/curves/0/points/1/severity", 0.into(), "`curves[0].points[1].severity`: expected more than 0"),
        (
            "/curves/0/points/1/severity",
            6.into(),
            "`curves[0].points[1].severity`: expected a number from 0 to 5",
        ),
        (
            "/curves/0/points/1/class_ap",
            Value::Array(Vec::new()),
            "`curves[0].points[1].class_ap`: expected 2",
        ),
        ("/curves/0/points/1/class_recall/0", 2.into(), "`curves[0].points[1].class_recall[0]`"),
        (
            "/alarms/false_alarms_per_10h",
            0.into(),
            "`alarms.false_alarms_per_10h`: expected a finite number above 0",
        ),
        ("/alarms/window_s", 1.into(), "`alarms.window_s`: expected a number from 2 to 600, found 1"),
    ] {
        let error = changed(pointer, value);
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn unknown_fields_and_doubled_curves_are_refused() {
    let mut json: Value = serde_json::from_slice(&profile().to_json().unwrap()).unwrap();
    json["camera"]["colour"] = 1.into();
    assert!(read(json.to_string().as_bytes()).unwrap_err().to_string().contains("`colour`"));
    let mut twice = profile();
    twice.curves.push(twice.curves[0].clone());
    assert!(twice.to_json().unwrap_err().to_string().contains("'fog' again"));
}

fn model() -> ModelInfo {
    ModelInfo {
        name: "nano".into(),
        path: PathBuf::new(),
        sha256: HASH.into(),
        provider: Provider::Cpu,
        gpu: None,
        input_width: 416,
        input_height: 416,
        class_names: vec!["car".into(), "dog".into()],
        decoder: DecoderKind::Nanodet,
        runtime_version: String::new(),
        runtime_library: PathBuf::new(),
        placement: None,
        engine: None,
        warnings: Vec::new(),
    }
}

fn thresholds() -> Thresholds {
    Thresholds { low_score: 0.1, ..crate::health::testing::thresholds() }
}

#[test]
fn a_profile_fits_its_own_model_only() {
    profile().check_fits(&model(), &thresholds()).unwrap();
    let refused = |model: &ModelInfo, thresholds: &Thresholds| {
        profile().check_fits(model, thresholds).unwrap_err().to_string()
    };
    let other = ModelInfo { name: "twin".into(), sha256: "ff".repeat(32), ..model() };
    let error = refused(&other, &thresholds());
    for part in ["nano", HASH, "twin", &other.sha256] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let renamed = ModelInfo { class_names: vec!["car".into(), "cat".into()], ..model() };
    let error = refused(&renamed, &thresholds());
    assert!(error.contains("class 1") && error.contains("'dog'") && error.contains("'cat'"), "{error}");
    let fewer = ModelInfo { class_names: vec!["car".into()], ..model() };
    assert!(refused(&fewer, &thresholds()).contains("the profile has 2"));
    let error = refused(&model(), &Thresholds { low_score: 0.05, ..thresholds() });
    assert!(error.contains("low_score 0.1") && error.contains("0.05"), "{error}");
    assert!(refused(&model(), &Thresholds { nms_iou: f32::NAN, ..thresholds() }).contains("nms_iou"));
}

/// All places of a JSON value, as pointers.
fn places(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), out));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| places(value, &format!("{at}/{i}"), out));
        }
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        (0.0..1.0).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        prop::collection::vec(0.0..2.0, 0..4).prop_map(Value::from),
        Just(Value::Object(serde_json::Map::new())),
    ]
}

proptest! {
    #[test]
    fn a_changed_value_gives_an_error_or_a_valid_profile(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any_value()), 1..4),
    ) {
        let mut json: Value = serde_json::from_slice(&profile().to_json().unwrap()).unwrap();
        for (index, value) in changes {
            let mut all = Vec::new();
            places(&json, "", &mut all);
            *json.pointer_mut(&all[index.index(all.len())]).unwrap() = value;
        }
        if let Ok(loaded) = read(json.to_string().as_bytes()) {
            let again = read(&loaded.to_json().unwrap()).unwrap();
            prop_assert_eq!(again.to_json().unwrap(), loaded.to_json().unwrap());
        }
    }

    #[test]
    fn changed_bytes_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut json = profile().to_json().unwrap();
        for (index, byte) in changes {
            let place = index.index(json.len());
            json[place] = byte;
        }
        if let Ok(loaded) = read(&json) {
            prop_assert!(loaded.to_json().is_ok());
        }
    }
}

#[test]
fn bets_that_divide_by_zero_and_estimators_of_other_features_are_refused() {
    let signal = serde_json::json!({"cap": 1.0, "floor": 1.0, "block_s": 0});
    let baseline = serde_json::json!({"presence": signal, "score_sum": null, "score_mean": null});
    let error = changed("/classes/0/alarms/baseline", baseline);
    assert!(error.contains("classes[0].alarms.baseline: floor"), "{error}");

    let regression = serde_json::json!({"means": [], "deviations": [], "lows": [], "highs": [], "weights": [],
        "intervals": [], "left_out_error": 0.0});
    let classes = serde_json::json!({"response": [1.0], "evidence": [0.0, 0.0, 0.0], "intervals": [],
        "left_out_error": 0.0});
    let estimator = serde_json::json!({"detections": regression, "with_image": null, "classes": classes,
        "comparisons": []});
    let error = changed("/estimator", estimator);
    assert!(error.contains("estimator.detections"), "{error}");
}
