//! What every model is worth, in every respect and resample.

use roadproof::corruption::Group;

use super::super::StudyError;
use super::super::arm::Arm;
use super::super::measured::{Measured, Resampled, mean};
use super::super::options::Method;

/// A level of compression.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Its name.
    pub name: String,
    /// What is done.
    pub method: Method,
    /// The share of channels or weights that goes, 0 to 1.
    pub rate: f64,
}

/// What AP is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Clean images, mean over classes.
    Clean,
    /// The mean over all corruptions and severities (mPC, arXiv 1907.07484).
    Corrupted,
    /// The mean over those of a group.
    Group(Group),
    /// The mean over those that augmentation never used.
    HeldOut,
    /// Clean images, of the class that the parent is worst at.
    WorstClass,
    /// Clean images, mean over the fifth of the classes that the parent is worst at.
    LowestFifth,
}

/// How many quantities there are.
const QUANTITIES: usize = 5 + Group::ALL.len();

impl Quantity {
    const fn index(self) -> usize {
        match self {
            Self::Clean => 0,
            Self::Corrupted => 1,
            Self::HeldOut => 2,
            Self::WorstClass => 3,
            Self::LowestFifth => 4,
            Self::Group(group) => 5 + group as usize,
        }
    }
}

/// AP by compression, arm, seed and quantity: on all images, and in each resample of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub(super) levels: Vec<Level>,
    pub(super) seeds: usize,
    pub(super) resamples: usize,
    /// By level, arm, seed and quantity (see [`Table::slot`]); the first value is of all images. Empty where nothing is known.
    values: Vec<Vec<Option<f64>>>,
}

/// The classes that the parent is worst at: their places among those with enough instances, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::study) struct Worst(Vec<usize>);

impl Worst {
    /// Of the parent's clean AP by class; of classes as bad as each other the first.
    pub(in crate::study) fn of(parent: &Measured) -> Self {
        let ap = |place: &usize| parent.classes.get(*place).and_then(|class| class.ap.ap).unwrap_or(0.0);
        let mut places: Vec<usize> = (0..parent.classes.len()).collect();
        places.sort_by(|a, b| ap(a).total_cmp(&ap(b)));
        Self(places)
    }

    /// The worst class, if any has enough instances.
    pub(in crate::study) fn first(&self) -> Option<usize> {
        self.0.first().copied()
    }

    /// The lowest fifth, rounded up.
    pub(in crate::study) fn fifth(&self) -> &[usize] {
        self.0.get(..self.0.len().div_ceil(5)).unwrap_or_default()
    }
}

impl Table {
    /// An empty one of `seeds` seeds and `resamples` resamples.
    #[must_use]
    pub fn new(levels: Vec<Level>, seeds: usize, resamples: usize) -> Self {
        let slots = levels.len() * Arm::ALL.len() * seeds * QUANTITIES;
        Self { levels, seeds, resamples, values: vec![Vec::new(); slots] }
    }

    /// Where the values of a cell lie; level and seed are below their numbers.
    fn slot(&self, (level, arm, seed): (usize, Arm, usize), quantity: Quantity) -> usize {
        ((level * Arm::ALL.len() + arm as usize) * self.seeds + seed) * QUANTITIES + quantity.index()
    }

    /// Its levels.
    #[must_use]
    pub fn levels(&self) -> &[Level] {
        &self.levels
    }

    /// Its seeds.
    #[must_use]
    pub fn seeds(&self) -> usize {
        self.seeds
    }

    /// Takes in AP on all images and then in each resample.
    ///
    /// # Errors
    /// There are more or fewer resamples than in the table, or the level or seed is beyond the last.
    pub fn set(
        &mut self,
        (level, arm, seed): (usize, Arm, usize),
        quantity: Quantity,
        values: Vec<Option<f64>>,
    ) -> Result<(), StudyError> {
        let wanted = (self.levels.len(), self.seeds, self.resamples);
        if level >= wanted.0 || seed >= wanted.1 || values.len() != wanted.2 + 1 {
            let found = (level, seed, values.len().saturating_sub(1));
            return Err(StudyError::Cell {
                cell: format!("level {level}, {}, seed {seed}", arm.name()),
                problem: format!(
                    "expected a level below {}, a seed below {} and {} resamples, found {}, {} and {}",
                    wanted.0, wanted.1, wanted.2, found.0, found.1, found.2
                ),
            });
        }
        let slot = self.slot((level, arm, seed), quantity);
        if let Some(place) = self.values.get_mut(slot) {
            *place = values;
        }
        Ok(())
    }

    /// Takes in all that was measured of a cell. `held_out` tells which corruptions augmentation never used.
    pub(in crate::study) fn add(
        &mut self,
        at: (usize, Arm, usize),
        measured: &Measured,
        worst: &Worst,
        held_out: &dyn Fn(&str) -> bool,
    ) -> Result<(), StudyError> {
        let resamples = self.resamples;
        let conditions = |chosen: &dyn Fn(&str, Group) -> bool| -> Vec<&Resampled> {
            let of_kind = measured.conditions.iter();
            let chosen = of_kind.filter(|condition| chosen(&condition.corruption, condition.group));
            chosen.map(|condition| &condition.ap).collect()
        };
        let classes = |places: &[usize]| -> Vec<&Resampled> {
            places.iter().filter_map(|place| Some(&measured.classes.get(*place)?.ap)).collect()
        };
        let mut parts = vec![
            (Quantity::Clean, vec![&measured.clean]),
            (Quantity::Corrupted, conditions(&|_, _| true)),
            (Quantity::HeldOut, conditions(&|name, _| held_out(name))),
            (Quantity::WorstClass, classes(worst.first().as_slice())),
            (Quantity::LowestFifth, classes(worst.fifth())),
        ];
        for group in Group::ALL {
            parts.push((Quantity::Group(group), conditions(&|_, own| own == group)));
        }
        for (quantity, parts) in parts {
            if parts.is_empty() {
                continue;
            }
            if let Some(part) = parts.iter().find(|part| part.resamples.len() != resamples) {
                return Err(StudyError::Cell {
                    cell: format!("level {}, {}, seed {}", at.0, at.1.name(), at.2),
                    problem: format!("expected {resamples} resamples, found {}", part.resamples.len()),
                });
            }
            let all = mean(parts.iter().map(|part| part.ap));
            let resampled = (0..resamples).map(|resample| {
                mean(parts.iter().map(|part| part.resamples.get(resample).copied().flatten().map(f64::from)))
            });
            self.set(at, quantity, std::iter::once(all).chain(resampled).collect())?;
        }
        Ok(())
    }

    /// AP in a resample, from 1 on; 0 is all images.
    pub(super) fn get(
        &self,
        (level, arm, seed): (usize, Arm, usize),
        quantity: Quantity,
        resample: usize,
    ) -> Option<f64> {
        self.values.get(self.slot((level, arm, seed), quantity))?.get(resample).copied().flatten()
    }

    /// The place of the level without compression.
    pub(super) fn unpruned(&self) -> Option<usize> {
        self.levels.iter().position(|level| level.method == Method::None)
    }

    /// The places of the levels with compression.
    pub(super) fn pruned(&self) -> Vec<usize> {
        let pruned = self.levels.iter().enumerate().filter(|(_, level)| level.method != Method::None);
        pruned.map(|(place, _)| place).collect()
    }
}
