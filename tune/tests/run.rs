//! `roadproof-tune run` as its users have it: learning, killed and going on, bad input.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use roadproof_tune::train::journal::{self, Entry};

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    /// A parent, a student with other weights, pictures, and a run of `steps` steps.
    fn new(steps: u64, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        support::write_model(folder.path(), "parent", 1.0);
        support::write_model(folder.path(), "student", 0.6);
        support::write_pictures(&folder.path().join("pictures"), 12);
        let text = format!(
            "format = 1\nparent = \"parent.toml\"\nstudent = \"student.toml\"\nname = \"tuned\"\nseed = 3\n\
             [training]\nsteps = {steps}\nbatch = 4\nlanes = 2\ncheckpoint_every = 5\naverage = 0.9\n\
             [schedule]\nrate = 0.01\nwarm_up = 5\n[data]\nsources = [{{ path = \"pictures\" }}]\n{more}"
        );
        fs::write(folder.path().join("run.toml"), text).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, output: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roadproof-tune"));
        command.arg("run").arg(self.path("run.toml")).arg("-o").arg(self.path(output)).args(more);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, output: &str, more: &[&str]) -> Output {
        self.command(output, more).output().unwrap()
    }

    fn succeed(&self, output: &str, more: &[&str]) {
        let done = self.run(output, more);
        assert!(done.status.success(), "{}", text(&done));
    }

    /// The error of a run that cannot work.
    fn refusal(&self) -> String {
        let done = self.run("refused", &[]);
        assert!(!done.status.success());
        text(&done)
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn losses(run: &Path) -> Vec<f64> {
    let entries = journal::read(run).unwrap();
    let steps = entries.iter().filter_map(|entry| match entry {
        Entry::Step(step) => Some(step.loss),
        _ => None,
    });
    steps.collect()
}

#[test]
fn the_student_learns_from_its_parent_without_labels() {
    let ground = Ground::new(150, "");
    ground.succeed("out", &[]);
    let losses = losses(&ground.path("out"));
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let (before, after) = (mean(&losses[..10]), mean(&losses[140..]));
    assert!(after < before / 3.0, "{before} {after}");
    let manifest = roadproof::detector::ModelManifest::load(ground.path("out/tuned.toml")).unwrap();
    let tuning = manifest.tuning.unwrap();
    assert_eq!((tuning.parent.as_str(), tuning.images, tuning.steps), ("parent", 12, 150));
    let report = fs::read_to_string(ground.path("out/report.html")).unwrap();
    assert!(report.contains("Learning rate") && report.contains("tuned"));
}

#[test]
fn a_run_that_was_killed_ends_with_the_same_weights() {
    let ground = Ground::new(60, "");
    ground.succeed("whole", &["--threads", "1"]);
    let mut killed = ground.command("killed", &["--threads", "1"]).spawn().unwrap();
    // somewhere after the first checkpoints
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_mins(1) {
        let there = fs::read_dir(ground.path("killed/checkpoints")).into_iter().flatten().flatten();
        if there.filter(|entry| entry.file_name().to_str().is_some_and(|name| name >= "000000010")).count()
            > 0
        {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    killed.kill().unwrap(); // SIGKILL
    killed.wait().unwrap();
    assert!(!ground.path("killed/tuned.onnx").exists(), "it was over before it could be killed");
    ground.succeed("killed", &["--threads", "1"]);
    let bytes = |name: &str| fs::read(ground.path(name)).unwrap();
    assert!(bytes("whole/tuned.onnx") == bytes("killed/tuned.onnx"), "the weights differ");
    assert_eq!(losses(&ground.path("whole")), losses(&ground.path("killed")));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let ground = Ground::new(12, "[imbalance.repeat_factor]\nthreshold = 0.5\n");
    for threads in ["1", "3"] {
        ground.succeed(threads, &["--threads", threads]);
    }
    let bytes = |name: &str| fs::read(ground.path(name)).unwrap();
    assert!(bytes("1/tuned.onnx") == bytes("3/tuned.onnx"), "the weights differ");
}

#[test]
fn channels_are_pruned_in_rounds_and_the_loss_falls_again() {
    let more = "[prune]\nmethod = \"structured\"\nrate = 0.5\nrounds = 2\nfirst = 5\nevery = 20\nrank = \"taylor\"\nimages = 4\n";
    let ground = Ground::new(100, more);
    let text = fs::read_to_string(ground.path("run.toml")).unwrap();
    fs::write(ground.path("run.toml"), text.replace("student.toml", "parent.toml")).unwrap();
    ground.succeed("out", &[]);
    let entries = journal::read(&ground.path("out")).unwrap();
    let prunings: Vec<_> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Pruning(pruning) => {
                Some((pruning.step, pruning.parameters_before, pruning.parameters_after))
            }
            _ => None,
        })
        .collect();
    assert_eq!(prunings.iter().map(|pruning| pruning.0).collect::<Vec<_>>(), [5, 25]);
    assert!(prunings.iter().all(|pruning| pruning.2 < pruning.1), "{prunings:?}");
    let losses = losses(&ground.path("out"));
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    assert!(mean(&losses[90..]) < 0.7 * mean(&losses[25..30]), "{losses:?}");
    let manifest = roadproof::detector::ModelManifest::load(ground.path("out/tuned.toml")).unwrap();
    assert_eq!(manifest.compression.unwrap().rate, Some(0.5));
}

#[test]
fn zeros_of_a_pruned_student_stay() {
    let more = "[prune]\nmethod = \"pattern\"\n";
    let ground = Ground::new(20, more);
    ground.succeed("out", &[]);
    let model = roadproof::compress::graph::Model::load(&ground.path("out/tuned.onnx"), None).unwrap();
    let weights = model.graph().initializer.iter().find(|tensor| tensor.name() == "down8.weight").unwrap();
    let (zeros, all) = weights.zeros();
    assert_eq!(zeros * 2, all);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_keeps_the_weights_before() {
    let ground = Ground::new(50, "");
    let text = fs::read_to_string(ground.path("run.toml")).unwrap();
    let text = text.replace("rate = 0.01", "rate = 1e30").replace("[training]", "[training]\nclip = 1e30");
    fs::write(ground.path("run.toml"), text).unwrap();
    let said = ground.refusal();
    assert!(said.contains("step ") && said.contains("are kept in"), "{said}");
    let kept = fs::read_dir(ground.path("refused")).unwrap().flatten().find(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| name.starts_with("tuned-step") && !name.contains("toml"))
    });
    let model = roadproof::compress::graph::Model::load(&kept.unwrap().path(), None).unwrap();
    let floats = model.graph().initializer.iter().filter(|tensor| tensor.is_f32());
    for tensor in floats {
        assert!(tensor.f32_values().unwrap().iter().all(|value| value.is_finite()), "{}", tensor.name());
    }
}

#[test]
fn what_does_not_fit_is_said() {
    let ground = Ground::new(5, "");
    let path = ground.path("run.toml");
    let good = fs::read_to_string(&path).unwrap();
    let said = |text: String| {
        fs::write(&path, text).unwrap();
        ground.refusal()
    };
    let unknown = said(good.replace("seed = 3", "sead = 3"));
    assert!(unknown.contains("run.toml") && unknown.contains("sead"), "{unknown}");
    let range = said(good.replace("batch = 4", "batch = 0"));
    assert!(range.contains("training.batch") && range.contains("found 0"), "{range}");
    let empty = said(good.replace("path = \"pictures\"", "path = \"nothing\""));
    assert!(empty.contains("nothing"), "{empty}");

    let manifest = fs::read_to_string(ground.path("student.toml")).unwrap();
    fs::write(ground.path("student.toml"), manifest.replace("green", "yellow")).unwrap();
    let classes = said(good.clone());
    assert!(classes.contains("\"green\"") && classes.contains("\"yellow\""), "{classes}");
    fs::write(ground.path("student.toml"), manifest).unwrap();

    fs::write(&path, &good).unwrap();
    ground.succeed("out", &[]);
    fs::write(&path, good.replace("seed = 3", "seed = 4")).unwrap();
    let other = text(&ground.run("out", &[]));
    assert!(other.contains("a run of other options"), "{other}");
    ground.succeed("out", &["--force"]);
}
