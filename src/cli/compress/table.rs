//! What was made, for a terminal.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use roadproof::compress::CompressError;
use roadproof::compress::gate::Figures;
use roadproof::compress::graph::Model;
use roadproof::compress::inspect::inspect;
use roadproof::compress::recipe::StepReport;
use roadproof::detector::ModelManifest;
use roadproof::detector::manifest::InputSpec;

use super::make::{Made, Place, State};

/// Bytes of a file.
pub(super) fn size(path: &Path) -> anyhow::Result<u64> {
    Ok(std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len())
}

/// What a model holds and costs, as `roadproof model info` counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Costs {
    /// Weights, biases, scales.
    pub(super) parameters: usize,
    /// Multiplications with addition for one image.
    pub(super) macs: u64,
}

impl Costs {
    pub(super) fn of(model: &Model, input: &InputSpec) -> Result<Self, CompressError> {
        let found = inspect(model, &input.shape())?;
        Ok(Self { parameters: found.parameters.elements, macs: found.macs })
    }

    /// The arithmetic over that of the model that this one was made from; none where that has none.
    pub(super) fn macs_ratio(self, base: Self) -> Option<f64> {
        (base.macs > 0).then(|| self.macs as f64 / base.macs as f64)
    }
}

/// A line of the table.
struct Row<'a> {
    name: &'a str,
    state: &'static str,
    bytes: u64,
    costs: Costs,
    figures: Option<&'a Figures>,
    latency: Option<f64>,
    method: &'a str,
}

/// All variants, one a line, the base first.
pub(super) fn summary(base: &ModelManifest, base_costs: Costs, made: &[Made]) -> anyhow::Result<String> {
    let before = size(&base.model_path())?;
    let verdicts = || made.iter().filter_map(|variant| variant.verdict.as_ref());
    let latencies = || made.iter().filter_map(|variant| variant.latency.as_ref());
    let mut rows = vec![Row {
        name: &base.name,
        state: "base",
        bytes: before,
        costs: base_costs,
        figures: verdicts().next().map(|verdict| &verdict.base_figures),
        latency: latencies().next().map(|_| 1.0),
        method: "",
    }];
    for variant in made {
        rows.push(Row {
            name: &variant.manifest.name,
            state: match (variant.place, variant.state) {
                (Place::Refused, _) => "refused",
                (Place::Output, State::Made) => "made",
                (Place::Output, State::There) => "there",
            },
            bytes: size(&variant.manifest.model_path())?,
            costs: variant.costs,
            figures: variant.verdict.as_ref().map(|verdict| &verdict.figures),
            latency: variant.latency.map(|latency| latency.ratio),
            method: variant.manifest.compression.as_ref().map_or("", |compression| &compression.method),
        });
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(7);
    let mut text = format!(
        "{:width$}  {:7}  {:>8}  {:>6}  {:>10}  {:>6}",
        "variant", "", "MB", "%", "parameters", "MACs"
    );
    if verdicts().next().is_some() {
        text += "     AP   AP50  worst";
    }
    if latencies().next().is_some() {
        text += "     p50";
    }
    text += "  method\n";
    for Row { name, state, bytes, costs, figures, latency, method } in rows {
        let (mb, share) = (bytes as f64 / 1e6, 100.0 * bytes as f64 / before.max(1) as f64);
        let _ = write!(text, "{name:width$}  {state:7}  {mb:8.2}  {share:6.1}  {:10}", costs.parameters);
        let _ = match costs.macs_ratio(base_costs) {
            Some(ratio) => write!(text, "  {ratio:5.3}×"),
            None => write!(text, "  {:>6}", "–"),
        };
        if let Some(Figures { ap, ap50, worst_class_ap, .. }) = figures {
            let worst = worst_class_ap.map_or_else(|| "–".to_owned(), |ap| format!("{:.1}", ap * 100.0));
            let _ = write!(text, "  {:5.1}  {:5.1}  {worst:>5}", ap * 100.0, ap50 * 100.0);
        }
        if let Some(ratio) = latency {
            let _ = write!(text, "  {ratio:5.2}×");
        }
        let _ = writeln!(text, "  {method}");
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
