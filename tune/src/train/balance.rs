//! What is done about rare classes, applied to the samples of a run.

use roadproof::detector::{Detector, ModelManifest, SessionOptions};

use super::TrainError;
use crate::data::Samples;
use crate::imbalance::{Objects, Options};
use crate::truth::ClassWeights;

/// Sets sampling and pasting of `samples`, by labels or where there are none by what the parent detects; returns what each
/// class counts for. `progress` is told how many images of how many the parent has seen.
///
/// # Errors
/// An option is out of range, or the parent cannot be run.
pub(super) fn apply(
    options: &Options,
    samples: &mut Samples,
    parent: &ModelManifest,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<ClassWeights, TrainError> {
    let classes = parent.class_names().len();
    if options.is_off() {
        return Ok(ClassWeights::even(classes));
    }
    let is_labelled = (0..samples.images()).all(|image| samples.objects(image).is_some());
    let objects = if is_labelled {
        Objects::labelled(samples)?
    } else {
        let mut detector = Detector::load(parent, &SessionOptions::default(), &mut |_| ())?;
        Objects::detected(samples, &mut detector, &parent.thresholds(), options.score, progress)?
    };
    let balance = options.balance(&objects, classes)?;
    samples.set_sampling(balance.sampling);
    samples.set_pasting(balance.pasting);
    Ok(balance.weights)
}

/// The methods that are on, in words.
pub(super) fn describe(options: &Options) -> Vec<String> {
    let methods = [
        (options.repeat_factor.is_some(), "repeat-factor sampling"),
        (options.class_weights.is_some(), "class weights by effective number"),
        (options.copy_paste.is_some(), "copy-paste of rare objects"),
    ];
    methods.into_iter().filter(|(on, _)| *on).map(|(_, name)| name.to_owned()).collect()
}
