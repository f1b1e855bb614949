//! The cells of a study: every compression, in every arm, with every seed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StudyError;
use super::arm::{Arm, merge};
use super::options::{Compression, StudyFile, StudyOptions};

/// One training run of a study.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Name of its compression.
    pub compression: String,
    /// Its arm.
    pub arm: Arm,
    /// Its seed.
    pub seed: u64,
}

impl Cell {
    /// Its name, and that of its folder: `COMPRESSION-ARM-SEED`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}-{}-{}", self.compression, self.arm.name(), self.seed)
    }

    /// Its folder in that of the study.
    #[must_use]
    pub fn folder(&self, study: &Path) -> PathBuf {
        study.join("runs").join(self.name())
    }
}

/// All cells, seed by seed, so that a study that was stopped has whole seeds to show.
#[must_use]
pub fn cells(options: &StudyOptions) -> Vec<Cell> {
    let mut cells = Vec::new();
    for seed in &options.seeds {
        for level in &options.compression {
            for arm in &options.arms {
                cells.push(Cell { compression: level.name.clone(), arm: *arm, seed: *seed });
            }
        }
    }
    cells
}

impl StudyFile {
    /// The compression of a cell.
    pub(super) fn level(&self, cell: &Cell) -> Result<&Compression, StudyError> {
        let found = self.options.compression.iter().find(|level| level.name == cell.compression);
        found.ok_or_else(|| StudyError::Cell {
            cell: cell.name(),
            problem: format!("the study has no compression `{}`", cell.compression),
        })
    }

    /// The file of a cell's run: that of the study's with what arm and seed change. `parent` and `student` are left to
    /// whoever knows where they lie.
    #[must_use]
    pub fn run_of(&self, cell: &Cell) -> toml::Table {
        let mut run = self.options.arm.apply(&self.run, cell.arm);
        let mut own = toml::Table::new();
        own.insert("name".to_owned(), toml::Value::String(cell.name()));
        // seeds come from TOML, whose integers are of this type
        own.insert("seed".to_owned(), toml::Value::Integer(cell.seed as i64));
        merge(&mut run, &own);
        run
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::study::options::tests::SMALL;

    fn study() -> StudyFile {
        StudyFile {
            options: toml::from_str(SMALL).unwrap(),
            run: "seed = 9\nparent = \"p.toml\"\n[data.corruption]\nprobability = 0.0".parse().unwrap(),
        }
    }

    #[test]
    fn every_combination_is_there_once_and_seeds_follow_each_other() {
        let cells = cells(&study().options);
        assert_eq!(cells.len(), 2 * 4 * 2);
        let names: HashSet<String> = cells.iter().map(Cell::name).collect();
        assert_eq!(names.len(), cells.len());
        assert!(names.contains("c50-augmentation-1"));
        assert!(cells[..8].iter().all(|cell| cell.seed == 0));
    }

    #[test]
    fn a_run_has_its_cells_seed_name_and_arm() {
        let cell = Cell { compression: "c50".to_owned(), arm: Arm::Augmentation, seed: 4 };
        let run = study().run_of(&cell);
        assert_eq!(run["seed"].as_integer(), Some(4));
        assert_eq!(run["name"].as_str(), Some("c50-augmentation-4"));
        assert_eq!(run["data"]["corruption"]["probability"].as_float(), Some(0.5));
        assert_eq!(run["parent"].as_str(), Some("p.toml"));
        assert!(study().level(&Cell { compression: "x".to_owned(), ..cell }).is_err());
    }
}
