//! `report.html`

use roadproof::report::charts::{ChartPage, Table};

use super::{charts, words};
use crate::study::results::StudyResults;

/// The page of a study: accuracies over the rate of compression, claims with their effects, and how it was made.
#[must_use]
pub fn page(results: &StudyResults) -> ChartPage {
    let claims = results.claims.iter().map(|claim| Table {
        title: format!("{}: {}", claim.title, words::verdict(claim.verdict)),
        note: format!("{} {}", claim.statement, claim.rule),
        head: words::ROW.map(str::to_owned).to_vec(),
        rows: claim.tests.iter().map(words::row).collect(),
    });
    ChartPage {
        kind: "robustness study".to_owned(),
        title: results.name.clone(),
        subtitle: format!(
            "{}, {} images, {} seeds",
            results.parent.name,
            results.images,
            results.seeds.len()
        ),
        facts: facts(results),
        charts: charts::drawings(results).into_iter().map(|drawing| drawing.chart).collect(),
        tables: claims.chain([accuracies(results)]).collect(),
    }
}

/// Names and values of how it was done.
fn facts(results: &StudyResults) -> Vec<(String, String)> {
    let numbers = |values: Vec<String>| values.join(", ");
    let seeds = numbers(results.seeds.iter().map(ToString::to_string).collect());
    [
        ("parent", results.parent.name.clone()),
        ("SHA-256", results.parent.sha256.clone().unwrap_or_else(|| words::NONE.to_owned())),
        ("images", results.images.to_string()),
        ("corruptions", words::list(&results.corruptions)),
        ("held out of augmentation", words::list(&results.held_out)),
        ("severities", numbers(results.severities.iter().map(ToString::to_string).collect())),
        ("seeds", format!("{seeds} (of {} planned)", results.planned_seeds)),
        ("resamples", results.bootstrap.to_string()),
        ("seed of corruptions and resamples", results.seed.to_string()),
        ("worst class", results.worst_class.clone().unwrap_or_else(|| words::NONE.to_owned())),
        ("lowest fifth", words::list(&results.lowest_fifth)),
        ("hours of tuning and measuring", results.hours.map(|hours| format!("{hours:.1}")).join(" and ")),
        ("version", results.roadproof_version.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// AP by compression and arm.
pub(super) fn accuracies(results: &StudyResults) -> Table {
    let groups = results.rows.first().map_or(&[][..], |row| &row.groups);
    let mut head = ["Model", "Arm", "AP, clean (95 %)", "mPC (95 %)"].map(str::to_owned).to_vec();
    head.extend(groups.iter().map(|(group, _)| group.name().to_owned()));
    head.extend(["held out", "worst class", "lowest fifth"].map(str::to_owned));
    let parent = &results.parent;
    let plain = |value: Option<f64>| value.map_or_else(|| words::NONE.to_owned(), words::hundredths);
    let mut first = vec![parent.name.clone(), "as it is".to_owned(), plain(parent.clean), plain(parent.mpc)];
    for (group, _) in groups {
        first.push(plain(parent.groups.iter().find(|(own, _)| own == group).map(|(_, ap)| *ap)));
    }
    first.extend([words::NONE.to_owned(), plain(parent.worst_class), words::NONE.to_owned()]);
    let rows = results.rows.iter().map(|row| {
        let interval =
            |effect: Option<&_>| effect.map_or_else(|| words::NONE.to_owned(), words::with_interval);
        let mut cells = vec![
            row.compression.clone(),
            row.arm.name().to_owned(),
            interval(row.clean.as_ref()),
            interval(row.mpc.as_ref()),
        ];
        for (group, _) in groups {
            let own = row.groups.iter().find(|(own, _)| own == group);
            cells.push(words::value(own.map(|(_, effect)| effect)));
        }
        let last = [row.held_out, row.worst_class, row.lowest_fifth];
        cells.extend(last.iter().map(|effect| words::value(effect.as_ref())));
        cells
    });
    Table {
        title: "Accuracy".to_owned(),
        note: "AP over IoU 0.50 to 0.95 in points, means over seeds; intervals over images and seeds. mPC and groups: \
               means over corruptions and severities."
            .to_owned(),
        head,
        rows: std::iter::once(first).chain(rows).collect(),
    }
}
