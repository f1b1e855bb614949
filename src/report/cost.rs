//! What compression costs beyond the base: forest plots.

use super::chart::{Axis, Tick, percent};
use super::number::{holm, interval, p_value, signed, significant, words};
use super::palette::SERIES;
use super::words::capital;
use crate::evaluation::{Comparison, Difference, Study, Variant};

/// Classes shown: those that lose the most.
const CLASSES: usize = 10;

pub(super) struct Cost {
    pub(super) forests: Vec<Forest>,
    pub(super) ticks: Vec<Tick>,
    /// Where no difference is.
    pub(super) zero: String,
}

pub(super) struct Forest {
    pub(super) index: usize,
    pub(super) series: usize,
    pub(super) name: String,
    pub(super) base: String,
    pub(super) sections: Vec<Section>,
    pub(super) note: String,
}

pub(super) struct Section {
    pub(super) title: String,
    pub(super) rows: Vec<ForestRow>,
}

pub(super) struct ForestRow {
    pub(super) label: String,
    pub(super) low: String,
    pub(super) at: String,
    pub(super) high: String,
    pub(super) drop: String,
    pub(super) interval: String,
    pub(super) p: String,
    pub(super) significant: bool,
}

pub(super) fn cost(study: &Study) -> Cost {
    let compared: Vec<_> = study
        .variants
        .iter()
        .enumerate()
        .filter_map(|(i, v)| Some((i, v, v.against_base.as_ref()?)))
        .collect();
    let every = compared.iter().flat_map(|(_, _, comparison)| {
        let groups = comparison.groups.iter().map(|(_, difference)| difference);
        let corruptions = comparison.corruptions.iter().map(|(_, difference)| difference);
        let classes = worst(comparison).into_iter().map(|(_, difference)| difference);
        std::iter::once(&comparison.clean_drop).chain(groups).chain(corruptions).chain(classes)
    });
    let ends = every.flat_map(|d| [d.interval[0], d.interval[1], d.drop]).map(|end| end * 100.0);
    let axis = Axis::around(ends.chain([0.0]), 4.0);
    let forests =
        compared.iter().map(|(i, variant, comparison)| forest(study, *i, variant, comparison, &axis));
    Cost { forests: forests.collect(), ticks: axis.ticks(), zero: percent(axis.share(0.0)) }
}

fn worst(comparison: &Comparison) -> Vec<(&str, &Difference)> {
    let mut classes: Vec<_> = comparison.classes.iter().map(|(name, d)| (name.as_str(), d)).collect();
    classes.sort_by(|(_, a), (_, b)| b.drop.total_cmp(&a.drop));
    classes.truncate(CLASSES);
    classes
}

fn forest(study: &Study, index: usize, variant: &Variant, comparison: &Comparison, axis: &Axis) -> Forest {
    let row = |label: String, difference: &Difference| ForestRow {
        label,
        low: percent(axis.share(difference.interval[0] * 100.0)),
        at: percent(axis.share(difference.drop * 100.0)),
        high: percent(axis.share(difference.interval[1] * 100.0)),
        drop: signed(difference.drop),
        interval: interval(difference.interval),
        p: p_value(difference.p_value, study.settings.bootstrap),
        significant: significant(difference),
    };
    let clean = vec![row("All classes".into(), &comparison.clean_drop)];
    let groups = comparison.groups.iter().map(|(of, d)| row(capital(of.name()), d)).collect();
    let mut corruptions: Vec<_> = comparison.corruptions.iter().collect();
    corruptions.sort_by(|(_, a), (_, b)| b.drop.total_cmp(&a.drop));
    let corruptions = corruptions.into_iter().map(|(name, d)| row(capital(&words(name)), d)).collect();
    let worst = worst(comparison);
    let of = if worst.len() < comparison.classes.len() {
        format!(
            "Drop on clean images, the {} classes of {} that lose the most",
            worst.len(),
            comparison.classes.len()
        )
    } else {
        "Drop on clean images, by class".to_owned()
    };
    let classes = worst.into_iter().map(|(name, d)| row(name.to_owned(), d)).collect();
    let sections = [
        ("Drop on clean images".to_owned(), clean),
        ("Extra drop, by group".to_owned(), groups),
        ("Extra drop, by corruption".to_owned(), corruptions),
        (of, classes),
    ];
    let sections: Vec<_> = sections
        .into_iter()
        .filter(|(_, rows): &(String, Vec<ForestRow>)| !rows.is_empty())
        .map(|(title, rows)| Section { title, rows })
        .collect();
    Forest {
        index,
        series: index % SERIES.len(),
        name: variant.name.clone(),
        base: variant.base.clone().unwrap_or_default(),
        sections,
        note: note(comparison),
    }
}

/// How much of what looks like a difference remains once it is counted how often one looked.
fn note(comparison: &Comparison) -> String {
    let all: Vec<_> = comparison.corruptions.iter().map(|(_, difference)| difference).collect();
    let (count, seen, left) = (all.len(), all.iter().filter(|d| significant(d)).count(), holm(&all));
    let left = match left {
        0 => "none still does".to_owned(),
        1 => "1 still does".to_owned(),
        n => format!("{n} still do"),
    };
    let after = format!("{left} after Holm's correction for looking {count} times");
    match (count, seen) {
        (0, _) => String::new(),
        (_, 0) => format!("None of {count} corruptions differs from the base at p\u{a0}<\u{a0}0.05."),
        (_, 1) => format!("Of {count} corruptions, 1 differs from the base at p\u{a0}<\u{a0}0.05; {after}."),
        (_, n) => format!("Of {count} corruptions, {n} differ from the base at p\u{a0}<\u{a0}0.05; {after}."),
    }
}
