//! `report.html` of a run: how loss, rate and accuracy went, and what was asked for.

use std::path::Path;

use roadproof::compress::graph::write_whole;
use roadproof::detector::manifest::TuningSpec;
use roadproof::report::charts::{Chart, ChartPage, Curve, Table, html};

use super::TrainError;
use super::journal::{self, Entry};

/// Its name in the folder of a run.
pub const FILE: &str = "report.html";

/// Writes the report of a run from its journal.
///
/// # Errors
/// The journal cannot be read, or the report not be written.
pub fn write(run: &Path, name: &str, tuning: &TuningSpec) -> Result<(), TrainError> {
    let path = run.join(FILE);
    let page = page(name, tuning, &journal::read(run)?);
    let text = html(&page).map_err(|error| TrainError::Options {
        path: path.clone(),
        problem: format!("cannot be written: {error}"),
    })?;
    Ok(write_whole(&path, text.as_bytes())?)
}

fn page(name: &str, tuning: &TuningSpec, entries: &[Entry]) -> ChartPage {
    let steps = || {
        entries.iter().filter_map(|entry| match entry {
            Entry::Step(step) => Some(step),
            _ => None,
        })
    };
    let validations = || {
        entries.iter().filter_map(|entry| match entry {
            Entry::Validation(validation) => Some(validation),
            _ => None,
        })
    };
    let curve = |name: &str, points: Vec<(f64, f64)>| Curve { name: name.to_owned(), points };
    let over_steps = |title: &str, note: &str, y_title: &str, curves: Vec<Curve>| Chart {
        title: title.to_owned(),
        note: note.to_owned(),
        x_title: "step".to_owned(),
        y_title: y_title.to_owned(),
        curves,
    };
    let mut charts = Vec::new();
    if validations().next().is_some() {
        let ap = validations().map(|v| (v.step as f64, v.ap)).collect();
        let ap50 = validations().map(|v| (v.step as f64, v.ap50)).collect();
        let parent = validations().map(|v| (v.step as f64, v.parent_ap)).collect();
        charts.push(over_steps(
            "Accuracy",
            "Of the averaged weights on the validation images; 1 is the best there is.",
            "AP",
            vec![curve("AP", ap), curve("AP50", ap50), curve("the parent's AP", parent)],
        ));
    }
    let mut losses = vec![curve("all", steps().map(|step| (step.step as f64, step.loss)).collect())];
    let terms = steps().next().map(|step| step.terms.as_slice()).unwrap_or_default();
    for (index, (term, _)) in terms.iter().enumerate() {
        let points = steps().filter_map(|step| Some((step.step as f64, step.terms.get(index)?.1)));
        losses.push(curve(term, points.collect()));
    }
    charts.push(over_steps(
        "Loss",
        "Mean over the images of a step, with the weights of its terms.",
        "loss",
        losses,
    ));
    let rate = steps().map(|step| (step.step as f64, step.rate)).collect();
    charts.push(over_steps("Learning rate", "", "rate", vec![curve("rate", rate)]));
    let norm = steps().map(|step| (step.step as f64, step.norm)).collect();
    charts.push(over_steps(
        "Gradients",
        "Norm over all parameters, before clipping.",
        "norm",
        vec![curve("norm", norm)],
    ));

    let rows = validations().map(|v| {
        let share = 100.0 * v.ap / v.parent_ap;
        vec![v.step.to_string(), format!("{:.4}", v.ap), format!("{:.4}", v.ap50), format!("{share:.1} %")]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let head = ["after step", "AP", "AP50", "of the parent's AP"].map(str::to_owned).to_vec();
    let table = Table { title: "Measurements".to_owned(), note: String::new(), head, rows };
    let seconds: f64 = steps().map(|step| step.seconds).sum();
    let images = tuning.batch as f64 * steps().count() as f64;
    let mut facts: Vec<(String, String)> = [
        ("learned from", tuning.parent.clone()),
        ("method", tuning.method.clone()),
        ("images", tuning.images.to_string()),
        ("steps", format!("{} of {} images", tuning.steps, tuning.batch)),
        ("images a second", format!("{:.1}", images / seconds.max(f64::MIN_POSITIVE))),
        ("seed", tuning.seed.to_string()),
        ("parent's SHA-256", tuning.parent_sha256.clone()),
        ("student's SHA-256", tuning.student_sha256.clone()),
        ("images' SHA-256", tuning.images_sha256.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec();
    facts.extend(tuning.options.iter().map(|(key, value)| (format!("[{key}]"), value.to_string())));
    ChartPage {
        kind: "tuning".to_owned(),
        title: name.to_owned(),
        subtitle: format!("roadproof-tune {}", tuning.tool_version),
        facts,
        charts,
        tables: if table.rows.is_empty() { Vec::new() } else { vec![table] },
    }
}
