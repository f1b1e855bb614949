//! What each compression came to in each arm.

use roadproof::corruption::Group;
use serde::{Deserialize, Serialize};

use super::effect::{Draws, Effect, estimate};
use super::table::{Quantity, Table};
use crate::study::arm::Arm;

/// What a compression came to in an arm: AP, 0 to 1, means over seeds with their intervals (whose p-values say nothing).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SummaryRow {
    /// Name of the compression.
    pub compression: String,
    /// `none`, `structured` or `unstructured`.
    pub method: String,
    /// The share of channels or weights that goes.
    pub rate: f64,
    /// The arm.
    pub arm: Arm,
    /// On clean images.
    pub clean: Option<Effect>,
    /// Mean over corruptions and severities.
    pub mpc: Option<Effect>,
    /// Mean over the corruptions that augmentation never used.
    pub held_out: Option<Effect>,
    /// Mean over each group that was measured.
    pub groups: Vec<(Group, Effect)>,
    /// Of the parent's worst class, clean.
    pub worst_class: Option<Effect>,
    /// Of the lowest fifth of the classes, clean.
    pub lowest_fifth: Option<Effect>,
}

/// One row for each compression and arm, in this order.
#[must_use]
pub fn summary(table: &Table, draws: &Draws, arms: &[Arm]) -> Vec<SummaryRow> {
    let mut rows = Vec::new();
    for (place, level) in table.levels().iter().enumerate() {
        for arm in arms {
            let of = |quantity| estimate(table, draws, &|view| view.ap(place, *arm, quantity));
            let group = |group| Some((group, of(Quantity::Group(group))?));
            rows.push(SummaryRow {
                compression: level.name.clone(),
                method: level.method.name().to_owned(),
                rate: level.rate,
                arm: *arm,
                clean: of(Quantity::Clean),
                mpc: of(Quantity::Corrupted),
                held_out: of(Quantity::HeldOut),
                groups: Group::ALL.into_iter().filter_map(group).collect(),
                worst_class: of(Quantity::WorstClass),
                lowest_fifth: of(Quantity::LowestFifth),
            });
        }
    }
    rows
}
