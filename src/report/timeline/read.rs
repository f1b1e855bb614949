//! `health.jsonl`, line by line.

use std::path::Path;

use serde::Deserialize;

use super::super::ReportError;

/// Lines of a file beyond this are refused: a day at six cameras has half a million.
const MAX_LINES: usize = 5_000_000;

/// What a line says, as far as it is drawn. Figures that were not known are `None`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Line {
    pub(super) camera: String,
    pub(super) stamp_ns: i64,
    pub(super) status: Status,
    pub(super) reason: String,
    #[serde(default)]
    pub(super) corruptions: Vec<String>,
    pub(super) is_injected: bool,
    pub(super) estimated_map: Estimated,
    pub(super) estimated_corruption: Option<String>,
    pub(super) estimated_severity: Option<f64>,
    pub(super) worst_class: Option<String>,
    pub(super) classes: Vec<ClassLine>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ClassLine {
    pub(super) class_name: String,
    pub(super) status: Status,
    pub(super) reason: String,
    pub(super) detections: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub(super) struct Estimated {
    pub(super) value: Option<f64>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    InsufficientData,
    Ok,
    Stale,
    Warn,
    Error,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::InsufficientData => "too little data",
            Self::Ok => "OK",
            Self::Stale => "STALE",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::InsufficientData => "few",
            Self::Ok => "ok",
            Self::Stale => "stale",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Reads a whole file.
pub(super) fn read(path: &Path) -> Result<Vec<Line>, ReportError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ReportError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Parses a file's text; `path` is for errors.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Line>, ReportError> {
    let invalid = |problem: String| ReportError::Invalid { path: path.to_owned(), problem };
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if lines.len() == MAX_LINES {
            return Err(invalid(format!("expected at most {MAX_LINES} lines, found more")));
        }
        let line = serde_json::from_str(line).map_err(|error| {
            invalid(format!(
                "line {}: expected a line of a health.jsonl that `roadproof replay` wrote: {error}",
                index + 1
            ))
        })?;
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(invalid("expected at least one line of health, found none".to_owned()));
    }
    Ok(lines)
}
