//! What a study found: the content of `results.json`.

use roadproof::corruption::{Corruption, Group};
use roadproof::detector::ModelManifest;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::StudyError;
use super::analysis::{Claim, Draws, Level, SummaryRow, Table, Worst, claims, summary};
use super::arm::Arm;
use super::factorial::{CellResult, Factorial};
use super::measured::{Measured, mean};
use super::plan::cells;

/// The layout of `results.json`; counts up when a name in it changes its meaning.
pub const RESULTS_FORMAT: u32 = 1;

/// What a study found. Accuracies are AP over IoU 0.50 to 0.95, 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyResults {
    /// [`RESULTS_FORMAT`].
    pub format: u32,
    /// Version of the program.
    pub roadproof_version: String,
    /// Title of the study.
    pub name: String,
    /// The uncompressed model, as it is.
    pub parent: ParentRow,
    /// Images that were measured on.
    pub images: usize,
    /// Corruptions that were measured.
    pub corruptions: Vec<String>,
    /// Severities of each.
    pub severities: Vec<f64>,
    /// Corruptions among these that augmentation never used.
    pub held_out: Vec<String>,
    /// Instances that a class needs to be called the worst.
    pub min_support: usize,
    /// Resamples behind each interval.
    pub bootstrap: usize,
    /// Where corruptions and resamples come from.
    pub seed: u64,
    /// Seeds that have all their cells, and so are in the figures.
    pub seeds: Vec<u64>,
    /// Seeds of the plan.
    pub planned_seeds: usize,
    /// Arms that were trained.
    pub arms: Vec<Arm>,
    /// The class that the parent is worst at.
    pub worst_class: Option<String>,
    /// The fifth of the classes that the parent is worst at, the worst first.
    pub lowest_fifth: Vec<String>,
    /// Each compression in each arm.
    pub rows: Vec<SummaryRow>,
    /// The claims.
    pub claims: Vec<Claim>,
    /// Wall-clock time that tuning and measuring took, all cells, hours.
    pub hours: [f64; 2],
}

/// The parent as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentRow {
    /// Its name.
    pub name: String,
    /// SHA-256 of its ONNX file; `None` where its manifest has none.
    pub sha256: Option<String>,
    /// On clean images.
    pub clean: Option<f64>,
    /// Mean over corruptions and severities.
    pub mpc: Option<f64>,
    /// Of each group that was measured.
    pub groups: Vec<(Group, f64)>,
    /// Of its worst class, clean.
    pub worst_class: Option<f64>,
}

impl ParentRow {
    fn new(manifest: &ModelManifest, measured: &Measured, worst: &Worst) -> Self {
        let of = |chosen: &dyn Fn(Group) -> bool| {
            let conditions = measured.conditions.iter().filter(|condition| chosen(condition.group));
            mean(conditions.map(|condition| condition.ap.ap))
        };
        let group = |group| Some((group, of(&|own| own == group)?));
        let class = worst.first().and_then(|place| measured.classes.get(place));
        Self {
            name: manifest.name.clone(),
            sha256: manifest.sha256.clone(),
            clean: measured.clean.ap,
            mpc: of(&|_| true),
            groups: Group::ALL.into_iter().filter_map(group).collect(),
            worst_class: class.and_then(|class| class.ap.ap),
        }
    }
}

impl Factorial<'_> {
    /// Sums up the seeds that have all their cells. `parent` is the manifest of the uncompressed model.
    ///
    /// # Errors
    /// No seed is whole, the parent was not measured, or results do not fit each other.
    pub fn analyse(&self, parent: &ModelManifest) -> Result<StudyResults, StudyError> {
        let options = &self.file.options;
        let mut found: Vec<CellResult> = Vec::new();
        let wanted = cells(options);
        for cell in &wanted {
            found.extend(self.result(cell)?);
        }
        let of = |level: &str, arm: Arm, seed: u64| {
            let is_it = |result: &&CellResult| {
                let cell = result.cell.as_ref();
                cell.is_some_and(|cell| cell.compression == level && cell.arm == arm && cell.seed == seed)
            };
            found.iter().find(is_it)
        };
        let is_whole = |seed: &u64| {
            let has = |level: &str| options.arms.iter().all(|arm| of(level, *arm, *seed).is_some());
            options.compression.iter().all(|level| has(&level.name))
        };
        let seeds: Vec<u64> = options.seeds.iter().copied().filter(is_whole).collect();
        let incomplete = || StudyError::Incomplete { found: found.len(), wanted: wanted.len() };
        let base = self.parent()?.filter(|_| !seeds.is_empty()).ok_or_else(incomplete)?;

        let worst = Worst::of(&base.measured);
        let measured = options.evaluation.corruptions().unwrap_or_default();
        let held_out = self.held_out(&measured);
        let is_held_out = |name: &str| held_out.iter().any(|corruption| corruption.name() == name);
        let levels = options.compression.iter().map(|level| Level {
            name: level.name.clone(),
            method: level.method(),
            rate: level.rate(),
        });
        let bootstrap = options.evaluation.bootstrap;
        let mut table = Table::new(levels.collect(), seeds.len(), bootstrap);
        for (place, level) in options.compression.iter().enumerate() {
            for arm in &options.arms {
                for (number, seed) in seeds.iter().enumerate() {
                    if let Some(result) = of(&level.name, *arm, *seed) {
                        table.add((place, *arm, number), &result.measured, &worst, &is_held_out)?;
                    }
                }
            }
        }
        let draws = Draws::new(bootstrap, seeds.len(), options.evaluation.seed);
        let class = |place: &usize| Some(base.measured.classes.get(*place)?.name.clone());
        let names = |corruptions: &[Corruption]| -> Vec<String> {
            corruptions.iter().map(|corruption| corruption.name().to_owned()).collect()
        };
        let hours = |part: fn(&CellResult) -> f64| found.iter().map(part).sum::<f64>() / 3600.0;
        Ok(StudyResults {
            format: RESULTS_FORMAT,
            roadproof_version: env!("CARGO_PKG_VERSION").to_owned(),
            name: options.name.clone(),
            parent: ParentRow::new(parent, &base.measured, &worst),
            images: base.measured.images,
            corruptions: names(&measured),
            severities: options.evaluation.severities.clone(),
            held_out: names(&held_out),
            min_support: options.evaluation.min_support,
            bootstrap,
            seed: options.evaluation.seed,
            planned_seeds: options.seeds.len(),
            arms: options.arms.clone(),
            worst_class: worst.first().as_ref().and_then(class),
            lowest_fifth: worst.fifth().iter().filter_map(class).collect(),
            rows: summary(&table, &draws, &options.arms),
            claims: claims(&table, &draws),
            hours: [hours(|result| result.seconds[0]), hours(|result| result.seconds[1])],
            seeds,
        })
    }

    /// Those of `measured` that `data.corruption.hold_out` of the augmentation arm names, by themselves or by their group.
    fn held_out(&self, measured: &[Corruption]) -> Vec<Corruption> {
        let run = self.file.options.arm.apply(&self.file.run, Arm::Augmentation);
        let found = ["data", "corruption", "hold_out"]
            .iter()
            .try_fold(Value::Table(run), |table, key| table.get(key).cloned());
        let names = match found {
            Some(Value::Array(names)) => names,
            _ => Vec::new(),
        };
        let is_named = |corruption: &Corruption| {
            let own = [corruption.name(), corruption.group().name()];
            names.iter().filter_map(Value::as_str).any(|name| own.contains(&name))
        };
        measured.iter().copied().filter(is_named).collect()
    }
}

#[cfg(test)]
pub(super) mod tests;
