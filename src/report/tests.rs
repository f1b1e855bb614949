use std::path::Path;

use super::fixture::{self, HOSTILE};
use super::*;

fn page() -> String {
    html(&fixture::study(), &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report")).unwrap()
}

#[test]
fn every_section_is_there_in_the_order_of_a_decision() {
    let page = page();
    let ids =
        ["summary", "corruptions", "classes", "cost", "trade", "curves", "confusion", "samples", "method"];
    let places: Vec<_> = ids.iter().map(|id| page.find(&format!("<section id=\"{id}\"")).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn names_from_the_data_are_text_and_nothing_else() {
    let page = page();
    assert!(!page.contains(HOSTILE) && !page.contains("<script>alert"), "a name became markup");
    assert!(page.contains("&#60;script&#62;alert(&#34;sign&#34;)"), "the name is gone");
    assert_eq!(page.matches("<script").count(), 1, "our own script only");
    assert!(!page.contains("<gone>") && !page.contains("scooter <e>"));
}

#[test]
fn the_page_needs_nothing_beside_it() {
    let page = page();
    for outside in ["http://", "https://", "url(", "@import", "<link rel=\"stylesheet", " src=\"/"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 4);
    assert_eq!(page.matches("the image file is not there").count(), 2);
}

#[test]
fn the_worst_class_comes_first_and_those_without_support_apart() {
    let page = page();
    let classes =
        &page[page.find("<section id=\"classes\"").unwrap()..page.find("<section id=\"cost\"").unwrap()];
    let study = fixture::study();
    let worst = &study.variants[0].worst_class.as_ref().unwrap().name;
    let first = classes.split("<tbody>").nth(1).unwrap();
    let first = first.split("<th scope=\"row\">").nth(1).unwrap();
    assert!(first.starts_with(&askama_escaped(worst)), "{worst}: {}", &first[..60]);
    let few = classes.split("Too few instances to judge").nth(1).unwrap();
    assert!(few.contains("parking meter") && few.contains("bird"));
    assert!(classes.contains("nothing is known about them: horse, sheep."));
}

fn askama_escaped(text: &str) -> String {
    text.replace('&', "&#38;")
        .replace('<', "&#60;")
        .replace('>', "&#62;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
}

#[test]
fn a_study_of_nothing_says_so_everywhere() {
    let mut study = fixture::study();
    study.variants.truncate(1);
    study.dataset.classes.iter_mut().for_each(|class| class.instances = 0);
    study.settings.corruptions.clear();
    study.settings.severities.clear();
    let variant = &mut study.variants[0];
    variant.clean.ap = None;
    variant.clean.ap_interval = None;
    variant.clean.classes.iter_mut().for_each(|class| (class.ap, class.interval) = (None, None));
    variant.cells.clear();
    (variant.robustness.mpc, variant.robustness.rpc) = (None, None);
    variant.robustness.groups.clear();
    (variant.worst_class, variant.worst_corruption) = (None, None);
    variant.pr_curve.clear();
    variant.calibration.bins.clear();
    variant.calibration.d_ece = None;
    variant.confusion.classes.clear();
    variant.confusion.counts = vec![vec![0]];
    variant.samples.clear();
    let page = html(&study, Path::new(".")).unwrap();
    for reason in [
        "no class has instances",
        "nothing was corrupted",
        "no class has 10 instances",
        "No variant has an AP",
        "No variant in this study names another one as its base",
        "No class was taken for another",
        "The study has no images of this variant",
        "No detections, so nothing can be said",
    ] {
        assert!(page.contains(reason), "{reason}");
    }
    assert!(!page.contains("NaN"));
}

fn refused(change: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut value = serde_json::to_value(fixture::study()).unwrap();
    change(&mut value);
    parse(value.to_string().as_bytes(), Path::new("a/report.json")).unwrap_err().to_string()
}

#[test]
fn what_is_no_study_is_refused_and_said() {
    let whole = serde_json::to_vec(&fixture::study()).unwrap();
    assert_eq!(parse(&whole, Path::new("report.json")).unwrap(), fixture::study());
    let cut = parse(&whole[..whole.len() / 2], Path::new("report.json")).unwrap_err().to_string();
    assert!(cut.contains("report.json") && cut.contains("line 1"), "{cut}");

    let message = refused(|value| value["format"] = 2.into());
    assert!(message.contains("must be 1, found 2") && message.contains("newer"), "{message}");
    let message = refused(|value| drop(value.as_object_mut().unwrap().remove("format")));
    assert!(message.contains("found none"), "{message}");
    let message = refused(|value| value["dataset"]["colour"] = "blue".into());
    assert!(message.contains("unknown field `colour`") && message.contains("line"), "{message}");
    let message = refused(|value| drop(value["settings"].as_object_mut().unwrap().remove("seed")));
    assert!(message.contains("missing field `seed`"), "{message}");
    let message = refused(|value| value["variants"] = serde_json::json!([]));
    assert!(message.contains("variants is empty"), "{message}");
    let message = refused(|value| value["variants"][1]["base"] = "nothing".into());
    assert!(message.contains("'street-int8'") && message.contains("'nothing'"), "{message}");
    let message = refused(|value| value["variants"][1]["name"] = "street-fp32".into());
    assert!(message.contains("two variants"), "{message}");
    let message = refused(|value| value["variants"][0]["clean"]["ap"] = 41.2.into());
    assert!(message.contains("between 0 and 1, found 41.2"), "{message}");
    let message =
        refused(|value| drop(value["variants"][0]["confusion"]["counts"][0].as_array_mut().unwrap().pop()));
    assert!(message.contains("19 × 19"), "{message}");
    let message = refused(|value| value["variants"][0]["cells"][3]["corruption"] = "smoke".into());
    assert!(message.contains("smoke at severity 1"), "{message}");
    assert!(parse(b"\xff\x00", Path::new("x")).is_err() && parse(b"[]", Path::new("x")).is_err());
}

#[test]
fn the_schema_describes_what_is_written() {
    let schema = include_str!("../../docs/report.schema.json");
    let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = serde_json::to_value(fixture::study()).unwrap();
    let problems: Vec<_> =
        validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    for (path, wrong) in
        [("/format", 2.into()), ("/settings/seed", (-1).into()), ("/variants/0/clean/ap", 41.2.into())]
    {
        let mut value = value.clone();
        *value.pointer_mut(path).unwrap() = wrong;
        assert!(!validator.is_valid(&value), "{path}");
    }
    let mut extra = value;
    extra["variants"][0]["latency"]["p75_ms"] = 3.into();
    assert!(!validator.is_valid(&extra), "unknown keys are refused as the program does");
}

#[test]
fn the_fixture_of_the_other_tests_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/study.json");
    assert_eq!(load(&path).unwrap(), fixture::study(), "see fixture::write_the_fixture");
}

/// A monitor's study with one of everything.
fn monitored() -> crate::evaluation::Study {
    let error = |name: &str, mae: f64, coverage: Option<f64>| serde_json::json!({"name": name, "mae": mae, "bias": -0.01, "rank_correlation": 0.9, "coverage": coverage});
    let estimators = [
        error("roadproof", 0.023, Some(0.95)),
        error("mean_confidence", 0.031, None),
        error("oracle", 0.01, None),
    ];
    let row = |group: serde_json::Value| serde_json::json!({"is_held_out": true, "group": group, "frames": 100, "count": 20, "estimators": estimators});
    let monitor = serde_json::json!({
        "profile": {"sha256": "ab", "source": "a<b", "frames": 64, "corruptions": ["fog"]},
        "dataset": "halves", "frames": 64, "draws": 20, "seed": 0,
        "map": [row(serde_json::Value::Null), row("blur".into())],
        "classes": [row(serde_json::Value::Null)],
        "by_class": [{"name": "bus", "count": 3, "ap": 0.4, "error": error("roadproof", 0.1, Some(1.0))}],
        "conditions": [{"corruption": "zoom_blur", "severity": 2.0, "is_held_out": true, "frames": 100, "truth": 0.2,
            "truth_deviation": 0.01, "estimate": 0.22, "interval": [0.1, 0.3], "seems": "motion_blur", "seems_share": 0.8,
            "seems_severity": 2.2}],
        "roc": [{"frames": 100, "area": 0.99, "points": [{"threshold": 0.8, "true_rate": 0.9, "false_rate": 0.1}]}],
        "alarms": {"frame_rate_hz": 10.0, "window_s": 30, "clean_hours": 24.0, "false_alarms": 1,
            "false_alarms_per_10h": 0.42, "allowed_per_10h": 1.0, "alarmed_share": 0.001,
            "steps": [{"corruption": "fog", "severity": 3.0, "lost": 0.3, "streams": 5, "detected": 4,
                "median_delay_frames": null}],
            "ramp": {"corruption": "fog", "length_s": 600.0, "severity": 1.2, "recall_lost": 0.14},
            "vanishing": [{"class": "bus", "rate_hz": 3.0, "delay_s": null}]}
    });
    let mut study = fixture::study();
    study.monitor = Some(serde_json::from_value(monitor).unwrap());
    study
}

#[test]
fn a_monitors_study_is_described_by_the_schema_and_shown() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let value = serde_json::to_value(monitored()).unwrap();
    let problems: Vec<_> =
        validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    let mut extra = value;
    extra["monitor"]["alarms"]["more"] = 3.into();
    assert!(!validator.is_valid(&extra));

    let page = html(&monitored(), Path::new("")).unwrap();
    for shown in [
        "<b>2.3</b>",
        "a&#60;b",
        "bus vanishes (3.0 detections a second): not noticed",
        "looks like motion_blur",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains("<b>1.0</b>"), "the oracle is nobody's rival");
    let without = html(&fixture::study(), Path::new("")).unwrap();
    assert!(!without.contains("id=\"monitor\""));
}
