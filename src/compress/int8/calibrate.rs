//! Ranges of activations, from the float model on calibration images.

use std::collections::{HashMap, HashSet};

use super::observe::{Observer, Range};
use super::{Calibration, Options};
use crate::compress::graph::Model;
use crate::compress::graph::proto::ValueInfo;
use crate::compress::images::Loader;
use crate::compress::runner::Runner;
use crate::compress::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;
use crate::detector::probe::Values;

/// Ranges by tensor. A tensor that is missing is not float32.
pub(super) type Ranges = HashMap<String, Range>;

/// Runs the model on every image, with these tensors as outputs, once for the extremes and, where the method needs
/// it, again for the histograms. One image's tensors are in memory at a time.
pub(super) fn ranges(
    model: &Model,
    tensors: &HashSet<&str>,
    input: &InputSpec,
    images: &CalibrationImages,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Ranges, CompressError> {
    let inputs: HashSet<&str> = model.graph().input.iter().map(ValueInfo::name).collect();
    let mut runner = Runner::new(model, &input.shape(), tensors.iter().copied())?;
    let mut loader = Loader::new(input, images);
    let passes = if options.calibration == Calibration::Minmax { 1 } else { 2 };
    let total = passes * images.count();
    let mut observers: HashMap<String, Observer> = HashMap::new();
    let mut done = 0;
    for pass in 0..passes {
        for image in images.iter() {
            loader.load(image, runner.input_mut())?;
            let fed = inputs.iter().map(|name| (*name).to_owned());
            for name in fed.filter(|name| tensors.contains(name.as_str())) {
                // pixels have fixed limits: nothing of them is cut off
                let observer = observers.entry(name.clone()).or_insert_with(Observer::new);
                observer
                    .extremes(runner.input_mut())
                    .map_err(|found| CompressError::not_finite(&name, found, image.path))?;
            }
            let mut failure = None;
            runner.run(|name, _, values| {
                let Values::F32(values) = values else { return };
                let observer = match observers.get_mut(name) {
                    Some(observer) => observer,
                    None => observers.entry(name.to_owned()).or_insert_with(Observer::new),
                };
                if pass > 0 {
                    observer.count(values);
                } else if let Err(found) = observer.extremes(values) {
                    failure.get_or_insert_with(|| CompressError::not_finite(name, found, image.path));
                }
            })?;
            if let Some(failure) = failure {
                return Err(failure);
            }
            done += 1;
            progress(Progress { what: "calibration", done, total });
        }
    }
    Ok(observers.into_iter().map(|(name, observer)| (name, observer.range(options))).collect())
}
