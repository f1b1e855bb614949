use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::study::Arm;
use crate::study::measured::Resampled;
use crate::study::options::tests::SMALL;

/// Counts what it is asked for; stops at the cell of this name.
#[derive(Default)]
struct MadeUp {
    students: Vec<String>,
    tuned: Vec<String>,
    measured: Vec<PathBuf>,
    stop_at: Option<String>,
}

impl Executor for MadeUp {
    fn inputs(&self) -> &'static str {
        "files"
    }

    fn make_student(&mut self, level: &Compression, folder: &Path) -> Result<PathBuf, StudyError> {
        self.students.push(level.name.clone());
        Ok(folder.join("student.toml"))
    }

    fn tune(&mut self, job: &Job<'_>, stop: &AtomicBool) -> Result<Tuned, StudyError> {
        let name = job.cell.name();
        assert_eq!(job.run["name"].as_str(), Some(name.as_str()));
        let is_parent = job.student.ends_with("parent.toml");
        assert_eq!(is_parent, job.cell.compression == "none", "what is not compressed is the parent");
        if self.stop_at.as_ref() == Some(&name) {
            stop.store(true, Ordering::Relaxed);
            return Ok(Tuned::Stopped);
        }
        self.tuned.push(name);
        Ok(Tuned::Done(job.folder.join("tuned.toml")))
    }

    fn measure(&mut self, model: &Path) -> Result<Measured, StudyError> {
        self.measured.push(model.to_owned());
        let clean = Resampled { ap: Some(0.25), resamples: vec![Some(0.5), None] };
        Ok(Measured { images: 3, clean, ..Measured::default() })
    }
}

fn file(text: &str) -> StudyFile {
    StudyFile { options: toml::from_str(text).unwrap(), run: "seed = 1".parse().unwrap() }
}

fn run(file: &StudyFile, folder: &Path, only: &[&str], executor: &mut MadeUp) -> bool {
    let inputs = executor.inputs().to_owned();
    let factorial = Factorial { file, folder, inputs: &inputs };
    let only: Vec<String> = only.iter().map(|&part| part.to_owned()).collect();
    let cells = factorial.chosen(&only);
    factorial.run(&cells, executor, &AtomicBool::new(false), &mut |_| ()).unwrap()
}

#[test]
fn each_cell_is_run_once_and_a_study_that_was_stopped_goes_on() {
    let (folder, file) = (tempfile::tempdir().unwrap(), file(SMALL));
    let mut first = MadeUp { stop_at: Some("c50-both-0".to_owned()), ..MadeUp::default() };
    assert!(!run(&file, folder.path(), &[], &mut first));
    assert_eq!(first.tuned.len(), 7);
    assert_eq!(first.students.len(), 4, "the parent is no student");
    let mut second = MadeUp::default();
    assert!(run(&file, folder.path(), &[], &mut second));
    assert_eq!(second.tuned.len(), 9);
    assert_eq!(second.tuned[0], "c50-both-0");
    assert_eq!((first.measured.len(), second.measured.len()), (8, 9), "the parent is measured once");
    let mut third = MadeUp::default();
    assert!(run(&file, folder.path(), &[], &mut third));
    assert!(third.tuned.is_empty() && third.measured.is_empty());
}

#[test]
fn only_what_is_chosen_is_run() {
    let (folder, file) = (tempfile::tempdir().unwrap(), file(SMALL));
    let mut executor = MadeUp::default();
    assert!(run(&file, folder.path(), &["none-plain", "c50-both-1"], &mut executor));
    assert_eq!(executor.tuned, ["none-plain-0", "none-plain-1", "c50-both-1"]);
}

#[test]
fn results_are_read_as_written_and_not_taken_for_those_of_other_options() {
    let (folder, one) = (tempfile::tempdir().unwrap(), file(SMALL));
    run(&one, folder.path(), &["c50-augmentation-0", "c50-plain-0"], &mut MadeUp::default());
    let cell = |arm| Cell { compression: "c50".to_owned(), arm, seed: 0 };
    let has = |file: &StudyFile, inputs, arm| {
        let factorial = Factorial { file, folder: folder.path(), inputs };
        factorial.result(&cell(arm)).unwrap().is_some()
    };
    let kept = Factorial { file: &one, folder: folder.path(), inputs: "files" };
    let result = kept.result(&cell(Arm::Plain)).unwrap().unwrap();
    assert_eq!(result.measured.clean.resamples, [Some(0.5), None]);
    assert_eq!(result.cell, Some(cell(Arm::Plain)));
    assert!(kept.parent().unwrap().is_some());

    let other = file(&SMALL.replace("probability = 0.5", "probability = 0.6"));
    assert!(!has(&other, "files", Arm::Augmentation) && has(&other, "files", Arm::Plain));
    assert!(!has(&one, "other files", Arm::Plain));
    assert!(!has(&file(&SMALL.replace("rate = 0.5", "rate = 0.6")), "files", Arm::Plain));
    assert!(has(&file(&SMALL.replace("seeds = [0, 1]", "seeds = [0, 1, 2]")), "files", Arm::Plain));

    let moved = SMALL.replace("dataset = \"data\"", "dataset = \"/elsewhere/data\"");
    assert!(has(&file(&moved), "files", Arm::Plain), "what lies at a path counts, not the path");
    assert!(!has(&file(&SMALL.replace("severities = [3]", "severities = [4]")), "files", Arm::Plain));

    let path = cell(Arm::Plain).folder(folder.path()).join(RESULT);
    std::fs::write(&path, "{\"format\": 1, ").unwrap();
    assert!(!has(&one, "files", Arm::Plain), "what is cut off is come to anew");
}
