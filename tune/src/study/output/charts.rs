//! Curves over the rate of compression.

use roadproof::report::charts::{Chart, Curve};

use crate::study::analysis::{Claim, Effect, Scope, SummaryRow, Unit};
use crate::study::arm::Arm;
use crate::study::options::Method;
use crate::study::results::StudyResults;

/// A chart and the name of its file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Drawing {
    pub(super) file: String,
    pub(super) chart: Chart,
}

/// What a curve shows of a row.
type Of<'a> = dyn Fn(&SummaryRow) -> Option<Effect> + 'a;

/// All charts: accuracies by arm, and the effects of the claims; of each kind of compression that has rates to show.
pub(super) fn drawings(results: &StudyResults) -> Vec<Drawing> {
    let mut drawings = Vec::new();
    for method in [Method::Structured, Method::Unstructured] {
        if !results.rows.iter().any(|row| row.method == method.name()) {
            continue;
        }
        let mut add = |name: &str, title: &str, of: &Of<'_>| {
            drawings.push(Drawing {
                file: format!("robustness-{}-{name}.svg", method.name()),
                chart: accuracy(results, method, title, of),
            });
        };
        add("clean", "AP on clean images", &|row| row.clean);
        add("mpc", "Mean AP under corruption (mPC)", &|row| row.mpc);
        let groups = results.rows.first().map_or(&[][..], |row| &row.groups);
        for (group, _) in groups {
            let title = format!("AP under {}", group.name());
            add(group.name(), &title, &|row| {
                row.groups.iter().find(|(own, _)| own == group).map(|(_, effect)| *effect)
            });
        }
        add("worst", "AP of the worst class, clean", &|row| row.worst_class);
        for (number, claim) in (1..).zip(&results.claims) {
            drawings.extend(effect(results, method, number, claim));
        }
    }
    drawings
}

/// The rows without compression and of one method, by growing rate.
fn rows(results: &StudyResults, method: Method) -> Vec<&SummaryRow> {
    let own = [Method::None.name(), method.name()];
    let mut rows: Vec<&SummaryRow> =
        results.rows.iter().filter(|row| own.contains(&row.method.as_str())).collect();
    rows.sort_by(|a, b| a.rate.total_cmp(&b.rate));
    rows
}

/// A curve for each arm.
fn accuracy(results: &StudyResults, method: Method, title: &str, of: &Of<'_>) -> Chart {
    let curve = |arm: &Arm| Curve {
        name: arm.name().to_owned(),
        points: rows(results, method)
            .into_iter()
            .filter(|row| row.arm == *arm)
            .filter_map(|row| Some((row.rate, of(row)?.effect * 100.0)))
            .collect(),
    };
    Chart {
        title: format!("{title}, {} pruning", method.name()),
        note: "Means over seeds.".to_owned(),
        x_title: format!("rate of {} pruning", method.name()),
        y_title: "AP (points)".to_owned(),
        curves: results.arms.iter().map(curve).collect(),
    }
}

/// A claim's effect over the rate, between the ends of its interval; `None` with fewer than two rates.
fn effect(results: &StudyResults, method: Method, number: usize, claim: &Claim) -> Option<Drawing> {
    let rates = rows(results, method);
    let rate =
        |name: &str| Some(rates.iter().find(|row| row.compression == name && row.arm == Arm::Plain)?.rate);
    let tests = claim.tests.iter().filter(|test| test.scope == Scope::Compression);
    let mut found: Vec<(f64, Effect)> =
        tests.filter_map(|test| Some((rate(&test.name)?, test.effect?))).collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    if found.len() < 2 {
        return None;
    }
    let curve = |name: &str, of: fn(&Effect) -> f64| Curve {
        name: name.to_owned(),
        points: found.iter().map(|(rate, effect)| (*rate, of(effect) * 100.0)).collect(),
    };
    let is_share = claim.tests.iter().any(|test| test.unit == Unit::Share);
    Some(Drawing {
        file: format!("robustness-{}-claim{number}.svg", method.name()),
        chart: Chart {
            title: format!("{}: effect, {} pruning", claim.title, method.name()),
            note: "Above 0 the claim holds; intervals of single compressions, not adjusted.".to_owned(),
            x_title: format!("rate of {} pruning", method.name()),
            y_title: if is_share { "percentage points" } else { "points of AP" }.to_owned(),
            curves: vec![
                curve("effect", |effect| effect.effect),
                curve("95 %, lower end", |effect| effect.interval[0]),
                curve("95 %, upper end", |effect| effect.interval[1]),
            ],
        },
    })
}
