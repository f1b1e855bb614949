//! Reading `report.json`, and whether what it says fits together.

use std::collections::HashSet;
use std::path::Path;

use super::ReportError;
use crate::evaluation::{Accuracy, FORMAT, Study, Variant};

/// Reads and checks a study.
///
/// # Errors
/// The file cannot be read, is of another format, is no study, or its values do not fit each other.
pub fn load(path: &Path) -> Result<Study, ReportError> {
    let read = std::fs::read(path);
    parse(&read.map_err(|source| ReportError::Read { path: path.to_owned(), source })?, path)
}

/// Reads and checks the bytes of a study; `path` is for messages.
///
/// # Errors
/// As [`load`], but for reading.
pub fn parse(bytes: &[u8], path: &Path) -> Result<Study, ReportError> {
    let broken = |source| ReportError::Parse { path: path.to_owned(), source };
    // The format first: another one may well have other keys, and that should be said as what it is.
    let any: serde_json::Value = serde_json::from_slice(bytes).map_err(broken)?;
    let format = any.get("format");
    if format.and_then(serde_json::Value::as_u64) != Some(u64::from(FORMAT)) {
        let found = format.map_or_else(|| "none".to_owned(), ToString::to_string);
        return Err(ReportError::Format { path: path.to_owned(), expected: FORMAT, found });
    }
    // From the text again, so that messages name line and column.
    let study: Study = serde_json::from_slice(bytes).map_err(broken)?;
    match problem(&study) {
        None => Ok(study),
        Some(problem) => Err(ReportError::Invalid { path: path.to_owned(), problem }),
    }
}

fn problem(study: &Study) -> Option<String> {
    if study.variants.is_empty() {
        return Some("variants is empty, there is nothing to report".into());
    }
    let mut names = HashSet::new();
    for variant in &study.variants {
        if !names.insert(variant.name.as_str()) {
            return Some(format!("two variants are called '{}'", variant.name));
        }
    }
    study.variants.iter().find_map(|variant| {
        let problem = match &variant.base {
            Some(base) if !names.contains(base.as_str()) => {
                Some(format!("base '{base}' is none of the variants"))
            }
            _ => variant_problem(study, variant),
        };
        problem.map(|problem| format!("variant '{}': {problem}", variant.name))
    })
}

fn variant_problem(study: &Study, variant: &Variant) -> Option<String> {
    let classes = &study.dataset.classes;
    let fits = |what: &str, accuracy: &Accuracy| {
        let same = accuracy.classes.len() == classes.len()
            && accuracy.classes.iter().zip(classes).all(|(a, b)| a.name == b.name);
        let shares = [accuracy.ap, accuracy.ap50].into_iter().flatten();
        let outside = shares
            .chain(accuracy.classes.iter().filter_map(|class| class.ap))
            .find(|share| !(0.0..=1.0).contains(share));
        if same {
            outside.map(|share| format!("{what}: an AP must be a share between 0 and 1, found {share}"))
        } else {
            Some(format!("{what}: classes differ from the dataset's {} classes", classes.len()))
        }
    };
    let expected = variant.confusion.classes.len() + 1;
    let counts = &variant.confusion.counts;
    if counts.len() != expected || counts.iter().any(|row| row.len() != expected) {
        return Some(format!(
            "confusion: counts must be {expected} × {expected} for the classes and the background"
        ));
    }
    fits("clean", &variant.clean).or_else(|| {
        variant.cells.iter().find_map(|cell| {
            let what = format!("{} at severity {}", cell.corruption, cell.severity);
            if study.settings.corruptions.contains(&cell.corruption) {
                fits(&what, &cell.accuracy)
            } else {
                Some(format!("{what}: the corruption is not in settings.corruptions"))
            }
        })
    })
}
