//! Runs the cells of a study, one at a time; a cell that has its result is not run again.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use roadproof::compress::graph::write_whole;
use serde::{Deserialize, Serialize};

use super::StudyError;
use super::measured::Measured;
use super::options::{CalibrationOptions, Compression, StudyFile};
use super::plan::{Cell, cells};
use crate::hash::fingerprint;

/// The layout of a cell's result.
const FORMAT: u32 = 1;

/// Name of a cell's result in its folder.
const RESULT: &str = "result.json";

/// What a study needs done.
pub trait Executor {
    /// A hash of all that results depend on and that no option holds: the content of files.
    fn inputs(&self) -> &str;

    /// Compresses the parent; the student lies in `folder`, and is made only where it is not there already. Gives its
    /// manifest.
    ///
    /// # Errors
    /// The parent cannot be compressed so.
    fn make_student(&mut self, level: &Compression, folder: &Path) -> Result<PathBuf, StudyError>;

    /// Tunes a student, or goes on with it where it was.
    ///
    /// # Errors
    /// The run cannot be done.
    fn tune(&mut self, job: &Job<'_>, stop: &AtomicBool) -> Result<Tuned, StudyError>;

    /// Measures a model, given by its manifest.
    ///
    /// # Errors
    /// It cannot be run.
    fn measure(&mut self, model: &Path) -> Result<Measured, StudyError>;
}

/// A run to be done.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// Its cell.
    pub cell: &'a Cell,
    /// The student's manifest.
    pub student: &'a Path,
    /// The file of the run; its paths are relative to that of the study's run.
    pub run: &'a toml::Table,
    /// Folder for all that belongs to it.
    pub folder: &'a Path,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tuned {
    /// The manifest of what came out.
    Done(PathBuf),
    /// It was asked to stop, and can go on.
    Stopped,
}

/// What a cell came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellResult {
    /// 1.
    pub format: u32,
    /// Which one; `None` for the parent as it is.
    pub cell: Option<Cell>,
    /// Of all that the result depends on.
    pub fingerprint: String,
    /// Wall-clock time that tuning (since it last went on) and measuring took, seconds.
    pub seconds: [f64; 2],
    /// What it was measured to be worth.
    pub measured: Measured,
}

/// What happens, for whoever shows it.
#[derive(Debug)]
pub enum Event<'a> {
    /// So many cells are to be run, so many are there.
    Begins {
        /// Cells to be run.
        cells: usize,
        /// Cells that have their results.
        there: usize,
    },
    /// A cell, or the parent, begins; of the parts that it has, this one.
    Part {
        /// Its name.
        cell: &'a str,
        /// `compressing`, `tuning` or `measuring`.
        part: &'a str,
    },
    /// A cell has its result.
    Done(&'a CellResult),
}

/// A study in its folder.
#[derive(Debug, Clone, Copy)]
pub struct Factorial<'a> {
    /// What is studied.
    pub file: &'a StudyFile,
    /// Where all of it lies.
    pub folder: &'a Path,
    /// [`Executor::inputs`].
    pub inputs: &'a str,
}

impl Factorial<'_> {
    /// Cells whose names hold one of `only`; all where that is empty.
    #[must_use]
    pub fn chosen(&self, only: &[String]) -> Vec<Cell> {
        let is_chosen = |cell: &Cell| only.is_empty() || only.iter().any(|part| cell.name().contains(part));
        cells(&self.file.options).into_iter().filter(is_chosen).collect()
    }

    /// The result of a cell, if it has one that was come to in the same way.
    ///
    /// # Errors
    /// The cell is none of this study.
    pub fn result(&self, cell: &Cell) -> Result<Option<CellResult>, StudyError> {
        Ok(load(&cell.folder(self.folder).join(RESULT), &self.fingerprint(cell)?))
    }

    /// The result of the parent as it is, if it has one.
    ///
    /// # Errors
    /// Options cannot be written down.
    pub fn parent(&self) -> Result<Option<CellResult>, StudyError> {
        Ok(load(&self.parent_folder().join(RESULT), &self.parent_fingerprint()?))
    }

    /// Runs the cells that have no result; `false` where it was asked to stop before the end.
    ///
    /// # Errors
    /// Of `executor`, or a result cannot be written.
    pub fn run(
        &self,
        cells: &[Cell],
        executor: &mut dyn Executor,
        stop: &AtomicBool,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, StudyError> {
        let mut missing = Vec::new();
        for cell in cells {
            if self.result(cell)?.is_none() {
                missing.push(cell);
            }
        }
        tell(Event::Begins { cells: missing.len(), there: cells.len() - missing.len() });
        if self.parent()?.is_none() {
            tell(Event::Part { cell: "parent", part: "measuring" });
            let begun = Instant::now();
            let measured = executor.measure(&self.file.options.parent)?;
            let seconds = [0.0, begun.elapsed().as_secs_f64()];
            let fingerprint = self.parent_fingerprint()?;
            let result = CellResult { format: FORMAT, cell: None, fingerprint, seconds, measured };
            store(&self.parent_folder(), &result)?;
        }
        for cell in missing {
            if stop.load(Ordering::Relaxed) || !self.run_cell(cell, executor, stop, tell)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn run_cell(
        &self,
        cell: &Cell,
        executor: &mut dyn Executor,
        stop: &AtomicBool,
        tell: &mut dyn FnMut(Event<'_>),
    ) -> Result<bool, StudyError> {
        let name = cell.name();
        let level = self.file.level(cell)?;
        let folder = cell.folder(self.folder);
        let begun = Instant::now();
        let student = if level.step.is_none() {
            self.file.options.parent.clone()
        } else {
            tell(Event::Part { cell: &name, part: "compressing" });
            executor.make_student(level, &self.folder.join("students").join(&level.name))?
        };
        tell(Event::Part { cell: &name, part: "tuning" });
        let run = self.file.run_of(cell);
        let job = Job { cell, student: &student, run: &run, folder: &folder };
        let Tuned::Done(model) = executor.tune(&job, stop)? else { return Ok(false) };
        let tuning = begun.elapsed().as_secs_f64();
        tell(Event::Part { cell: &name, part: "measuring" });
        let measured = executor.measure(&model)?;
        let seconds = [tuning, begun.elapsed().as_secs_f64() - tuning];
        let fingerprint = self.fingerprint(cell)?;
        let result = CellResult { format: FORMAT, cell: Some(cell.clone()), fingerprint, seconds, measured };
        store(&folder, &result)?;
        tell(Event::Done(&result));
        Ok(true)
    }

    fn parent_folder(&self) -> PathBuf {
        self.folder.join("runs").join("parent")
    }

    fn fingerprint(&self, cell: &Cell) -> Result<String, StudyError> {
        let path = self.folder;
        // what lies at a path counts, by `inputs`, and not where it lies
        let calibration = self.file.options.calibration.clone();
        let calibration =
            calibration.map(|calibration| CalibrationOptions { dataset: PathBuf::new(), ..calibration });
        let level = serde_json::to_string(self.file.level(cell)?).map_err(StudyError::json(path))?;
        let calibration = serde_json::to_string(&calibration).map_err(StudyError::json(path))?;
        let run = serde_json::to_string(&self.file.run_of(cell)).map_err(StudyError::json(path))?;
        Ok(fingerprint(&[&level, &calibration, &run, &self.parent_fingerprint()?]))
    }

    fn parent_fingerprint(&self) -> Result<String, StudyError> {
        let mut evaluation = self.file.options.evaluation.clone();
        evaluation.dataset = PathBuf::new();
        evaluation.class_map = None;
        let evaluation = serde_json::to_string(&evaluation).map_err(StudyError::json(self.folder))?;
        Ok(fingerprint(&[&FORMAT.to_string(), &evaluation, self.inputs]))
    }
}

fn load(path: &Path, fingerprint: &str) -> Option<CellResult> {
    let text = std::fs::read(path).ok()?;
    // one that is cut off, or of other options, is come to anew
    let result: CellResult = serde_json::from_slice(&text).ok()?;
    (result.format == FORMAT && result.fingerprint == fingerprint).then_some(result)
}

fn store(folder: &Path, result: &CellResult) -> Result<(), StudyError> {
    std::fs::create_dir_all(folder).map_err(StudyError::file(folder, "cannot be made"))?;
    let path = folder.join(RESULT);
    let text = serde_json::to_vec(result).map_err(StudyError::json(&path))?;
    write_whole(&path, &text).map_err(|error| StudyError::Compress(error.into()))
}

#[cfg(test)]
mod tests;
