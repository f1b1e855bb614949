//! `journal.jsonl` of a run: one line per step and per validation, flushed with every checkpoint.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;

/// Its name in the folder of a run.
pub const FILE: &str = "journal.jsonl";

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Entry {
    /// A step.
    Step(StepEntry),
    /// A validation.
    Validation(ValidationEntry),
    /// A pruning in the loop.
    Pruning(PruningEntry),
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepEntry {
    /// Its number, from 0.
    pub step: u64,
    /// The loss, mean over the batch.
    pub loss: f64,
    /// Its terms, weighted, by name.
    pub terms: Vec<(String, f64)>,
    /// The learning rate.
    pub rate: f64,
    /// The gradients' norm before clipping.
    pub norm: f64,
    /// How long it took.
    pub seconds: f64,
}

/// What was measured between steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidationEntry {
    /// Steps done.
    pub step: u64,
    /// COCO's AP over IoU 0.50 to 0.95, 0 to 1.
    pub ap: f64,
    /// AP at IoU 0.50.
    pub ap50: f64,
    /// The parent's AP on the same images.
    pub parent_ap: f64,
}

/// What was taken away between steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PruningEntry {
    /// Steps done.
    pub step: u64,
    /// Parameters before, without those that are held at zero.
    pub parameters_before: usize,
    /// Parameters after, without those that are held at zero.
    pub parameters_after: usize,
}

/// The journal of a run that goes on.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    bytes: u64,
}

impl Journal {
    /// Opens the journal of a run and keeps its first `bytes`: what came after the checkpoint will come again.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(run: &Path, bytes: u64) -> Result<Self, TrainError> {
        let path = run.join(FILE);
        let open = || -> std::io::Result<File> {
            let mut file = OpenOptions::new().create(true).write(true).truncate(false).open(&path)?;
            file.set_len(bytes)?;
            file.seek(SeekFrom::Start(bytes))?;
            Ok(file)
        };
        let file = open().map_err(TrainError::file(&path, "cannot be opened"))?;
        Ok(Self { file, path, bytes })
    }

    /// Adds a line.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(&mut self, entry: &Entry) -> Result<(), TrainError> {
        let mut line = serde_json::to_string(entry)
            .map_err(|error| TrainError::file(&self.path, "cannot be written")(error.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(TrainError::file(&self.path, "cannot be written"))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Reads the journal of a run; a last line that is cut off is left out.
///
/// # Errors
/// It cannot be read, or a line is none.
pub fn read(run: &Path) -> Result<Vec<Entry>, TrainError> {
    let path = run.join(FILE);
    let file = File::open(&path).map_err(TrainError::file(&path, "cannot be read"))?;
    let mut lines = BufReader::new(file).lines().enumerate().peekable();
    let mut entries = Vec::new();
    while let Some((number, line)) = lines.next() {
        let line = line.map_err(TrainError::file(&path, "cannot be read"))?;
        match serde_json::from_str(&line) {
            Ok(entry) => entries.push(entry),
            Err(_) if lines.peek().is_none() => break,
            Err(error) => {
                let problem = format!("line {}: expected an entry of a journal, found {error}", number + 1);
                return Err(TrainError::Options { path, problem });
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64) -> Entry {
        let terms = vec![("scores".to_owned(), 0.1 + number as f64)];
        Entry::Step(StepEntry { step: number, loss: 1.0 / 3.0, terms, rate: 1e-3, norm: 2.5, seconds: 0.1 })
    }

    #[test]
    fn what_came_after_the_checkpoint_is_written_again() {
        let run = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(run.path(), 0).unwrap();
        journal.add(&step(0)).unwrap();
        let bytes = journal.bytes();
        journal.add(&step(1)).unwrap();
        journal.add(&step(2)).unwrap();
        let mut journal = Journal::open(run.path(), bytes).unwrap();
        journal.add(&step(1)).unwrap();
        assert_eq!(read(run.path()).unwrap(), [step(0), step(1)]);
    }

    #[test]
    fn a_last_line_may_be_cut_off_and_no_other() {
        let run = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(run.path(), 0).unwrap();
        journal.add(&step(0)).unwrap();
        let path = run.path().join(FILE);
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{}", &whole[..20])).unwrap();
        assert_eq!(read(run.path()).unwrap(), [step(0)]);
        std::fs::write(&path, format!("{}\n{whole}", &whole[..20])).unwrap();
        assert!(read(run.path()).unwrap_err().to_string().contains("line 1"));
    }
}
