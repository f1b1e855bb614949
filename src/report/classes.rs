//! AP class by class, the worst first.

use super::chart::percent;
use super::number::{NONE, count, interval, points_or};
use super::palette::SERIES;
use crate::evaluation::{ClassAccuracy, Study, Variant};

/// Rows that are shown at once; the rest folds away.
const FIRST: usize = 15;

pub(super) struct ClassChart {
    pub(super) index: usize,
    pub(super) series: usize,
    pub(super) name: String,
    /// The worst.
    pub(super) first: Vec<ClassRow>,
    /// Better ones, folded.
    pub(super) rest: Vec<ClassRow>,
    /// Those with too few instances to judge.
    pub(super) few: Vec<ClassRow>,
}

pub(super) struct ClassRow {
    pub(super) name: String,
    pub(super) support: String,
    pub(super) ap: String,
    pub(super) interval: String,
    /// Width of the bar.
    pub(super) width: String,
    /// Ends of the interval.
    pub(super) ends: Option<(String, String)>,
    /// Where the base is.
    pub(super) base: Option<String>,
}

pub(super) struct Classes {
    pub(super) charts: Vec<ClassChart>,
    /// Classes without instances, for which there is no AP.
    pub(super) absent: Vec<String>,
    pub(super) min_support: usize,
    pub(super) any_base: bool,
}

pub(super) fn classes(study: &Study) -> Classes {
    let absent = study.dataset.classes.iter().filter(|class| class.instances == 0);
    Classes {
        charts: study.variants.iter().enumerate().map(|(i, variant)| chart(study, i, variant)).collect(),
        absent: absent.map(|class| class.name.clone()).collect(),
        min_support: study.settings.min_support,
        any_base: study.variants.iter().any(|variant| variant.base.is_some()),
    }
}

fn chart(study: &Study, index: usize, variant: &Variant) -> ClassChart {
    let base = variant.base.as_ref().and_then(|name| study.variants.iter().find(|v| &v.name == name));
    let supported = variant.clean.classes.iter().zip(&study.dataset.classes).enumerate();
    let mut known: Vec<_> = supported.filter(|(_, (_, support))| support.instances > 0).collect();
    known.sort_by(|(_, (a, _)), (_, (b, _))| a.ap.unwrap_or(-1.0).total_cmp(&b.ap.unwrap_or(-1.0)));
    let (enough, few): (Vec<_>, Vec<_>) =
        known.into_iter().partition(|(_, (_, support))| support.instances >= study.settings.min_support);
    let to_row = |(i, (class, support)): (usize, (&ClassAccuracy, &crate::evaluation::ClassSupport))| {
        let base = base.and_then(|base| base.clean.classes.get(i)?.ap);
        row(class, support.instances, base)
    };
    let mut first: Vec<_> = enough.into_iter().map(to_row).collect();
    // Two or three more are no reason to fold.
    let rest = if first.len() > FIRST + 3 { first.split_off(FIRST) } else { vec![] };
    let few = few.into_iter().map(to_row).collect();
    ClassChart { index, series: index % SERIES.len(), name: variant.name.clone(), first, rest, few }
}

fn row(class: &ClassAccuracy, support: usize, base: Option<f64>) -> ClassRow {
    ClassRow {
        name: class.name.clone(),
        support: count(support),
        ap: points_or(class.ap),
        interval: match (class.ap, class.interval) {
            (None, _) => "no AP".into(),
            (_, None) => NONE.into(),
            (_, Some(range)) => interval(range),
        },
        width: percent(class.ap.unwrap_or(0.0)),
        ends: class.interval.map(|[low, high]| (percent(low), percent(high))),
        base: base.map(percent),
    }
}
