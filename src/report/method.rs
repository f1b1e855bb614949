//! How it was measured.

use super::number::{count, words};
use super::palette::SERIES;
use super::words::list;
use crate::evaluation::Study;

pub(super) struct Method {
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) models: Vec<Model>,
    pub(super) unmapped: Vec<(String, String)>,
}

pub(super) struct Model {
    pub(super) series: usize,
    pub(super) name: String,
    pub(super) base: String,
    pub(super) file: String,
    pub(super) sha256: String,
    pub(super) bytes: String,
    pub(super) input: String,
    pub(super) provider: String,
}

pub(super) fn method(study: &Study) -> Method {
    let (dataset, settings) = (&study.dataset, &study.settings);
    let present = dataset.classes.iter().filter(|class| class.instances > 0).count();
    let corruptions: Vec<String> = settings.corruptions.iter().map(|name| words(name)).collect();
    let severities: Vec<String> = settings.severities.iter().map(ToString::to_string).collect();
    let none = |text: String| if text.is_empty() { "none".to_owned() } else { text };
    let facts = vec![
        ("Dataset", dataset.name.clone()),
        ("Images", count(dataset.images)),
        (
            "Instances",
            format!(
                "{}, in {present} of the model's {} classes",
                count(dataset.instances),
                dataset.classes.len()
            ),
        ),
        ("Corruptions", none(list(&corruptions))),
        ("Severities", none(list(&severities))),
        ("Seed", settings.seed.to_string()),
        ("Lowest score that counts", settings.score.to_string()),
        ("Instances a class needs to be judged", count(settings.min_support)),
        ("Resamples behind intervals and p-values", count(settings.bootstrap)),
        ("Made by", format!("roadproof {}, {}", study.roadproof_version, study.created)),
        ("Layout of report.json", format!("format {}", study.format)),
    ];
    let models = study.variants.iter().enumerate().map(|(i, variant)| Model {
        series: i % SERIES.len(),
        name: variant.name.clone(),
        base: variant.base.clone().unwrap_or_else(|| "– (it is a base)".into()),
        file: variant.model.file.clone(),
        sha256: variant.model.sha256.clone(),
        bytes: usize::try_from(variant.model.size_bytes).map_or_else(|_| String::new(), count),
        input: format!("{} × {}", variant.model.input[0], variant.model.input[1]),
        provider: variant.model.provider.clone(),
    });
    let unmapped = dataset.unmapped.iter().map(|class| (class.name.clone(), count(class.instances)));
    Method { facts, models: models.collect(), unmapped: unmapped.collect() }
}
