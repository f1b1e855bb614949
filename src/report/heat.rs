//! AP by corruption and severity.

use super::number::{NONE, percent, points, points_or, words};
use super::palette::step;
use super::words::capital;
use crate::corruption::Group;
use crate::evaluation::{Study, Variant};

const ORDER: [Group; 6] =
    [Group::Noise, Group::Blur, Group::Weather, Group::Digital, Group::Camera, Group::Stream];

pub(super) struct HeatMap {
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) clean: String,
    pub(super) severities: Vec<String>,
    pub(super) groups: Vec<HeatGroup>,
}

pub(super) struct HeatGroup {
    pub(super) name: String,
    pub(super) mean: String,
    pub(super) rows: Vec<HeatRow>,
}

pub(super) struct HeatRow {
    pub(super) corruption: String,
    pub(super) cells: Vec<HeatCell>,
}

pub(super) struct HeatCell {
    /// `q0` to `q7`, or `none`.
    pub(super) class: String,
    pub(super) ap: String,
    pub(super) left: String,
}

/// One map for each variant.
pub(super) fn maps(study: &Study) -> Vec<HeatMap> {
    study.variants.iter().enumerate().map(|(index, variant)| map(study, index, variant)).collect()
}

fn map(study: &Study, index: usize, variant: &Variant) -> HeatMap {
    let groups = ORDER.into_iter().filter_map(|of| {
        let in_group = |name: &&String| variant.cells.iter().any(|c| c.corruption == **name && c.group == of);
        let rows: Vec<_> = study
            .settings
            .corruptions
            .iter()
            .filter(in_group)
            .map(|name| row(study, variant, name))
            .collect();
        let found = variant.robustness.groups.iter().find(|entry| entry.group == of);
        let mean = found.map_or_else(
            || NONE.to_owned(),
            |entry| match entry.rpc {
                Some(rpc) => format!("mean {}, {} of clean", points_or(entry.mpc), percent(rpc)),
                None => format!("mean {}", points_or(entry.mpc)),
            },
        );
        (!rows.is_empty()).then(|| HeatGroup { name: capital(of.name()), mean, rows })
    });
    HeatMap {
        index,
        name: variant.name.clone(),
        clean: points_or(variant.clean.ap),
        severities: study.settings.severities.iter().map(ToString::to_string).collect(),
        groups: groups.collect(),
    }
}

fn row(study: &Study, variant: &Variant, corruption: &str) -> HeatRow {
    let cells = study.settings.severities.iter().map(|severity| {
        let same = variant
            .cells
            .iter()
            .find(|cell| cell.corruption == corruption && (cell.severity - severity).abs() < 1e-9);
        match (same.and_then(|cell| cell.accuracy.ap), variant.clean.ap) {
            (Some(ap), Some(clean)) if clean > 0.0 => HeatCell {
                class: format!("q{}", step(1.0 - ap / clean)),
                ap: points(ap),
                left: percent(ap / clean),
            },
            (Some(ap), _) => HeatCell { class: "none".into(), ap: points(ap), left: NONE.into() },
            (None, _) => {
                let why = if same.is_some() { "no AP" } else { "not run" };
                HeatCell { class: "none".into(), ap: NONE.into(), left: why.into() }
            }
        }
    });
    HeatRow { corruption: words(corruption), cells: cells.collect() }
}
