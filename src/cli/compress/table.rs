//! What was made, for a terminal.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use roadproof::compress::graph::Model;
use roadproof::compress::recipe::StepReport;
use roadproof::detector::ModelManifest;

use super::make::{Made, Place, State};

/// Bytes of a file.
pub(super) fn size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}

/// Weights of a model: the elements of its constants of two or more dimensions.
pub(super) fn parameters(model: &Model) -> usize {
    let weights = model.graph().initializer.iter().filter(|tensor| tensor.dims.len() >= 2);
    let count = |dims: &[i64]| dims.iter().map(|side| usize::try_from(*side).unwrap_or(0)).product::<usize>();
    weights.map(|tensor| count(&tensor.dims)).sum()
}

/// All variants, one a line.
pub(super) fn summary(base: &ModelManifest, model: &Model, made: &[Made]) -> anyhow::Result<String> {
    let mut text = String::new();
    let before = size(&base.model_path())?;
    let names = made.iter().map(|variant| &variant.manifest.name).chain([&base.name]);
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0).max(7);
    let has_gate = made.iter().any(|variant| variant.verdict.is_some());
    let figures = if has_gate { "     AP   AP50  worst" } else { "" };
    let _ = writeln!(
        text,
        "{:width$}  {:7}  {:>8}  {:>6}  {:>10}{figures}  method",
        "variant", "", "MB", "%", "weights"
    );
    let line = |text: &mut String,
                name: &str,
                state: &str,
                bytes: u64,
                weights: usize,
                figures: &str,
                method: &str| {
        let (mb, share) = (bytes as f64 / 1e6, 100.0 * bytes as f64 / before.max(1) as f64);
        let _ = writeln!(
            text,
            "{name:width$}  {state:7}  {mb:8.2}  {share:6.1}  {weights:10}{figures}  {method}"
        );
    };
    let points = |figures: Option<&roadproof::compress::gate::Figures>| match figures {
        Some(figures) => {
            let worst =
                figures.worst_class_ap.map_or_else(|| "–".to_owned(), |ap| format!("{:.1}", ap * 100.0));
            format!("  {:5.1}  {:5.1}  {worst:>5}", figures.ap * 100.0, figures.ap50 * 100.0)
        }
        None => String::new(),
    };
    let base_figures =
        made.iter().find_map(|variant| variant.verdict.as_ref()).map(|verdict| &verdict.base_figures);
    line(&mut text, &base.name, "base", before, parameters(model), &points(base_figures), "");
    for variant in made {
        let state = match (variant.place, variant.state) {
            (Place::Refused, _) => "refused",
            (Place::Output, State::Made) => "made",
            (Place::Output, State::There) => "there",
        };
        let bytes = size(&variant.manifest.model_path())?;
        let method = variant.manifest.compression.as_ref().map_or("", |compression| &compression.method);
        let figures = points(variant.verdict.as_ref().map(|verdict| &verdict.figures));
        line(&mut text, &variant.manifest.name, state, bytes, variant.parameters, &figures, method);
    }
    for variant in made {
        let _ = writeln!(text, "{}", variant.manifest.path().display());
    }
    Ok(text)
}

/// What quantisation did, node by node.
pub(super) fn details(reports: &[StepReport]) -> String {
    let mut text = String::new();
    let quantised = reports.iter().find_map(|report| match report {
        StepReport::Int8(report) => Some(report),
        _ => None,
    });
    let Some(report) = quantised else { return text };
    let width = report.nodes.iter().map(|node| node.name.len()).max().unwrap_or(0).max(4);
    let _ = writeln!(text, "{:width$}  operator  {:>9}  scales  SQNR of the weights", "node", "weights");
    for node in &report.nodes {
        let _ = writeln!(
            text,
            "{:width$}  {:8}  {:>9}  {:>6}  {:5.1} dB",
            node.name, node.operator, node.weights, node.channels, node.sqnr_db
        );
    }
    let _ = writeln!(
        text,
        "{} nodes with integer weights, {} more in integers, {} activations; {} nodes stay in float{}{}\n",
        report.nodes.len(),
        report.through.len(),
        report.tensors,
        report.float.len(),
        if report.float.is_empty() { "" } else { ": " },
        report.float.join(", ")
    );
    text
}
