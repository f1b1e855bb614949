//! The four claims of Cygert & Czyżewski, "Robustness in Compressed Neural Networks for Object Detection" (IJCNN 2021, arXiv
//! 2102.05509), each as a difference that is above 0 where it holds.

mod augmentation;
mod imbalance;
mod noise;
mod worst;

use serde::{Deserialize, Serialize};

use super::effect::{Draws, Effect, View, estimate};
use super::significance::{LEVEL, holm};
use super::table::{Quantity, Table};
use crate::study::arm::Arm;

/// What came of a claim or a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Beyond 0 on the claimed side.
    Confirmed,
    /// Beyond 0 on the other side.
    Contradicted,
    /// Neither.
    Undecided,
}

/// What a test has to do with its claim's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Decides it.
    Primary,
    /// Shows another side of it.
    Secondary,
    /// One compression; its p-value is adjusted over all of these.
    Compression,
}

/// What an effect is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// AP, 0 to 1.
    Ap,
    /// A share of another AP.
    Share,
    /// AP per unit of the rate, 0 to 1.
    ApPerRate,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What it is of.
    pub name: String,
    /// What it has to do with the verdict.
    pub scope: Scope,
    /// What the effect is in.
    pub unit: Unit,
    /// Above 0 where the claim holds; `None` where it is not defined.
    pub effect: Option<Effect>,
    /// The p-value, adjusted over the compressions of the same claim; `None` where only one difference is tested.
    pub p_adjusted: Option<f64>,
    /// What comes of it.
    pub verdict: Verdict,
    /// Why there is no effect; empty where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A claim and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// In a few words.
    pub title: String,
    /// What was claimed.
    pub statement: String,
    /// How it is decided.
    pub rule: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Differences, those that decide first.
    pub tests: Vec<Test>,
}

/// The four claims. A claim whose arms were not trained stays undecided.
#[must_use]
pub fn claims(table: &Table, draws: &Draws) -> Vec<Claim> {
    let bench = Bench { table, draws };
    vec![noise::claim(&bench), augmentation::claim(&bench), imbalance::claim(&bench), worst::claim(&bench)]
}

/// What tests are done on.
struct Bench<'a> {
    table: &'a Table,
    draws: &'a Draws,
}

impl Bench<'_> {
    fn test(
        &self,
        name: &str,
        (scope, unit): (Scope, Unit),
        statistic: &dyn Fn(&View<'_>) -> Option<f64>,
    ) -> Test {
        let effect = estimate(self.table, self.draws, statistic);
        let verdict = effect.map_or(Verdict::Undecided, |effect| self.verdict(effect.interval));
        let note = if effect.is_some() { String::new() } else { "not measured".to_owned() };
        Test { name: name.to_owned(), scope, unit, effect, p_adjusted: None, verdict, note }
    }

    /// The same difference on each of `levels`, with p-values adjusted over them.
    fn by_compression(
        &self,
        levels: &[usize],
        unit: Unit,
        statistic: &dyn Fn(&View<'_>, usize) -> Option<f64>,
    ) -> Vec<Test> {
        let named = |place: &usize| self.table.levels.get(*place).map(|level| (*place, level.name.as_str()));
        let levels = levels.iter().filter_map(named);
        let mut tests: Vec<Test> = levels
            .map(|(place, name)| self.test(name, (Scope::Compression, unit), &|view| statistic(view, place)))
            .collect();
        let values: Vec<f64> = tests.iter().filter_map(|test| Some(test.effect?.p_value)).collect();
        let defined = tests.iter_mut().filter(|test| test.effect.is_some());
        for (test, adjusted) in defined.zip(holm(&values)) {
            test.p_adjusted = Some(adjusted);
            if adjusted >= LEVEL {
                test.verdict = Verdict::Undecided;
            }
        }
        tests
    }

    fn verdict(&self, [low, high]: [f64; 2]) -> Verdict {
        match (low > 0.0, high < 0.0) {
            // how much seeds differ by is not known
            _ if self.table.seeds < 2 => Verdict::Undecided,
            (true, _) => Verdict::Confirmed,
            (_, true) => Verdict::Contradicted,
            _ => Verdict::Undecided,
        }
    }
}

/// AP of one arm minus that of the plain arm.
fn gain(view: &View<'_>, level: usize, arm: Arm, quantity: Quantity) -> Option<f64> {
    Some(view.ap(level, arm, quantity)? - view.ap(level, Arm::Plain, quantity)?)
}

/// The mean of a statistic over levels; `None` where there are none, or one lacks it.
fn mean_over(levels: &[usize], statistic: impl Fn(usize) -> Option<f64>) -> Option<f64> {
    let sum = levels.iter().map(|level| statistic(*level)).sum::<Option<f64>>()?;
    (!levels.is_empty()).then(|| sum / levels.len() as f64)
}

/// A quotient; `None` where there is nothing to divide by.
fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}
