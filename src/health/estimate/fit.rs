//! Fitting an [`Estimator`] on windows whose accuracy is known.
//!
//! How far it can be relied on is told by windows that it was not fitted on: their corruption is left out. That is done twice, with
//! all images, and with one half of the images to fit on and the other half to try it on. The halves differ by chance twice as much
//! (in variance) as the profile's images do from others that are as many, and the first kind not at all, so the mean of the
//! squares of both half widths is that of the interval for new images.

use nalgebra::{Matrix3, Vector3};

use super::classes::{self, ClassBaseline, ClassModel, EVIDENCE, SupportInterval};
use super::comparison::{Comparison, Method};
use super::features::ClassShape;
use super::regression::{Regression, SizeInterval, conformal};
use super::{Estimator, MAX_RATIO, WindowFeatures};
use crate::health::profile::ResponseCurve;

/// Expected instances from which an interval of classes begins.
const SUPPORTS: [f64; 6] = [0.0, 1.0, 3.0, 10.0, 30.0, 100.0];

/// Residuals that an interval of classes must rest on.
const LEAST_RESIDUALS: usize = 50;

/// Share by which the image's features must lower the error to be used.
const LEAST_GAIN: f64 = 0.02;

/// Penalty of evidence for each unit of weight: its figures go together, and none of them is to outdo the others.
const EVIDENCE_RIDGE: f64 = 1e-3;

/// Instances in a window from which a class's average precision is a figure to go by.
pub(crate) const FIRM_INSTANCES: f64 = 10.0;

/// Which images windows were drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// All.
    All,
    /// The first half.
    First,
    /// The second half.
    Second,
}

/// A window whose accuracy is known.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingWindow {
    /// Which images it was drawn from.
    pub split: Split,
    /// Index of its corruption; `None` for clean ones.
    pub corruption: Option<usize>,
    /// Frames.
    pub frames: f64,
    /// What it shows.
    pub features: WindowFeatures,
    /// Mean average precision over the classes present.
    pub map: f64,
    /// The classes present.
    pub classes: Vec<TrainingClass>,
}

/// A class present in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingClass {
    /// The class.
    pub class_id: usize,
    /// Its detections; `None` without any.
    pub shape: Option<ClassShape>,
    /// Its instances.
    pub instances: f64,
    /// Its average precision.
    pub ap: f64,
}

/// What clean images show.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Mean average precision.
    pub map: f64,
    /// By class id; `None` for classes without instances.
    pub classes: Vec<Option<ClassBaseline>>,
    /// Instances per frame by class id.
    pub instances: Vec<f64>,
}

/// What an estimator is fitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Training<'a> {
    /// Windows of all splits.
    pub windows: Vec<TrainingWindow>,
    /// Of all images, the first and the second half.
    pub baselines: [Baseline; 3],
    /// The profile's curves.
    pub curves: &'a [ResponseCurve],
    /// The profile's instances by class id.
    pub instances: Vec<u64>,
}

/// A window that was left out, with what was estimated of it.
#[derive(Debug, Clone, Copy)]
struct LeftOut<'a> {
    window: &'a TrainingWindow,
    estimate: f64,
    /// Of the images fitted on.
    baseline: &'a Baseline,
}

impl LeftOut<'_> {
    fn residual(&self) -> f64 {
        (self.estimate - self.window.map).abs()
    }

    /// Whether its images were left out as well.
    fn has_new_images(&self) -> bool {
        self.window.split != Split::All
    }
}

/// The half width for new images, from the residuals of windows on the same images and on others.
fn half_width(residuals: impl Iterator<Item = (bool, f64)>) -> f64 {
    let (others, same): (Vec<_>, Vec<_>) = residuals.partition(|(has_new_images, _)| *has_new_images);
    let of = |residuals: Vec<(bool, f64)>| conformal(residuals.into_iter().map(|(_, r)| r).collect());
    f64::midpoint(of(same).powi(2), of(others).powi(2)).sqrt()
}

type Figures = fn(&WindowFeatures) -> Vec<f64>;

/// Fits an estimator; `None` if the windows tell too little (none, or no variation).
#[must_use]
pub fn fit(training: &Training<'_>) -> Option<Estimator> {
    let (detections, left_out) = fitted(training, |features| features.detections.to_vec())?;
    let has_image =
        training.windows.iter().all(|window| window.features.image.iter().all(|value| value.is_finite()));
    let everything = has_image
        .then(|| fitted(training, |features| features.everything().to_vec()))
        .flatten()
        .filter(|(with_image, _)| with_image.left_out_error < (1.0 - LEAST_GAIN) * detections.left_out_error);
    let (with_image, left_out) = match everything {
        Some((with_image, left_out)) => (Some(with_image), left_out),
        None => (None, left_out),
    };
    let classes = class_model(training, &left_out);
    let all: Vec<(WindowFeatures, f64)> =
        windows(training, Split::All).map(|w| (w.features, w.map)).collect();
    let clean: Vec<f64> = windows(training, Split::All)
        .filter(|window| window.corruption.is_none())
        .map(|window| window.features.mean_score())
        .collect();
    let clean = (mean(&clean), training.baselines[0].map);
    let comparisons = Method::ALL.into_iter().filter_map(|method| Comparison::fit(method, &all, clean));
    let comparisons = comparisons.collect();
    Some(Estimator { detections, with_image, classes, comparisons })
}

fn windows<'a>(training: &'a Training<'_>, split: Split) -> impl Iterator<Item = &'a TrainingWindow> {
    training.windows.iter().filter(move |window| window.split == split)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn regression<'a>(windows: impl Iterator<Item = &'a TrainingWindow>, figures: Figures) -> Option<Regression> {
    let samples: Vec<(Vec<f64>, f64)> =
        windows.map(|window| (figures(&window.features), window.map)).collect();
    let samples: Vec<(&[f64], f64)> = samples.iter().map(|(x, y)| (x.as_slice(), *y)).collect();
    Regression::fit(&samples)
}

/// A regression with its intervals, and the windows that tell them.
fn fitted<'a>(training: &'a Training<'_>, figures: Figures) -> Option<(Regression, Vec<LeftOut<'a>>)> {
    let mut whole = regression(windows(training, Split::All), figures)?;
    let left_out = left_out(training, figures);
    let residuals: Vec<f64> = left_out.iter().map(LeftOut::residual).collect();
    whole.left_out_error = if residuals.is_empty() { 1.0 } else { mean(&residuals) };
    let mut sizes: Vec<f64> = left_out.iter().map(|left| left.window.frames).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    whole.intervals = sizes
        .into_iter()
        .map(|frames| {
            let own = left_out.iter().filter(|left| left.window.frames.total_cmp(&frames).is_eq());
            let residuals = own.map(|left| (left.has_new_images(), left.residual()));
            SizeInterval { frames, half_width: half_width(residuals) }
        })
        .collect();
    Some((whole, left_out))
}

/// Estimates for every window without its corruption: from the same images, and for windows of a half from the other half.
fn left_out<'a>(training: &'a Training<'_>, figures: Figures) -> Vec<LeftOut<'a>> {
    let mut corruptions: Vec<Option<usize>> =
        training.windows.iter().map(|window| window.corruption).collect();
    corruptions.sort_unstable();
    corruptions.dedup();
    let [all, first, second] = &training.baselines;
    let mut found = Vec::new();
    let splits = [
        (Split::All, all, Split::All),
        (Split::First, first, Split::Second),
        (Split::Second, second, Split::First),
    ];
    for (on, baseline, tried) in splits {
        for corruption in &corruptions {
            // Clean windows are never new to the estimator.
            let others = windows(training, on)
                .filter(|window| corruption.is_none() || window.corruption != *corruption);
            let Some(fitted) = regression(others, figures) else { continue };
            for window in windows(training, tried).filter(|window| window.corruption == *corruption) {
                let estimate = fitted.predict(&figures(&window.features)).value.clamp(0.0, 1.0);
                found.push(LeftOut { window, estimate, baseline });
            }
        }
    }
    found
}

fn class_model(training: &Training<'_>, left_out: &[LeftOut<'_>]) -> ClassModel {
    let mut model = ClassModel {
        response: classes::responses(training.curves, &training.instances),
        evidence: [0.0; EVIDENCE],
        intervals: Vec::new(),
        left_out_error: 1.0,
    };
    let weights = evidence_weights(&model, left_out);
    let without = mean(&firm_residuals(&model, left_out));
    let with = ClassModel { evidence: weights, ..model.clone() };
    if mean(&firm_residuals(&with, left_out)) < without {
        model = with;
    }
    model.left_out_error = mean(&firm_residuals(&model, left_out));
    let mut residuals: Vec<(f64, (bool, f64))> = Vec::new();
    each(left_out, |left, class, baseline, ratio, expected| {
        let estimate = model.estimate(class.class_id, baseline, class.shape.as_ref(), ratio, expected);
        residuals.push((expected, (left.has_new_images(), (estimate.value - class.ap).abs())));
    });
    for (index, from) in SUPPORTS.into_iter().enumerate() {
        let to = SUPPORTS.get(index + 1).copied().unwrap_or(f64::INFINITY);
        let own = residuals.iter().filter(|(expected, _)| (from..to).contains(expected));
        let own: Vec<(bool, f64)> = own.map(|(_, residual)| *residual).collect();
        if own.len() >= LEAST_RESIDUALS {
            model
                .intervals
                .push(SupportInterval { instances: from, half_width: half_width(own.into_iter()) });
        }
    }
    model
}

/// Every class that is in a window and in the images fitted on: with its baseline, the estimated ratio and the expected instances.
fn each<'a>(
    left_out: &'a [LeftOut<'a>],
    mut look: impl FnMut(&LeftOut<'a>, &'a TrainingClass, &'a ClassBaseline, f64, f64),
) {
    for left in left_out.iter().filter(|left| left.baseline.map > 0.0) {
        let ratio = (left.estimate / left.baseline.map).min(MAX_RATIO);
        for class in &left.window.classes {
            let Some(baseline) = left.baseline.classes.get(class.class_id).and_then(Option::as_ref) else {
                continue;
            };
            let per_frame = left.baseline.instances.get(class.class_id).copied().unwrap_or(0.0);
            look(left, class, baseline, ratio, per_frame * left.window.frames);
        }
    }
}

fn firm_residuals(model: &ClassModel, left_out: &[LeftOut<'_>]) -> Vec<f64> {
    let mut residuals = Vec::new();
    each(left_out, |_, class, baseline, ratio, expected| {
        if class.instances >= FIRM_INSTANCES {
            let estimate = model.estimate(class.class_id, baseline, class.shape.as_ref(), ratio, expected);
            residuals.push((estimate.value - class.ap).abs());
        }
    });
    residuals
}

/// Least squares of what the scaled baseline leaves open, weighted by instances up to where they are firm.
fn evidence_weights(model: &ClassModel, left_out: &[LeftOut<'_>]) -> [f64; EVIDENCE] {
    let (mut normal, mut target, mut total) = (Matrix3::<f64>::zeros(), Vector3::<f64>::zeros(), 0.0);
    each(left_out, |_, class, baseline, ratio, _| {
        let x = Vector3::from(classes::evidence(baseline.shape.as_ref(), class.shape.as_ref()));
        let weight = class.instances.min(FIRM_INSTANCES);
        total += weight;
        normal += x * x.transpose() * weight;
        target += x * (weight * (class.ap - model.scaled(class.class_id, baseline.ap, ratio)));
    });
    normal += Matrix3::identity() * (EVIDENCE_RIDGE * total.max(1.0));
    let solved = normal.cholesky().map(|decomposed| decomposed.solve(&target));
    let weights: Option<[f64; EVIDENCE]> = solved.map(Into::into);
    weights.filter(|weights| weights.iter().all(|weight| weight.is_finite())).unwrap_or([0.0; EVIDENCE])
}
