//! Least squares by conjugate gradients, all outputs of a layer at once.

use nalgebra::DMatrix;

use super::layer::Layer;
use super::moments::{Group, Moments};

/// Steps at most.
const MAX_STEPS: usize = 80;
/// Steps where no images are held back that would say when to stop.
const BLIND_STEPS: usize = 12;
/// Fitting ends after so many steps that helped no output.
const PATIENCE: usize = 4;
/// What each squared change of a weight costs, as a share of what it does on average: an input that hardly ever is
/// anything else than zero tells next to nothing of its weight, which then stays.
const RIDGE: f64 = 1e-3;
/// A layer whose outputs are this close to what they were (share of their variance) stays as it is.
const NEGLIGIBLE: f64 = 1e-4;

/// What was found for a layer.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    /// By output and input of its group, as in [`Layer::weights`].
    pub(super) weights: Option<Vec<f32>>,
    pub(super) bias: Option<Vec<f32>>,
    pub(super) error_before: f64,
    pub(super) error_after: f64,
    pub(super) steps: usize,
}

/// Fits a layer to `fit`; how far is told by `test`. Only the bias if `weights` is not set.
pub(super) fn fit(layer: &Layer, fit: &Moments, test: Option<&Moments>, weights: bool) -> Fitted {
    let judge = test.unwrap_or(fit);
    let (inputs, outputs) = (layer.inputs(), layer.group_outputs());
    let mut found = Fitted { weights: None, bias: None, error_before: 0.0, error_after: 0.0, steps: 0 };
    let (mut before, mut after, mut spread) = (0.0, 0.0, 0.0);
    let (mut all_weights, mut all_bias) = (Vec::new(), Vec::new());
    for (number, (moments, judged)) in fit.groups.iter().zip(&judge.groups).enumerate() {
        // inputs × outputs, the bias last
        let start = DMatrix::<f64>::from_fn(inputs + 1, outputs, |input, output| {
            let output = number * outputs + output;
            let value = match input {
                input if input == inputs => layer.bias.get(output),
                input => layer.weights.get(output * inputs + input),
            };
            f64::from(value.copied().unwrap_or(0.0))
        });
        let (old, spreads) = (judged.errors(&start), judged.spreads());
        before += old.iter().sum::<f64>();
        spread += spreads.iter().sum::<f64>();
        let negligible = old.iter().sum::<f64>() <= NEGLIGIBLE * spreads.iter().sum::<f64>();
        let best = if negligible {
            start
        } else if weights {
            let (best, steps) = descend(moments, test.map(|_| judged), start, layer.takes_bias());
            found.steps = found.steps.max(steps);
            best
        } else {
            shift(moments, start)
        };
        after += judged.errors(&best).iter().sum::<f64>();
        for column in best.column_iter() {
            all_weights.extend(column.iter().take(inputs).map(|value| *value as f32));
            all_bias.extend(column.iter().skip(inputs).map(|value| *value as f32));
        }
    }
    found.error_before = if spread > 0.0 { before / spread } else { 0.0 };
    found.error_after = if spread > 0.0 { after / spread } else { 0.0 };
    if found.error_before > NEGLIGIBLE {
        found.weights = weights.then_some(all_weights);
        found.bias = Some(all_bias);
    } else {
        found.error_after = found.error_before;
    }
    found
}

/// Makes the mean of each output what it should be.
fn shift(moments: &Group, mut weights: DMatrix<f64>) -> DMatrix<f64> {
    let last = moments.inputs.nrows().saturating_sub(1);
    let sums = moments.inputs.row(last) * &weights;
    for (output, sum) in sums.iter().enumerate() {
        let wanted = moments.outputs.get((last, output)).copied().unwrap_or(0.0);
        if let Some(bias) = weights.get_mut((last, output)) {
            *bias += (wanted - sum) / moments.samples.max(1) as f64;
        }
    }
    weights
}

/// Conjugate gradients for every output, with the diagonal as preconditioner. Weights that are zero stay zero. Returns for
/// each output the weights of the step that was best for `judge`, and the steps made.
fn descend(fit: &Group, judge: Option<&Group>, start: DMatrix<f64>, bias: bool) -> (DMatrix<f64>, usize) {
    let last = start.nrows().saturating_sub(1);
    let diagonal = fit.inputs.diagonal();
    let ridge = RIDGE * diagonal.iter().take(last).sum::<f64>() / last.max(1) as f64;
    // 1 / diagonal where the weight may change, 0 where not
    let scale = DMatrix::from_fn(start.nrows(), start.ncols(), |input, output| {
        let free = if input == last { bias } else { start.get((input, output)).is_some_and(|w| *w != 0.0) };
        let curvature = diagonal.get(input).copied().unwrap_or(0.0);
        let curvature = curvature + ridge;
        if free && curvature > 0.0 { 1.0 / curvature } else { 0.0 }
    });
    let mut weights = start;
    let mut residual = &fit.outputs - &fit.inputs * &weights;
    let mut direction = residual.component_mul(&scale);
    let mut power = column_dots(&residual, &direction);
    let target: Vec<f64> = power.iter().map(|power| power * 1e-12).collect();
    let mut best = weights.clone();
    let mut least = judge.map(|judge| judge.errors(&weights));
    let (mut steps, mut since) = (0, 0);
    let limit = if judge.is_some() { MAX_STEPS } else { BLIND_STEPS };
    while steps < limit && since < PATIENCE {
        steps += 1;
        since += 1;
        // the ridge holds to the weights at the start, so it is in the curvature and not in the first residual
        let curved = &fit.inputs * &direction + &direction * ridge;
        let curvature = column_dots(&direction, &curved);
        let length = |output: usize| {
            let (power, curvature) = (get(&power, output), get(&curvature, output));
            if power > get(&target, output) && curvature > 0.0 { power / curvature } else { 0.0 }
        };
        for output in 0..weights.ncols() {
            let length = length(output);
            weights.column_mut(output).axpy(length, &direction.column(output), 1.0);
            residual.column_mut(output).axpy(-length, &curved.column(output), 1.0);
        }
        let conditioned = residual.component_mul(&scale);
        let next = column_dots(&residual, &conditioned);
        for output in 0..weights.ncols() {
            let (new, old) = (get(&next, output), get(&power, output));
            let keep = if old > 0.0 { new / old } else { 0.0 };
            direction.column_mut(output).axpy(1.0, &conditioned.column(output), keep);
        }
        power = next;
        let (Some(judge), Some(least)) = (judge, &mut least) else {
            continue;
        };
        for (output, (error, least)) in judge.errors(&weights).iter().zip(least.iter_mut()).enumerate() {
            if *error < *least {
                if *error < *least * (1.0 - 1e-4) {
                    since = 0;
                }
                *least = *error;
                best.set_column(output, &weights.column(output));
            }
        }
    }
    if judge.is_none() {
        best = weights;
    }
    (best, steps)
}

fn get(values: &[f64], place: usize) -> f64 {
    values.get(place).copied().unwrap_or(0.0)
}

fn column_dots(a: &DMatrix<f64>, b: &DMatrix<f64>) -> Vec<f64> {
    a.column_iter().zip(b.column_iter()).map(|(a, b)| a.dot(&b)).collect()
}
