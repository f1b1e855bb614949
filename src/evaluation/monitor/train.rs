//! An estimator from the profile's own observations.

use rayon::prelude::*;

use super::sampled::{SampledCell, draw, generator};
use super::{Observed, WINDOW_SIZES};
use crate::corruption::Corruption;
use crate::evaluation::ResampledAp;
use crate::health::Profile;
use crate::health::estimate::{
    self, Baseline, ClassBaseline, ClassShape, Estimator, Split, Training, TrainingClass, TrainingWindow,
    WindowFeatures,
};

/// Windows of each size drawn from each condition: of all frames, and of each half.
const DRAWS: [usize; 3] = [6, 5, 4];

/// Fewest frames that are worth cutting in halves.
const LEAST_FRAMES: usize = 8;

/// Fits the estimator of a profile that is complete but for it, on what the profile was made from. The same seed gives the same
/// estimator. `None` without labels, or where there is too little to fit on.
#[must_use]
pub fn fit_estimator(observed: &Observed, profile: &Profile, seed: u64) -> Option<Estimator> {
    let truths = observed.truths.as_ref()?;
    let frames = truths.len();
    if frames < LEAST_FRAMES {
        return None;
    }
    let splits = [
        (Split::All, (0..frames).collect::<Vec<_>>()),
        (Split::First, (0..frames).step_by(2).collect()),
        (Split::Second, (1..frames).step_by(2).collect()),
    ];
    let mut names: Vec<Corruption> =
        observed.cells.iter().filter_map(|cell| cell.step.map(|step| step.corruption)).collect();
    names.dedup();
    let clean = observed.cells.iter().find(|cell| cell.step.is_none())?;
    let clean = SampledCell::new(observed, clean, truths);
    let baselines = splits.clone().map(|(_, among)| baseline(profile, &clean, &among, frames));
    let windows = observed.cells.par_iter().enumerate().flat_map_iter(|(index, cell)| {
        let corruption = cell.step.and_then(|step| names.iter().position(|name| *name == step.corruption));
        let sampled = SampledCell::new(observed, cell, truths);
        let mut rng = generator(seed, index as u64);
        let mut windows = Vec::new();
        for (split, among) in &splits {
            for (size, draws) in WINDOW_SIZES.into_iter().zip(DRAWS) {
                for _ in 0..draws {
                    let weights = draw(&mut rng, among, size, frames);
                    windows.extend(window(profile, &sampled, &weights, *split, corruption));
                }
            }
        }
        windows
    });
    let training = Training {
        windows: windows.collect(),
        baselines,
        curves: &profile.curves,
        instances: profile.classes.iter().map(|class| class.instances).collect(),
    };
    estimate::fit(&training)
}

/// `None` for a window without instances.
fn window(
    profile: &Profile,
    sampled: &SampledCell,
    weights: &[u16],
    split: Split,
    corruption: Option<usize>,
) -> Option<TrainingWindow> {
    let view = sampled.window(weights);
    let ResampledAp { ap, classes } = sampled.accuracy(weights);
    let instances = sampled.instances(weights);
    let shapes = view.histograms().iter().zip(&profile.classes);
    let shapes = shapes
        .map(|(bins, class)| ClassShape::new(bins.iter().copied(), class.precision_by_score.as_deref()));
    let classes = classes.iter().zip(shapes).zip(instances).enumerate();
    let classes = classes.filter_map(|(class_id, ((ap, shape), instances))| {
        Some(TrainingClass { class_id, shape, instances, ap: (*ap)? })
    });
    Some(TrainingWindow {
        split,
        corruption,
        frames: weights.iter().map(|weight| f64::from(*weight)).sum(),
        features: WindowFeatures::new(profile, &view),
        map: ap?,
        classes: classes.collect(),
    })
}

fn baseline(profile: &Profile, clean: &SampledCell, among: &[usize], frames: usize) -> Baseline {
    let mut weights = vec![0; frames];
    for frame in among {
        if let Some(weight) = weights.get_mut(*frame) {
            *weight = 1;
        }
    }
    let view = clean.window(&weights);
    let accuracy = clean.accuracy(&weights);
    let shapes = view.histograms().iter().zip(&profile.classes);
    let shapes = shapes
        .map(|(bins, class)| ClassShape::new(bins.iter().copied(), class.precision_by_score.as_deref()));
    let classes = accuracy.classes.iter().zip(shapes);
    let count = among.len().max(1) as f64;
    Baseline {
        map: accuracy.ap.unwrap_or(0.0),
        classes: classes.map(|(ap, shape)| Some(ClassBaseline { ap: (*ap)?, shape })).collect(),
        instances: clean.instances(&weights).into_iter().map(|instances| instances / count).collect(),
    }
}
