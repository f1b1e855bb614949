//! Reading a manifest, with a place for every complaint.

use std::fs;
use std::path::Path;

use toml::de::DeTable;

use super::locate::{key_at, line_and_column, span_of};
use super::validate;
use super::{ClassSpec, MANIFEST_FORMAT, ModelManifest};
use crate::detector::DetectorError;
use crate::detector::error::ManifestIssue;

/// A manifest is a few kilobytes; whatever is larger is another file.
const MAX_TEXT_BYTES: u64 = 4 << 20;

/// The tables of a manifest and their keys.
const SCHEMA: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "format",
            "name",
            "file",
            "sha256",
            "source",
            "licence",
            "input",
            "decoder",
            "thresholds",
            "classes",
            "compression",
            "tuning",
        ],
    ),
    (
        "input",
        &["width", "height", "layout", "colour", "mean", "std", "resize", "pad_value", "interpolation"],
    ),
    (
        "decoder",
        &["type", "strides", "activation", "cell_offset", "multi_label", "max_candidates", "outputs"],
    ),
    ("decoder.outputs", &["scores", "boxes", "predictions"]),
    ("thresholds", &["score", "nms_iou", "max_detections", "low_score"]),
    ("classes", &["names", "file"]),
    (
        "compression",
        &[
            "base",
            "base_sha256",
            "method",
            "rate",
            "calibration_images",
            "calibration_sha256",
            "calibration_corruptions",
            "calibration_seed",
            "kept_in_float",
            "tool_version",
            "steps",
        ],
    ),
    (
        "tuning",
        &[
            "parent",
            "parent_sha256",
            "student_sha256",
            "method",
            "images",
            "images_sha256",
            "steps",
            "batch",
            "seed",
            "tool_version",
            "options",
        ],
    ),
];

pub(super) fn load(path: &Path) -> Result<ModelManifest, DetectorError> {
    from_toml(&read_text("the model manifest", path)?, path)
}

pub(super) fn from_toml(text: &str, path: &Path) -> Result<ModelManifest, DetectorError> {
    let refuse = |issues| Err(DetectorError::Manifest { path: path.to_owned(), issues });

    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => return refuse(vec![issue_from_toml(text, None, &error)]),
    };
    let root = document.get_ref();
    if let Some(issue) = foreign_format(text, root) {
        return refuse(vec![issue]);
    }
    let mut unknown = Vec::new();
    unknown_keys(text, root, "", &mut unknown);
    if !unknown.is_empty() {
        unknown.sort_by_key(|issue| (issue.line, issue.column));
        return refuse(unknown);
    }
    let mut manifest: ModelManifest = match toml::from_str(text) {
        Ok(manifest) => manifest,
        Err(error) => return refuse(vec![issue_from_toml(text, Some(root), &error)]),
    };
    manifest.set_path(path);
    read_class_file(&mut manifest)?;

    let mut issues: Vec<_> = validate::issues(&manifest)
        .into_iter()
        .map(|issue| {
            place(text, span_of(root, &issue.key).map_or(0, |span| span.start), issue.key, issue.message)
        })
        .collect();
    if !issues.is_empty() {
        issues.sort_by_key(|issue| (issue.line, issue.column));
        return refuse(issues);
    }
    Ok(manifest)
}

fn read_text(what: &'static str, path: &Path) -> Result<String, DetectorError> {
    let failed = |source| DetectorError::Read { what, path: path.to_owned(), source };
    let size = fs::metadata(path).map_err(failed)?.len();
    if size > MAX_TEXT_BYTES {
        let message =
            format!("it has {size} bytes, more than the {MAX_TEXT_BYTES} that such a file may have");
        return Err(failed(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message)));
    }
    fs::read_to_string(path).map_err(failed)
}

/// Fills the class names from the file that the manifest names instead.
fn read_class_file(manifest: &mut ModelManifest) -> Result<(), DetectorError> {
    let ClassSpec { names, file: Some(file) } = &manifest.classes else { return Ok(()) };
    if !names.is_empty() {
        return Ok(()); // both: `validate` refuses that
    }
    let text = read_text("the class list", &manifest.folder().join(file))?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    manifest.classes = ClassSpec { names, file: None };
    Ok(())
}

/// A manifest of another format has other keys, so this comes before everything else.
fn foreign_format(text: &str, root: &DeTable<'_>) -> Option<ManifestIssue> {
    let (_, value) = root.iter().find(|(key, _)| key.get_ref().as_ref() == "format")?;
    let integer = value.get_ref().as_integer()?;
    let format = i64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()?;
    (format != i64::from(MANIFEST_FORMAT)).then(|| {
        let message = format!(
            "expected manifest format {MANIFEST_FORMAT}, found {format}; this version of Roadproof reads only format \
             {MANIFEST_FORMAT}"
        );
        place(text, value.span().start, "format".to_owned(), message)
    })
}

fn unknown_keys(text: &str, table: &DeTable<'_>, prefix: &str, issues: &mut Vec<ManifestIssue>) {
    let Some((_, known)) = SCHEMA.iter().find(|(name, _)| *name == prefix) else { return };
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let full = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") };
        if known.contains(&name) {
            if let Some(inner) = value.get_ref().as_table() {
                unknown_keys(text, inner, &full, issues);
            }
            continue;
        }
        let message = match nearest(name, known) {
            Some(near) => format!("unknown key; did you mean `{near}`?"),
            None => format!("unknown key; expected one of `{}`", known.join("`, `")),
        };
        issues.push(place(text, key.span().start, full, message));
    }
}

/// The known key that a misspelt one was probably meant to be.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(name, candidate), *candidate))
        .filter(|(similarity, _)| *similarity >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

fn issue_from_toml(text: &str, root: Option<&DeTable<'_>>, error: &toml::de::Error) -> ManifestIssue {
    let span = error.span().unwrap_or(0..0);
    let key = root.and_then(|root| key_at(root, &span)).unwrap_or_default();
    place(text, span.start, key, error.message().trim().replace('\n', "; "))
}

fn place(text: &str, offset: usize, key: String, message: String) -> ManifestIssue {
    let (line, column) = line_and_column(text, offset);
    ManifestIssue { line: Some(line), column: Some(column), key, message }
}
