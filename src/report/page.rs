use std::path::Path;

use askama::Template;

use super::classes::{Classes, classes};
use super::confusion::{Matrix, matrices};
use super::cost::{Cost, cost};
use super::curves::{Curves, curves};
use super::heat::{HeatMap, maps};
use super::method::{Method, method};
use super::monitor::{Monitor, monitor};
use super::palette;
use super::samples::{Samples, samples};
use super::summary::{Summary, summary};
use super::trade::{Scatter, scatter};
use super::{ReportError, number, words};
use crate::evaluation::Study;

#[derive(Template)]
#[template(path = "page.html")]
struct Page {
    dataset: String,
    extent: String,
    created: String,
    version: String,
    /// Number and name of each variant.
    names: Vec<(usize, String)>,
    summary: Summary,
    maps: Vec<HeatMap>,
    classes: Classes,
    cost: Cost,
    scatter: Option<Scatter>,
    curves: Curves,
    matrices: Vec<Matrix>,
    samples: Vec<Samples>,
    monitor: Option<Monitor>,
    method: Method,
    light: [palette::Step; palette::STEPS],
    dark: [palette::Step; palette::STEPS],
    series: [(&'static str, &'static str); 6],
}

/// The study as one HTML file that needs nothing beside it. Relative paths of sample images start at `folder`, that of
/// `report.json`; an image that is not there becomes a note.
///
/// # Errors
/// A template failed, which no study should cause.
pub fn html(study: &Study, folder: &Path) -> Result<String, ReportError> {
    let page = Page {
        dataset: study.dataset.name.clone(),
        extent: format!(
            "{}, {}",
            words::images(study),
            number::counted(study.dataset.instances, "instance", "instances")
        ),
        created: study.created.chars().take_while(|letter| *letter != 'T').collect(),
        version: study.roadproof_version.clone(),
        names: study.variants.iter().map(|variant| variant.name.clone()).enumerate().collect(),
        summary: summary(study),
        maps: maps(study),
        classes: classes(study),
        cost: cost(study),
        scatter: scatter(study),
        curves: curves(study),
        matrices: matrices(study),
        samples: samples(study, folder),
        monitor: study.monitor.as_ref().map(monitor),
        method: method(study),
        light: palette::LIGHT,
        dark: palette::DARK,
        series: palette::SERIES,
    };
    Ok(page.render()?)
}
