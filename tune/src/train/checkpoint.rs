//! What a run needs to go on as if it had not stopped.
//!
//! Samples are a function of seed and step, so the state is the parameters, what the optimiser remembers, the average and
//! the step. A checkpoint is a folder: the graph (pruning in the loop changes it), the tensors in safetensors, the rest in
//! JSON. It appears under its name only when it is complete, and the one before it goes only then.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::TrainError;
use super::average::Average;
use super::optimiser::Optimiser;
use crate::engine::Parameters;
use crate::tensor::Tensor;

/// The graph of a checkpoint.
pub const GRAPH: &str = "student.onnx";
const TENSORS: &str = "state.safetensors";
const PROGRESS: &str = "progress.json";

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps that the optimiser took since the graph last changed.
    pub optimiser_steps: u64,
    /// Bytes of the journal that belong to these steps.
    pub journal_bytes: u64,
    /// Prunings done.
    pub prunings: usize,
    /// The best validation so far.
    pub best: Option<f64>,
    /// The step after which it was.
    pub best_step: u64,
    /// SHA-256 of what must not change between stop and start: options, data, models.
    pub run: String,
}

/// The tensors of a checkpoint.
#[derive(Debug)]
pub struct State<'a> {
    /// Parameters.
    pub parameters: &'a Parameters,
    /// What the optimiser remembers.
    pub optimiser: &'a Optimiser,
    /// The average.
    pub average: &'a Average,
}

fn folder_of(run: &Path, step: u64) -> PathBuf {
    run.join("checkpoints").join(format!("{step:09}"))
}

/// Writes a checkpoint into the folder of a run and removes older ones; returns its folder.
///
/// # Errors
/// A file cannot be written.
pub fn write(
    run: &Path,
    progress: &Progress,
    graph: &[u8],
    state: &State<'_>,
) -> Result<PathBuf, TrainError> {
    let folder = folder_of(run, progress.step);
    let partial = folder.with_extension("part");
    let _ = fs::remove_dir_all(&partial); // of a run that was stopped while it wrote
    fs::create_dir_all(&partial).map_err(TrainError::file(&partial, "cannot be made"))?;
    let put = |name: &str, bytes: &[u8]| -> Result<(), TrainError> {
        let path = partial.join(name);
        let written = fs::File::create(&path).and_then(|mut file| {
            std::io::Write::write_all(&mut file, bytes)?;
            file.sync_all()
        });
        written.map_err(TrainError::file(&path, "cannot be written"))
    };
    put(GRAPH, graph)?;
    put(TENSORS, &serialise(state, &partial)?)?;
    let text = serde_json::to_string_pretty(progress).map_err(|error| broken(&partial, &error))?;
    put(PROGRESS, text.as_bytes())?;
    let _ = fs::remove_dir_all(&folder); // of the same step: a run that went back to an older checkpoint
    fs::rename(&partial, &folder).map_err(TrainError::file(&folder, "cannot be put in place"))?;
    for (step, path) in all(run) {
        if step != progress.step {
            let _ = fs::remove_dir_all(path); // one too many does no harm
        }
    }
    Ok(folder)
}

/// The latest checkpoint of a run; none before the first.
///
/// # Errors
/// It cannot be read.
pub fn latest(run: &Path) -> Result<Option<(PathBuf, Progress)>, TrainError> {
    let Some((_, folder)) = all(run).into_iter().max_by_key(|(step, _)| *step) else { return Ok(None) };
    let path = folder.join(PROGRESS);
    let text = fs::read_to_string(&path).map_err(TrainError::file(&path, "cannot be read"))?;
    let progress = serde_json::from_str(&text).map_err(|error| broken(&folder, &error))?;
    Ok(Some((folder, progress)))
}

/// Fills parameters, optimiser and average, made for the checkpoint's graph, with its tensors.
///
/// # Errors
/// A file cannot be read, or holds other tensors than these.
pub fn read(
    folder: &Path,
    progress: &Progress,
    parameters: &mut Parameters,
    optimiser: &mut Optimiser,
    average: &mut Average,
) -> Result<(), TrainError> {
    let path = folder.join(TENSORS);
    let bytes = fs::read(&path).map_err(TrainError::file(&path, "cannot be read"))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| broken(folder, &error))?;
    let wrong = |problem: String| TrainError::Checkpoint { path: folder.to_owned(), problem };
    let fill = |kind: &str, name: &str, into: &mut Tensor| -> Result<(), TrainError> {
        let key = format!("{kind}/{name}");
        let view =
            tensors.tensor(&key).map_err(|_| wrong(format!("expected a tensor \"{key}\", found none")))?;
        if view.dtype() != Dtype::F32 || view.shape() != into.dims() {
            let (expected, found) = (into.dims(), view.shape());
            return Err(wrong(format!("\"{key}\": expected float32 of {expected:?}, found {found:?}")));
        }
        for (value, bytes) in into.data_mut().iter_mut().zip(view.data().as_chunks::<4>().0) {
            *value = f32::from_le_bytes(*bytes);
        }
        Ok(())
    };
    for (index, parameter) in parameters.items.iter_mut().enumerate() {
        fill("parameter", &parameter.name, &mut parameter.tensor)?;
        for (kind, list) in [
            ("first", &mut optimiser.first),
            ("second", &mut optimiser.second),
            ("average", &mut average.tensors),
        ] {
            if let Some(tensor) = list.get_mut(index) {
                fill(kind, &parameter.name, tensor)?;
            }
        }
    }
    optimiser.steps = progress.optimiser_steps;
    Ok(())
}

fn all(run: &Path) -> Vec<(u64, PathBuf)> {
    let entries = fs::read_dir(run.join("checkpoints")).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    named.collect()
}

fn broken(folder: &Path, error: &dyn std::fmt::Display) -> TrainError {
    let problem = format!("not a checkpoint of this version: {error}; remove it to start anew");
    TrainError::Checkpoint { path: folder.to_owned(), problem }
}

fn serialise(state: &State<'_>, folder: &Path) -> Result<Vec<u8>, TrainError> {
    let mut bytes: Vec<(String, &[usize], Vec<u8>)> = Vec::new();
    for (index, parameter) in state.parameters.items.iter().enumerate() {
        let kinds = [
            ("parameter", Some(&parameter.tensor)),
            ("first", state.optimiser.first.get(index)),
            ("second", state.optimiser.second.get(index)),
            ("average", state.average.tensors.get(index)),
        ];
        for (kind, tensor) in kinds {
            if let Some(tensor) = tensor {
                let raw = tensor.data().iter().flat_map(|value| value.to_le_bytes()).collect();
                bytes.push((format!("{kind}/{}", parameter.name), tensor.dims(), raw));
            }
        }
    }
    let mut views = HashMap::new();
    for (name, dims, raw) in &bytes {
        let view = TensorView::new(Dtype::F32, dims.to_vec(), raw).map_err(|error| broken(folder, &error))?;
        views.insert(name.as_str(), view);
    }
    safetensors::serialize(views, None).map_err(|error| broken(folder, &error))
}

#[cfg(test)]
mod tests {
    use super::super::masks::Masks;
    use super::super::optimiser::OptimiserOptions;
    use super::*;
    use crate::engine::{Gradients, Parameter, Role};

    fn parameters(sides: &[usize]) -> Parameters {
        let tensor = Tensor::from_fn(sides, |index| index as f32 * 0.1);
        Parameters {
            items: vec![Parameter { name: "a/w".to_owned(), role: Role::Weight, tensor }],
            of_graph: 1,
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_bit_and_one_is_kept() {
        let run = tempfile::tempdir().unwrap();
        assert!(latest(run.path()).unwrap().is_none());
        let mut trained = parameters(&[2, 3]);
        let mut optimiser = Optimiser::new(OptimiserOptions::default(), &trained);
        let mut average = Average::new(0.9, &trained);
        for step in 0..3 {
            let gradients = Gradients(vec![Tensor::from_fn(&[2, 3], |index| (index as f32).sin())]);
            optimiser.step(&mut trained, &gradients, 0.01, &Masks::default());
            average.update(&trained, step);
            let progress = Progress { step, optimiser_steps: step + 1, ..Progress::default() };
            let state = State { parameters: &trained, optimiser: &optimiser, average: &average };
            write(run.path(), &progress, b"graph", &state).unwrap();
        }
        assert_eq!(all(run.path()).len(), 1);
        let (folder, progress) = latest(run.path()).unwrap().unwrap();
        assert_eq!(fs::read(folder.join(GRAPH)).unwrap(), b"graph");
        let mut again = parameters(&[2, 3]);
        let mut other = Optimiser::new(OptimiserOptions::default(), &again);
        let mut mean = Average::new(0.9, &again);
        read(&folder, &progress, &mut again, &mut other, &mut mean).unwrap();
        assert_eq!((again, other, mean), (trained, optimiser, average));
    }

    #[test]
    fn one_of_another_network_or_cut_off_is_refused() {
        let run = tempfile::tempdir().unwrap();
        let trained = parameters(&[2, 3]);
        let optimiser = Optimiser::new(OptimiserOptions::default(), &trained);
        let average = Average::new(0.9, &trained);
        let state = State { parameters: &trained, optimiser: &optimiser, average: &average };
        let folder = write(run.path(), &Progress::default(), b"", &state).unwrap();
        let refusal = |sides: &[usize]| {
            let mut other = parameters(sides);
            let mut optimiser = Optimiser::new(OptimiserOptions::default(), &other);
            let mut average = Average::new(0.9, &other);
            let read = read(&folder, &Progress::default(), &mut other, &mut optimiser, &mut average);
            read.unwrap_err().to_string()
        };
        assert!(
            refusal(&[3, 2]).contains("expected float32 of [3, 2], found [2, 3]"),
            "{}",
            refusal(&[3, 2])
        );
        let path = folder.join(TENSORS);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 4]).unwrap();
        assert!(refusal(&[2, 3]).contains("not a checkpoint"), "{}", refusal(&[2, 3]));
        fs::write(folder.join(PROGRESS), r#"{"step": -1}"#).unwrap();
        assert!(latest(run.path()).unwrap_err().to_string().contains("not a checkpoint"));
    }
}
