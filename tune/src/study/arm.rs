//! The arms of a study: what a training run has beside its losses.

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// What a training run has beside its losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// Nothing.
    Plain,
    /// The student sees corrupted images.
    Augmentation,
    /// Rare classes count for more.
    Imbalance,
    /// Both of these.
    Both,
}

impl Arm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Augmentation, Self::Imbalance, Self::Both];

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Augmentation => "augmentation",
            Self::Imbalance => "imbalance",
            Self::Both => "both",
        }
    }
}

/// What the arms change in the file of a run: tables that are merged over it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmTables {
    /// Of every arm: what makes the run plain, where it is not.
    #[serde(default)]
    pub plain: Table,
    /// What switches augmentation on.
    pub augmentation: Table,
    /// What switches methods for imbalance on.
    pub imbalance: Table,
}

impl ArmTables {
    /// The file of a run as `arm` has it.
    #[must_use]
    pub fn apply(&self, run: &Table, arm: Arm) -> Table {
        let mut merged = run.clone();
        merge(&mut merged, &self.plain);
        if matches!(arm, Arm::Augmentation | Arm::Both) {
            merge(&mut merged, &self.augmentation);
        }
        if matches!(arm, Arm::Imbalance | Arm::Both) {
            merge(&mut merged, &self.imbalance);
        }
        merged
    }
}

/// Puts the values of `over` into `table`; tables within are merged, everything else is replaced.
pub(super) fn merge(table: &mut Table, over: &Table) {
    for (key, value) in over {
        match (table.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(over)) => merge(inner, over),
            _ => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Table {
        text.parse().unwrap()
    }

    #[test]
    fn arms_change_what_they_name_and_nothing_else() {
        let run =
            table("seed = 1\n[data.corruption]\nprobability = 0.9\nramp = 0.1\n[data.geometric]\nflip = 0.5");
        let arms = ArmTables {
            plain: table("[data.corruption]\nprobability = 0.0"),
            augmentation: table("[data.corruption]\nprobability = 0.5\nhold_out = [\"fog\"]"),
            imbalance: table("[imbalance]\nrepeat = 0.1"),
        };
        let probability =
            |arm| arms.apply(&run, arm)["data"]["corruption"]["probability"].as_float().unwrap();
        assert_eq!(Arm::ALL.map(probability), [0.0, 0.5, 0.0, 0.5]);
        let has_imbalance = |arm| arms.apply(&run, arm).contains_key("imbalance");
        assert_eq!(Arm::ALL.map(has_imbalance), [false, false, true, true]);
        let both = arms.apply(&run, Arm::Both);
        assert_eq!(both["data"]["geometric"]["flip"].as_float(), Some(0.5));
        assert_eq!(both["data"]["corruption"]["ramp"].as_float(), Some(0.1));
        assert_eq!(both["seed"].as_integer(), Some(1));
    }

    #[test]
    fn a_value_gives_way_to_a_table_and_a_table_to_a_value() {
        let mut merged = table("a = 1\n[b]\nc = 2");
        merge(&mut merged, &table("b = 3\n[a]\nd = 4"));
        assert_eq!(merged, table("b = 3\n[a]\nd = 4"));
    }
}
