//! `roadproof report` as a user calls it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test program from end to end")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

fn study() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report/study.json")
}

fn report(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roadproof")).arg("report").args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A copy of the study with something changed.
fn changed(folder: &Path, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut value: Value = serde_json::from_slice(&std::fs::read(study()).unwrap()).unwrap();
    change(&mut value);
    let path = folder.join(name);
    std::fs::write(&path, value.to_string()).unwrap();
    path
}

#[test]
fn the_page_lies_beside_the_report_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(folder.path(), "run.json", |_| {});
    let output = report(&[text(&path)]);
    assert_eq!(status(&output), 0, "{output:?}");
    let beside = folder.path().join("run.html");
    assert!(said(&output.stdout).contains("run.html"));
    let elsewhere = folder.path().join("else.html");
    assert_eq!(status(&report(&[text(&study()), "-o", text(&elsewhere)])), 0);
    let pages = [beside, elsewhere].map(|page| std::fs::read_to_string(page).unwrap());
    assert!(
        pages.iter().all(|page| page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"))
    );
    // Only the second one's relative paths lead to images.
    assert!(!pages[0].contains("data:image/jpeg") && pages[0].contains("the image file is not there"));
    assert!(pages[1].contains("data:image/jpeg"));
}

#[test]
fn what_cannot_be_read_is_said_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let newer = changed(folder.path(), "newer.json", |value| value["format"] = json!(9));
    let output = report(&[text(&newer)]);
    assert_eq!(status(&output), 1);
    assert!(said(&output.stderr).contains("format must be 1, found 9"), "{output:?}");
    let broken = folder.path().join("broken.json");
    std::fs::write(&broken, "{\"format\": 1,").unwrap();
    assert!(said(&report(&[text(&broken)]).stderr).contains("broken.json"));
    assert!(said(&report(&["/nowhere/report.json"]).stderr).contains("/nowhere/report.json"));
    let study = study();
    assert!(said(&report(&[text(&study), "-o", text(&study)]).stderr).contains("the report itself"));
    assert_eq!(status(&report(&[])), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no page was written");
}

#[test]
fn the_same_study_twice_changes_nothing_and_holds() {
    let study = study();
    let output = report(&[
        "compare",
        text(&study),
        text(&study),
        "--fail-if",
        "ap drop > 0",
        "--fail-if",
        "rpc < 0.3",
    ]);
    assert_eq!(status(&output), 0, "{output:?}");
    let table = said(&output.stdout);
    for word in
        ["street-fp32", "street-int8", "street-pruned-50", "worst_class_ap", "mpc_noise", "latency_p99_ms"]
    {
        assert!(table.contains(word), "{word}: {table}");
    }
    assert!(!table.contains("worse") && output.stderr.is_empty());
}

#[test]
fn a_met_condition_fails_and_says_by_how_much() {
    let folder = tempfile::tempdir().unwrap();
    let after = changed(folder.path(), "after.json", |value| {
        value["variants"][1]["worst_class"]["ap"] = json!(0.02);
        value["variants"][1]["latency"]["p99_ms"] = json!(40.0);
        value["variants"][0]["robustness"]["rpc"] = Value::Null;
    });
    let (study, after) = (study(), after);
    let both = [text(&study), text(&after)];
    let with = |more: &[&str]| report(&[&["compare"], &both[..], more].concat());
    let output = with(&["--fail-if", "worst_class_ap drop > 0.02", "--fail-if", "latency_p99_ms rise > 10%"]);
    assert_eq!(status(&output), 1);
    let message = said(&output.stderr);
    assert_eq!(message.matches("failed: street-int8").count(), 2, "{message}");
    assert!(
        message.contains("worst_class_ap drop > 0.02") && message.contains("beyond the limit"),
        "{message}"
    );
    assert!(message.contains("46.52 %"), "{message}");
    // Another variant is none of that one's business.
    assert_eq!(
        status(&with(&["--variant", "street-pruned-50", "--fail-if", "worst_class_ap drop > 0.02"])),
        0
    );
    // What is not known cannot be fine.
    let output = with(&["--variant", "street-fp32", "--fail-if", "rpc < 0.1"]);
    assert_eq!(status(&output), 1);
    assert!(said(&output.stderr).contains("cannot be judged, B has no value"));

    let output = with(&["--json", "--fail-if", "worst_class_ap drop > 0.02"]);
    assert_eq!(status(&output), 1);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["variants"].as_array().unwrap().len(), 3);
    assert_eq!(found["variants"][1]["metrics"]["worst_class_ap"]["b"], 0.02);
    assert_eq!(found["failures"][0]["condition"], "worst_class_ap drop > 0.02");
}

#[test]
fn a_variant_that_is_gone_is_not_passed_over_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let after = changed(folder.path(), "after.json", |value| {
        drop(value["variants"].as_array_mut().unwrap().remove(2));
    });
    let study = study();
    let output = report(&["compare", text(&study), text(&after), "--json"]);
    assert_eq!(status(&output), 0);
    assert!(said(&output.stderr).contains("only in A") && said(&output.stderr).contains("street-pruned-50"));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["only_in_a"], json!(["street-pruned-50"]));
}

#[test]
fn what_cannot_be_compared_ends_with_status_2() {
    let folder = tempfile::tempdir().unwrap();
    let other = changed(folder.path(), "other.json", |value| value["dataset"]["name"] = json!("elsewhere"));
    let (study, other) = (study(), other);
    let output = report(&["compare", text(&study), text(&other)]);
    assert_eq!(status(&output), 2);
    let message = said(&output.stderr);
    assert!(message.contains("'elsewhere' in B") && message.contains("--allow-different"), "{message}");
    assert_eq!(status(&report(&["compare", text(&study), text(&other), "--allow-different"])), 0);

    let output = report(&["compare", text(&study), text(&study), "--fail-if", "worst_clas_ap drop > 1"]);
    assert_eq!(status(&output), 2);
    assert!(said(&output.stderr).contains("did you mean 'worst_class_ap'"), "{output:?}");
    assert_eq!(status(&report(&["compare", text(&study), "/nowhere.json"])), 2);
    assert_eq!(status(&report(&["compare", text(&study), text(&study), "--variant", "none"])), 2);
}
