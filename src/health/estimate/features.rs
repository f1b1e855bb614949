//! What the regressions look at.

use super::WindowView;
use crate::health::SCORE_BINS;
use crate::health::profile::Profile;
use crate::health::quality::QualityMeans;

/// Scores (in bins of 0.01) between which survival is looked at.
const EDGES: [usize; 10] = [5, 10, 15, 20, 30, 40, 50, 60, 70, 80];

/// Detections per frame that a survival ratio is held down by where there are next to none, so that an empty window looks like
/// the worst and not like the best.
const SMOOTHING: f64 = 0.02;

/// A score that counts as confident, in bins of 0.01.
const CONFIDENT_BIN: usize = 40;

/// Features of the detections: mean score, expected right detections, top score, survival ratios, size of the window.
pub(super) const DETECTION_FEATURES: usize = 4 + EDGES.len() - 1;

/// Features of the image: nine of quality, two of agreement.
pub(super) const IMAGE_FEATURES: usize = QUALITY_FEATURES + 2;

/// Figures of [`QualityMeans`].
pub(super) const QUALITY_FEATURES: usize = 9;

/// What a window shows, in the figures that accuracy is estimated from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowFeatures {
    /// Of the detections; finite where there are frames.
    pub(super) detections: [f64; DETECTION_FEATURES],
    /// Of the image; NaN where it was not measured.
    pub(super) image: [f64; IMAGE_FEATURES],
    /// Share of scores above their class's threshold (ATC: Garg et al., ICLR 2022, arXiv 2201.04234), 0 without detections.
    pub(super) above_threshold: f64,
}

impl WindowFeatures {
    /// Features of a window, with the profile's maps from score to precision.
    #[must_use]
    pub fn new(profile: &Profile, view: &dyn WindowView) -> Self {
        let frames = view.frames();
        let mut survivors = [0.0; EDGES.len()];
        let (mut score, mut right, mut above, mut total) = (0.0, 0.0, 0.0, 0.0);
        for (class_id, class) in (0..).zip(&profile.classes) {
            let Some(histogram) = view.histogram(class_id) else { continue };
            let precision = class.precision_by_score.as_deref();
            for (bin, count) in histogram.iter().enumerate().filter(|(_, count)| **count > 0.0) {
                total += count;
                score += count * middle(bin);
                right += count * precision_of(precision, bin);
                above += if class.atc_score.is_some_and(|least| middle(bin) >= least) { *count } else { 0.0 };
                for (sum, edge) in survivors.iter_mut().zip(EDGES) {
                    *sum += if bin >= edge { *count } else { 0.0 };
                }
            }
        }
        let share = |sum: f64| if total > 0.0 { sum / total } else { 0.0 };
        let mut detections = [0.0; DETECTION_FEATURES];
        let begin = [share(score), right / frames, view.top_score(), frames.ln()];
        let survival = survivors.iter().zip(survivors.iter().skip(1));
        let survival = survival.map(|(before, after)| after / (before + SMOOTHING * frames));
        detections.iter_mut().zip(begin.into_iter().chain(survival)).for_each(|(to, from)| *to = from);
        let mut image = [0.0; IMAGE_FEATURES];
        let looks = quality_vector(&view.quality()).into_iter().chain(view.agreement());
        image.iter_mut().zip(looks).for_each(|(to, from)| *to = from);
        Self { detections, image, above_threshold: share(above) }
    }

    /// Mean score of all detections, 0 without any.
    pub(super) fn mean_score(&self) -> f64 {
        self.detections[0]
    }

    /// Mean prediction consistency and reliability.
    pub(super) fn agreement(&self) -> [f64; 2] {
        [self.image[IMAGE_FEATURES - 2], self.image[IMAGE_FEATURES - 1]]
    }

    /// All features together.
    pub(super) fn everything(&self) -> [f64; DETECTION_FEATURES + IMAGE_FEATURES] {
        let mut all = [0.0; DETECTION_FEATURES + IMAGE_FEATURES];
        let from = self.detections.iter().chain(&self.image);
        all.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        all
    }
}

/// The middle of a bin.
pub(super) fn middle(bin: usize) -> f64 {
    (bin as f64 + 0.5) / SCORE_BINS as f64
}

/// The probability that a detection of this bin is right; its score where nothing better is known.
fn precision_of(map: Option<&[f64]>, bin: usize) -> f64 {
    map.and_then(|map| map.get(bin)).copied().unwrap_or_else(|| middle(bin))
}

/// How the scores of one class are distributed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassShape {
    /// Detections.
    pub(super) count: f64,
    /// Mean score.
    pub(super) score: f64,
    /// Share of confident ones.
    pub(super) confident: f64,
    /// Mean calibrated precision.
    pub(super) precision: f64,
}

impl ClassShape {
    /// Of a histogram of bins of 0.01, with the class's map from score to precision; `None` if it is empty.
    #[must_use]
    pub fn new(counts: impl Iterator<Item = f64>, precision: Option<&[f64]>) -> Option<Self> {
        let mut shape = Self { count: 0.0, score: 0.0, confident: 0.0, precision: 0.0 };
        for (bin, count) in counts.enumerate().filter(|(_, count)| *count > 0.0) {
            shape.count += count;
            shape.score += count * middle(bin);
            shape.confident += if bin >= CONFIDENT_BIN { count } else { 0.0 };
            shape.precision += count * precision_of(precision, bin);
        }
        (shape.count > 0.0).then(|| Self {
            count: shape.count,
            score: shape.score / shape.count,
            confident: shape.confident / shape.count,
            precision: shape.precision / shape.count,
        })
    }
}

/// A figure of the image's quality on the scale on which it is compared, and the slope of that scale: logarithms for what varies by
/// factors.
type Scale = (fn(f64) -> f64, fn(f64) -> f64);

const LINEAR: Scale = (|value| value, |_| 1.0);
const LOGARITHM: Scale = (|value| (1.0 + value.max(0.0)).ln(), |value| 1.0 / (1.0 + value.max(0.0)));
/// For what is small by nature.
const FINE_LOGARITHM: Scale = (|value| (0.02 + value.max(0.0)).ln(), |value| 1.0 / (0.02 + value.max(0.0)));

const SCALES: [Scale; QUALITY_FEATURES] = [
    LOGARITHM,
    FINE_LOGARITHM,
    LINEAR,
    LOGARITHM,
    FINE_LOGARITHM,
    FINE_LOGARITHM,
    FINE_LOGARITHM,
    FINE_LOGARITHM,
    LINEAR,
];

fn fields(quality: &QualityMeans) -> [f64; QUALITY_FEATURES] {
    [
        quality.noise,
        quality.sharpness,
        quality.brightness,
        quality.contrast,
        quality.dark_share,
        quality.bright_share,
        quality.blockiness,
        quality.flat_share,
        quality.saturation,
    ]
}

/// Quality on the scales on which it is compared.
pub(super) fn quality_vector(quality: &QualityMeans) -> [f64; QUALITY_FEATURES] {
    let mut values = fields(quality);
    values.iter_mut().zip(SCALES).for_each(|(value, (scale, _))| {
        // `max` would make a number of NaN.
        if value.is_finite() {
            *value = scale(*value);
        }
    });
    values
}

/// Deviations on the same scales, from those of the figures themselves around `means`.
pub(super) fn quality_deviation(means: &QualityMeans, deviation: &QualityMeans) -> [f64; QUALITY_FEATURES] {
    let mut values = fields(deviation);
    values
        .iter_mut()
        .zip(fields(means))
        .zip(SCALES)
        .for_each(|((value, mean), (_, slope))| *value *= slope(mean));
    values
}
