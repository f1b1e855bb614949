//! Estimated distortion and average precision, from what a window shows without labels.
//!
//! Mean average precision comes from a regression on how scores are distributed, fitted on windows of the profile's images under the
//! profile's corruptions: the distribution of all scores down to the low one tells what the mean of the published ones hides,
//! since detections vanish below the publishing threshold while those that are left stay confident.

mod classes;
mod comparison;
mod distortion;
mod features;
mod fit;
mod regression;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::SCORE_BINS;
use super::profile::Profile;
use super::quality::QualityMeans;
use super::report::Estimated;

pub use classes::{ClassBaseline, ClassModel, SupportInterval};
pub use comparison::{Comparison, Method};
pub use features::{ClassShape, WindowFeatures};
pub(crate) use fit::FIRM_INSTANCES;
pub use fit::{Baseline, Split, Training, TrainingClass, TrainingWindow, fit};
pub use regression::{COVERAGE, Regression, SizeInterval};

/// Most that estimated mean average precision counts over the profile's, where classes are scaled by it.
const MAX_RATIO: f64 = 1.5;

/// What a window shows.
pub trait WindowView {
    /// Frames in the window.
    fn frames(&self) -> f64;
    /// Scores of a class down to the low score; `None` if there is no such class.
    fn histogram(&self, class_id: u32) -> Option<[f64; SCORE_BINS]>;
    /// Mean over frames of the highest score in the frame, 0 for a frame without detections; NaN without frames.
    fn top_score(&self) -> f64;
    /// Means of the image's quality; NaN where it was not measured.
    fn quality(&self) -> QualityMeans;
    /// Mean prediction consistency and reliability; NaN where nothing was suppressed.
    fn agreement(&self) -> [f64; 2];
}

/// Estimates average precision from a window, fitted on the profile's data ([`fit()`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimator {
    /// Mean average precision from detections alone.
    pub detections: Regression,
    /// The same from the image's quality and the candidates' agreement as well; absent where that was no better on what was left
    /// out.
    pub with_image: Option<Regression>,
    /// Average precision by class.
    pub classes: ClassModel,
    /// Simpler estimates, to compare with.
    pub comparisons: Vec<Comparison>,
}

impl Estimator {
    /// Checks lengths and ranges, for a model of `classes` classes.
    ///
    /// # Errors
    /// Says in words what is wrong.
    pub fn check(&self, classes: usize) -> Result<(), String> {
        let detections = self.detections.problem(features::DETECTION_FEATURES);
        let with_image = self.with_image.as_ref();
        let with_image = with_image
            .and_then(|found| found.problem(features::DETECTION_FEATURES + features::IMAGE_FEATURES));
        let mut weights = self.comparisons.iter().flat_map(|comparison| comparison.weights);
        let comparisons = weights
            .any(|weight| !weight.is_finite())
            .then_some("a weight of a simpler estimate is not finite");
        let parts = [
            ("detections", detections),
            ("with_image", with_image),
            ("classes", self.classes.problem(classes)),
            ("comparisons", comparisons),
        ];
        match parts.into_iter().find_map(|(part, problem)| Some((part, problem?))) {
            Some((part, problem)) => Err(format!("estimator.{part}: {problem}")),
            None => Ok(()),
        }
    }

    /// Mean average precision with its interval; not known without frames.
    #[must_use]
    pub fn map(&self, features: &WindowFeatures, frames: f64) -> Estimated {
        let with_image =
            self.with_image.as_ref().map(|fitted| (fitted, fitted.predict(&features.everything())));
        let (fitted, predicted) = with_image
            .filter(|(_, predicted)| predicted.value.is_finite())
            .unwrap_or_else(|| (&self.detections, self.detections.predict(&features.detections)));
        if !predicted.value.is_finite() {
            return Estimated::UNKNOWN;
        }
        let half_width = fitted.half_width(frames, predicted.outside);
        let value = predicted.value.clamp(0.0, 1.0);
        Estimated { value, low: (value - half_width).max(0.0), high: (value + half_width).min(1.0) }
    }
}

/// What is estimated of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// Index of the response curve whose corruption the image looks like; `None` if it looks clean.
    pub corruption: Option<usize>,
    /// Its severity, 0 … 5; NaN where nothing is known.
    pub severity: f64,
    /// Mean average precision.
    pub map: Estimated,
    /// Average precision by class id.
    pub classes: Vec<Estimated>,
}

impl Estimate {
    /// Nothing known, for a model of `classes` classes.
    #[must_use]
    pub fn unknown(classes: usize) -> Self {
        Self {
            corruption: None,
            severity: f64::NAN,
            map: Estimated::UNKNOWN,
            classes: vec![Estimated::UNKNOWN; classes],
        }
    }
}

/// Estimates what is known of a window, into `out`; allocates nothing where `out` has the profile's number of classes.
pub fn estimate(profile: &Profile, view: &dyn WindowView, out: &mut Estimate) {
    out.classes.resize(profile.classes.len(), Estimated::UNKNOWN);
    out.classes.fill(Estimated::UNKNOWN);
    out.map = Estimated::UNKNOWN;
    let looks = distortion::distortion(profile, &view.quality());
    (out.corruption, out.severity) = (looks.curve, looks.severity);
    let frames = view.frames();
    let Some(estimator) = profile.estimator.as_ref().filter(|_| frames >= 1.0) else { return };
    out.map = estimator.map(&WindowFeatures::new(profile, view), frames);
    let clean = profile.camera.map.filter(|map| *map > 0.0);
    let Some(ratio) = clean.map(|clean| (out.map.value / clean).min(MAX_RATIO)) else { return };
    if !ratio.is_finite() {
        return;
    }
    for (class_id, (class, estimated)) in profile.classes.iter().zip(&mut out.classes).enumerate() {
        let Some(ap) = class.ap else { continue };
        let precision = class.precision_by_score.as_deref();
        let shape = ClassShape::new(class.score_histogram.iter().map(|count| f64::from(*count)), precision);
        let baseline = ClassBaseline { ap, shape };
        let histogram = u32::try_from(class_id).ok().and_then(|class_id| view.histogram(class_id));
        let window = histogram.and_then(|histogram| ClassShape::new(histogram.into_iter(), precision));
        let instances = class.instances as f64 / profile.source.frames.max(1) as f64 * frames;
        *estimated = estimator.classes.estimate(class_id, &baseline, window.as_ref(), ratio, instances);
    }
}
