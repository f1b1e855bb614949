//! Ranges of activations, from the float model on calibration images.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::observe::{Observer, Range};
use super::plan::Plan;
use super::{Method, Step};
use crate::compress::graph::Model;
use crate::compress::graph::proto::ValueInfo;
use crate::compress::images::Loader;
use crate::compress::{CalibrationImages, CompressError};
use crate::detector::manifest::InputSpec;
use crate::detector::probe::Probe;

/// Ranges by tensor. A planned tensor that is missing is not float32.
pub(super) type Ranges = HashMap<String, Range>;

/// Runs the model on every image, with all planned tensors as outputs, once for the extremes and, where the method needs
/// it, again for the histograms. One image's tensors are in memory at a time.
pub(super) fn ranges(
    model: &Model,
    plan: &Plan,
    input: &InputSpec,
    images: &CalibrationImages,
    method: Method,
    progress: &mut dyn FnMut(Step),
) -> Result<Ranges, CompressError> {
    let inputs: HashSet<&str> = model.graph().input.iter().map(ValueInfo::name).collect();
    let folder = tempfile::tempdir().map_err(|error| CompressError::Image {
        path: std::env::temp_dir(),
        problem: format!("no folder for the observed model can be made: {error}"),
    })?;
    let path = folder.path().join("observed.onnx");
    observed(model, plan, &inputs).save(&path)?;
    let mut probe = Probe::open(&path, input)?;
    let mut loader = Loader::new(input);
    let passes = if method == Method::MinMax { 1 } else { 2 };
    let total = passes * images.paths().len();
    let mut observers: HashMap<String, Observer> = HashMap::new();
    let mut done = 0;
    for pass in 0..passes {
        for image in images.paths() {
            loader.load(image, probe.input_mut())?;
            let fed = inputs.iter().map(|name| (*name).to_owned());
            for name in fed.filter(|name| plan.tensors.iter().any(|(_, root)| root == name)) {
                // pixels have fixed limits: nothing of them is cut off
                let observer = observers.entry(name.clone()).or_insert_with(Observer::new);
                observer.extremes(probe.input_mut()).map_err(|found| not_finite(&name, found, image))?;
            }
            let mut failure = None;
            probe.run(|name, values| {
                let observer = match observers.get_mut(name) {
                    Some(observer) => observer,
                    None => observers.entry(name.to_owned()).or_insert_with(Observer::new),
                };
                if pass > 0 {
                    observer.count(values);
                } else if let Err(found) = observer.extremes(values) {
                    failure.get_or_insert_with(|| not_finite(name, found, image));
                }
            })?;
            if let Some(failure) = failure {
                return Err(failure);
            }
            done += 1;
            progress(Step::Calibrating { done, total });
        }
    }
    Ok(observers.into_iter().map(|(name, observer)| (name, observer.range(method))).collect())
}

fn not_finite(tensor: &str, found: f32, image: &Path) -> CompressError {
    CompressError::NotFinite { tensor: tensor.to_owned(), found, image: image.to_owned() }
}

/// The model with the planned tensors as outputs. ONNX Runtime infers the types of outputs that have only a name.
fn observed(model: &Model, plan: &Plan, inputs: &HashSet<&str>) -> Model {
    let mut observed = model.clone();
    let graph = observed.graph_mut();
    let mut known: HashSet<String> = graph.output.iter().map(|value| value.name().to_owned()).collect();
    known.extend(graph.initializer.iter().map(|tensor| tensor.name().to_owned()));
    for (_, root) in &plan.tensors {
        if !inputs.contains(root.as_str()) && known.insert(root.clone()) {
            let described = graph.value_info.iter().find(|value| value.name() == root).cloned();
            let bare = || ValueInfo { name: Some(root.clone()), ..ValueInfo::default() };
            graph.output.push(described.unwrap_or_else(bare));
        }
    }
    observed
}
