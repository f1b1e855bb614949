use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::*;
use crate::study::analysis::Verdict;
use crate::study::factorial::{Executor, Job, Tuned};
use crate::study::measured::{ClassMeasured, ConditionMeasured, Resampled};
use crate::study::options::tests::SMALL;
use crate::study::options::{Compression, StudyFile};

/// Gives figures by the name of the model: augmentation helps under blur only, imbalance helps the pruned worst class.
struct MadeUp;

impl Executor for MadeUp {
    fn inputs(&self) -> &'static str {
        ""
    }

    fn make_student(&mut self, level: &Compression, folder: &Path) -> Result<PathBuf, StudyError> {
        Ok(folder.join(&level.name))
    }

    fn tune(&mut self, job: &Job<'_>, _: &AtomicBool) -> Result<Tuned, StudyError> {
        Ok(Tuned::Done(job.folder.to_owned()))
    }

    fn measure(&mut self, model: &Path) -> Result<Measured, StudyError> {
        let name = model.file_name().unwrap_or_default().to_string_lossy();
        let ap = |ap: f64| Resampled {
            ap: Some(ap),
            resamples: (0..100).map(|r| Some((ap + (f64::from(r) * 0.7).sin() * 0.01) as f32)).collect(),
        };
        let when = |part: &str, value: f64| if name.contains(part) { value } else { 0.0 };
        let base = 0.4 - when("c50", 0.2);
        let pruned_and_balanced = if name.contains("c50-imbalance") { 0.1 } else { 0.0 };
        let condition = |corruption: &str, group, value| ConditionMeasured {
            corruption: corruption.to_owned(),
            group,
            severity: 3.0,
            ap: ap(value),
        };
        let class = |name: &str, value| ClassMeasured { name: name.to_owned(), instances: 20, ap: ap(value) };
        Ok(Measured {
            images: 64,
            clean: ap(base + pruned_and_balanced / 2.0),
            classes: vec![class("person", base + 0.1), class("book", base - 0.1 + pruned_and_balanced)],
            conditions: vec![
                condition("gaussian_noise", Group::Noise, base / 2.0 - when("c50", 0.05)),
                condition("gaussian_blur", Group::Blur, base / 2.0 + when("augmentation", 0.1)),
            ],
        })
    }
}

fn file() -> StudyFile {
    StudyFile { options: toml::from_str(SMALL).unwrap(), run: toml::Table::new() }
}

fn parent() -> ModelManifest {
    toml::from_str(
        "format = 1\nname = \"nanodet\"\nfile = \"m.onnx\"\n[input]\nwidth = 32\nheight = 32\nresize = \"stretch\"\ncolour = \"rgb\"\n\
         mean = [0, 0, 0]\nstd = [1, 1, 1]\n[decoder]\ntype = \"yolov8\"\n[thresholds]\nscore = 0.4\nnms_iou = 0.6\n\
         max_detections = 100\n[classes]\nnames = [\"a\"]",
    )
    .unwrap()
}

/// Results of a study that was made up.
pub(in crate::study) fn made_up() -> StudyResults {
    let (file, folder) = (file(), tempfile::tempdir().unwrap());
    let factorial = Factorial { file: &file, folder: folder.path(), inputs: "" };
    let stop = AtomicBool::new(false);
    factorial.run(&factorial.chosen(&[]), &mut MadeUp, &stop, &mut |_| ()).unwrap();
    let mut results = factorial.analyse(&parent()).unwrap();
    results.hours = [0.0, 0.0];
    results
}

#[test]
fn measurements_become_verdicts() {
    let results = made_up();
    assert_eq!((results.seeds.as_slice(), results.planned_seeds, results.rows.len()), (&[0, 1][..], 2, 8));
    assert_eq!(results.worst_class.as_deref(), Some("book"));
    assert_eq!(results.lowest_fifth, ["book"]);
    assert_eq!(results.held_out, ["gaussian_blur"]);
    assert_eq!(results.claims.iter().map(|claim| claim.verdict).collect::<Vec<_>>(), [Verdict::Confirmed; 4]);
    let row = results.rows.iter().find(|row| row.compression == "c50" && row.arm == Arm::Augmentation);
    let row = row.unwrap();
    assert!((row.held_out.unwrap().effect - 0.2).abs() < 1e-6);
    assert!((row.mpc.unwrap().effect - 0.125).abs() < 1e-6);
    assert_eq!(results.parent.clean, Some(0.4));
}

#[test]
fn only_whole_seeds_count() {
    let (file, folder) = (file(), tempfile::tempdir().unwrap());
    let factorial = Factorial { file: &file, folder: folder.path(), inputs: "" };
    let stop = AtomicBool::new(false);
    let run = |only: &str| {
        let cells = factorial.chosen(&[only.to_owned()]);
        factorial.run(&cells, &mut MadeUp, &stop, &mut |_| ()).unwrap()
    };
    run("plain");
    let error = factorial.analyse(&parent()).unwrap_err().to_string();
    assert!(error.contains("found 4 of 16 cells"), "{error}");
    run("-1");
    let results = factorial.analyse(&parent()).unwrap();
    assert_eq!((results.seeds.as_slice(), results.planned_seeds), (&[1][..], 2));
    assert!(results.claims.iter().all(|claim| claim.verdict == Verdict::Undecided));
}

#[test]
fn the_names_in_the_file_are_the_contract() {
    let value = serde_json::to_value(made_up()).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut expected = vec![
        "format",
        "roadproof_version",
        "name",
        "parent",
        "images",
        "corruptions",
        "severities",
        "held_out",
        "min_support",
        "bootstrap",
        "seed",
        "seeds",
        "planned_seeds",
        "arms",
        "worst_class",
        "lowest_fifth",
        "rows",
        "claims",
        "hours",
    ];
    expected.sort_unstable();
    let mut found = keys(&value);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(value["format"], 1);
    let test = &value["claims"][0]["tests"][0];
    assert_eq!(
        (&test["scope"], &test["unit"], &value["claims"][0]["verdict"]),
        (&"primary".into(), &"share".into(), &"confirmed".into())
    );
    for key in ["effect", "interval", "p_value"] {
        assert!(test["effect"].get(key).is_some(), "{key}");
    }
    assert!(serde_json::from_value::<StudyResults>(serde_json::json!({ "format": 1 })).is_err());
}
