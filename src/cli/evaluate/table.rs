//! What a study found, for a terminal.

use std::fmt::Write as _;

use roadproof::evaluation::{Accuracy, Study, Variant};

use crate::cli::points;

fn between([low, high]: [f64; 2]) -> String {
    format!("{:.1} to {:.1}", low * 100.0, high * 100.0)
}

/// COCO's figures.
pub(super) fn accuracy(accuracy: &Accuracy) -> String {
    let mut text = String::new();
    let interval =
        accuracy.ap_interval.map_or(String::new(), |interval| format!(" (95 %: {})", between(interval)));
    let _ = writeln!(text, "AP {}{interval}", points(accuracy.ap));
    let _ = writeln!(text, "AP50 {}  AP75 {}", points(accuracy.ap50), points(accuracy.ap75));
    let sizes = [accuracy.ap_small, accuracy.ap_medium, accuracy.ap_large].map(points);
    let _ = writeln!(text, "AP small {}  medium {}  large {}", sizes[0], sizes[1], sizes[2]);
    let recall = accuracy.ar.map(points);
    let _ = writeln!(text, "AR 1 {}  10 {}  100 {}", recall[0], recall[1], recall[2]);
    text
}

/// All variants, the worst class first.
pub(super) fn summary(study: &Study) -> String {
    let mut text = String::new();
    let dataset = &study.dataset;
    let _ = writeln!(text, "{}: {} images, {} instances\n", dataset.name, dataset.images, dataset.instances);
    let width = study.variants.iter().map(|variant| variant.name.chars().count()).max().unwrap_or(0).max(7);
    let _ = writeln!(
        text,
        "{:<width$}  {:<38}  {:>5}  {:<14} {:>5} {:>5} {:>6} {:>6}  {:>8} {:>8}",
        "variant",
        "worst class: AP (95 %), instances",
        "AP",
        "(95 %)",
        "AP50",
        "AP75",
        "mPC",
        "rPC %",
        "p50 ms",
        "MB"
    );
    for variant in &study.variants {
        let clean = &variant.clean;
        let worst = variant.worst_class.as_ref().map_or_else(
            || format!("none has {} instances", study.settings.min_support),
            |worst| {
                format!(
                    "{}: {} ({}), {}",
                    worst.name,
                    points(Some(worst.ap)),
                    between(worst.interval),
                    worst.instances
                )
            },
        );
        let interval = clean.ap_interval.map_or(String::new(), between);
        let _ = writeln!(
            text,
            "{:<width$}  {worst:<38}  {:>5}  {interval:<14} {:>5} {:>5} {:>6} {:>6}  {:>8.1} {:>8.1}",
            variant.name,
            points(clean.ap),
            points(clean.ap50),
            points(clean.ap75),
            points(variant.robustness.mpc),
            points(variant.robustness.rpc),
            variant.latency.p50_ms,
            variant.model.size_bytes as f64 / 1e6,
        );
    }
    if study.variants.iter().any(|variant| !variant.cells.is_empty()) {
        corruptions(study, &mut text);
    }
    for variant in &study.variants {
        comparison(variant, &mut text);
    }
    text
}

/// AP by corruption, mean over severities.
fn corruptions(study: &Study, text: &mut String) {
    let names: Vec<&str> = study.variants.iter().map(|variant| variant.name.as_str()).collect();
    let _ = write!(text, "\n{:<22}", "AP, mean of severities");
    for name in &names {
        let _ = write!(text, " {name:>14}");
    }
    text.push('\n');
    for corruption in &study.settings.corruptions {
        let _ = write!(text, "{corruption:<22}");
        for variant in &study.variants {
            let own = variant.cells.iter().filter(|cell| cell.corruption == *corruption);
            let values: Vec<f64> = own.filter_map(|cell| cell.accuracy.ap).collect();
            let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
            let mark = if variant.worst_corruption.as_deref() == Some(corruption) { "*" } else { " " };
            let _ = write!(text, " {:>13}{mark}", points(mean));
        }
        text.push('\n');
    }
    text.push_str("* the worst for this variant\n");
}

/// What a variant loses beyond its base, in a sentence each.
fn comparison(variant: &Variant, text: &mut String) {
    let (Some(comparison), Some(base)) = (&variant.against_base, &variant.base) else { return };
    let _ = writeln!(text, "\n{} against {base}, points of AP lost (95 %, p):", variant.name);
    let mut line = |what: &str, drop: &roadproof::evaluation::Difference| {
        let _ = writeln!(
            text,
            "  {what:<28} {:>6.1}  ({}), p = {:.3}",
            drop.drop * 100.0,
            between(drop.interval),
            drop.p_value
        );
    };
    line("on clean images", &comparison.clean_drop);
    for (group, drop) in &comparison.groups {
        line(&format!("beyond that, under {}", group.name()), drop);
    }
}
