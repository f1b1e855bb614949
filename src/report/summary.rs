//! The table that a decision starts from.

use super::number::{NONE, count, interval, megabytes, ms, percent, points_or, words};
use super::words::{Lead, caveats, cost, leads};
use crate::evaluation::{Study, Variant};

pub(super) struct Summary {
    pub(super) rows: Vec<Row>,
    pub(super) leads: Vec<Lead>,
    pub(super) caveats: Vec<String>,
    pub(super) costs: Vec<Cost>,
}

pub(super) struct Row {
    pub(super) series: usize,
    pub(super) name: String,
    pub(super) base: Option<String>,
    pub(super) ap: Value,
    pub(super) mpc: Value,
    pub(super) rpc: Value,
    pub(super) worst_class: Value,
    pub(super) worst_corruption: Value,
    pub(super) p50: String,
    pub(super) p99: String,
    pub(super) size: String,
}

/// A value, and in small letters what belongs to it: its interval, or why there is none.
pub(super) struct Value {
    pub(super) main: String,
    pub(super) note: String,
}

pub(super) struct Cost {
    pub(super) name: String,
    pub(super) base: String,
    pub(super) sentences: Vec<String>,
}

impl Value {
    fn new(main: impl Into<String>, note: impl Into<String>) -> Self {
        Self { main: main.into(), note: note.into() }
    }

    fn none(why: &str) -> Self {
        Self::new(NONE, why)
    }
}

pub(super) fn summary(study: &Study) -> Summary {
    let costs = study.variants.iter().filter_map(|variant| {
        let sentences = cost(study, variant);
        let base = variant.base.clone().unwrap_or_default();
        (!sentences.is_empty()).then(|| Cost { name: variant.name.clone(), base, sentences })
    });
    Summary {
        rows: study.variants.iter().enumerate().map(|(i, variant)| row(study, i, variant)).collect(),
        leads: leads(study),
        caveats: caveats(study),
        costs: costs.collect(),
    }
}

fn row(study: &Study, index: usize, variant: &Variant) -> Row {
    let min = study.settings.min_support;
    let ap = match (variant.clean.ap, variant.clean.ap_interval) {
        (None, _) => Value::none("no class has instances"),
        (ap, Some(range)) => Value::new(points_or(ap), interval(range)),
        (ap, None) => Value::new(points_or(ap), "no interval"),
    };
    let mpc = match variant.robustness.mpc {
        None => Value::none(if variant.cells.is_empty() { "nothing was corrupted" } else { "no AP" }),
        mpc => Value::new(points_or(mpc), ""),
    };
    let rpc = match variant.robustness.rpc {
        None => Value::none(if variant.robustness.mpc.is_none() { "no mPC" } else { "clean AP is 0" }),
        Some(rpc) => Value::new(percent(rpc), ""),
    };
    let worst_class = match &variant.worst_class {
        None => Value::none(&format!("no class has {min} instances")),
        Some(worst) => Value::new(
            format!("{} {}", worst.name, points_or(Some(worst.ap))),
            format!("{}, n\u{a0}=\u{a0}{}", interval(worst.interval), count(worst.instances)),
        ),
    };
    let worst_corruption = match &variant.worst_corruption {
        None => Value::none("nothing was corrupted"),
        Some(name) => {
            let of = || {
                variant
                    .cells
                    .iter()
                    .filter(|cell| &cell.corruption == name)
                    .filter_map(|cell| cell.accuracy.ap)
            };
            let mean = (of().count() > 0).then(|| of().sum::<f64>() / of().count() as f64);
            Value::new(words(name), format!("mean AP {}", points_or(mean)))
        }
    };
    Row {
        series: index % super::palette::SERIES.len(),
        name: variant.name.clone(),
        base: variant.base.clone(),
        ap,
        mpc,
        rpc,
        worst_class,
        worst_corruption,
        p50: ms(variant.latency.p50_ms),
        p99: ms(variant.latency.p99_ms),
        size: megabytes(variant.model.size_bytes),
    }
}
