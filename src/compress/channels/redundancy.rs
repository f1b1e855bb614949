//! How much a channel matters when the others take over what they can.
//!
//! What a layer loses with a channel that it reads is not what the channel carries, but what of it the channels that are left
//! do not: its variance given theirs, times the squared weights that read it. With Σ the covariance of the channels, that
//! variance is 1 / (Σ⁻¹)cc, the saliency of Optimal Brain Surgeon for least squares (Hassibi and Stork, "Second order
//! derivatives for network pruning", NIPS 1992), of whole channels as in Frantar and Alistarh, "Optimal Brain Compression"
//! (NeurIPS 2022). Channels go one by one, and Σ⁻¹ is brought up to date after each, so of two twins one goes and the other
//! stays. [`reconstruct`](crate::compress::reconstruct) is what lets the others take over.

use std::collections::HashMap;

use nalgebra::DMatrix;
use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::importance::columns;
use super::sets::{ChannelSet, Prunable};
use super::trace::{Reader, Trace};
use crate::compress::graph::{Index, Model};
use crate::compress::runner::Runner;
use crate::compress::shapes::Shapes;
use crate::compress::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;

/// Places of a tensor, over all images, that its covariance is taken from.
const SAMPLES: usize = 16_384;
/// Added to each variance, as a share of their mean: what sampling leaves uncertain.
const RIDGE: f64 = 1e-3;

/// An axis of a tensor that layers read.
type Axis<'a> = (&'a str, usize);

/// By group and set, what the layers that read the set lose with it, as a share of the variance that they make, when those
/// of its group that matter less are gone, and as large a share of the other groups.
pub(super) fn of_redundancy(
    model: &Model,
    (trace, groups, shapes): (&Trace, &Prunable, &Shapes),
    input: &InputSpec,
    images: &CalibrationImages,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Vec<f64>>, CompressError> {
    let graph = model.graph();
    let axis = |reader: &Reader| Some((graph.node.get(reader.node)?.input.first()?.as_str(), reader.axis));
    let mut moments: HashMap<Axis<'_>, Moments> = HashMap::new();
    for reader in &trace.readers {
        if let Some(axis) = axis(reader) {
            moments.insert(axis, Moments::new(reader.atoms.len()));
        }
    }
    measure(model, &mut moments, input, images, progress)?;

    let index = Index::new(graph);
    let mut states: Vec<(Axis<'_>, State)> = Vec::new();
    let mut readers = Vec::new();
    for reader in &trace.readers {
        let Some(axis) = axis(reader) else { continue };
        let known = states.iter().position(|(known, _)| *known == axis);
        let place = known.unwrap_or_else(|| {
            let state = moments.remove(&axis).map(|moments| State::new(&moments));
            states.push((axis, state.unwrap_or_else(|| State::new(&Moments::new(0)))));
            states.len() - 1
        });
        let weights = columns(graph, &index, reader, shapes)?;
        let variances = states.get(place).map_or(&[][..], |(_, state)| &state.variances);
        let total: f64 = weights.iter().zip(variances).map(|(weight, variance)| weight * variance).sum();
        let shares = weights.iter().map(|weight| weight / total.max(f64::MIN_POSITIVE)).collect();
        readers.push(ReaderState { axis: place, shares });
    }
    let mut states: Vec<State> = states.into_iter().map(|(_, state)| state).collect();
    Ok(order(groups, &readers, &mut states))
}

/// What one layer makes of a channel's variance, as a share of what it makes of all.
struct ReaderState {
    axis: usize,
    shares: Vec<f64>,
}

/// Takes the sets away, in turn from the group of which most is left, each time the one that is missed least.
fn order(groups: &Prunable, readers: &[ReaderState], states: &mut [State]) -> Vec<Vec<f64>> {
    let mut scores: Vec<Vec<f64>> = groups.groups.iter().map(|group| vec![0.0; group.sets.len()]).collect();
    let mut left: Vec<Vec<usize>> =
        groups.groups.iter().map(|group| (0..group.sets.len()).collect()).collect();
    let mut largest = vec![0.0f64; groups.groups.len()];
    loop {
        let share = |number: usize| {
            let all = groups.groups.get(number).map_or(0, |group| group.sets.len());
            left.get(number).map_or(0, Vec::len) as f64 / all.max(1) as f64
        };
        let open = (0..left.len()).filter(|number| left.get(*number).is_some_and(|left| !left.is_empty()));
        let Some(number) = open.max_by(|a, b| share(*a).total_cmp(&share(*b)).then(b.cmp(a))) else {
            return scores;
        };
        let (Some(group), Some(rest), Some(scores), Some(largest)) = (
            groups.groups.get(number),
            left.get_mut(number),
            scores.get_mut(number),
            largest.get_mut(number),
        ) else {
            return scores;
        };
        let cost = |set: &usize| group.sets.get(*set).map_or(0.0, |set| cost(set, readers, states));
        let costs: Vec<f64> = rest.iter().map(cost).collect();
        let least = costs.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let Some((place, least)) = least.map(|(place, least)| (place, *least)) else { return Vec::new() };
        let set = rest.remove(place);
        // what goes later matters more, even where it costs less by then
        *largest = largest.max(least);
        if let Some(score) = scores.get_mut(set) {
            *score = *largest + f64::EPSILON * (group.sets.len() - rest.len()) as f64 * *largest;
        }
        for (reader, places) in group.sets.get(set).iter().flat_map(|set| &set.read) {
            if let Some(state) = readers.get(*reader).and_then(|reader| states.get_mut(reader.axis)) {
                for place in places {
                    state.remove(*place);
                }
            }
        }
    }
}

fn cost(set: &ChannelSet, readers: &[ReaderState], states: &[State]) -> f64 {
    let mut sum = 0.0;
    for (reader, places) in &set.read {
        let Some(reader) = readers.get(*reader) else { continue };
        let Some(state) = states.get(reader.axis) else { continue };
        for place in places {
            sum += reader.shares.get(*place).copied().unwrap_or(0.0) * state.missing(*place);
        }
    }
    sum
}

/// Sums over samples of the channels of an axis.
struct Moments {
    sums: Vec<f64>,
    products: DMatrix<f64>,
    samples: usize,
}

impl Moments {
    fn new(channels: usize) -> Self {
        Self { sums: vec![0.0; channels], products: DMatrix::zeros(channels, channels), samples: 0 }
    }

    /// Takes in at most `limit` places of a tensor; `key` says which.
    fn add(&mut self, values: &[f32], dims: &[i64], axis: usize, limit: usize, key: u64) {
        let channels = self.sums.len();
        let inner: usize =
            dims.iter().skip(axis + 1).map(|side| usize::try_from(*side).unwrap_or(0)).product();
        let places = values.len() / channels.max(1);
        if channels == 0 || inner == 0 || places == 0 {
            return;
        }
        let mut random = Xoshiro256PlusPlus::seed_from_u64(key);
        let count = places.min(limit);
        let mut draw = |number: usize| {
            if places <= limit { number } else { (random.next_u64() % places as u64) as usize }
        };
        let mut samples = DMatrix::<f32>::zeros(channels, count);
        for (number, mut column) in samples.column_iter_mut().enumerate() {
            let place = draw(number);
            let start = place / inner * channels * inner + place % inner;
            for (channel, element) in column.iter_mut().enumerate() {
                *element = values.get(start + channel * inner).copied().unwrap_or(0.0);
            }
        }
        for (sum, row) in self.sums.iter_mut().zip(samples.row_iter()) {
            *sum += row.iter().map(|value| f64::from(*value)).sum::<f64>();
        }
        let products = &samples * samples.transpose();
        for (sum, more) in self.products.iter_mut().zip(products.iter()) {
            *sum += f64::from(*more);
        }
        self.samples += count;
    }
}

/// The inverse of a covariance, of which rows and columns are taken away.
struct State {
    /// Of the channels, while all were there.
    variances: Vec<f64>,
    inverse: DMatrix<f64>,
}

impl State {
    fn new(moments: &Moments) -> Self {
        let count = moments.samples.max(1) as f64;
        let mut covariance = &moments.products / count;
        for (row, a) in moments.sums.iter().enumerate() {
            for (column, b) in moments.sums.iter().enumerate() {
                if let Some(element) = covariance.get_mut((row, column)) {
                    *element -= a / count * (b / count);
                }
            }
        }
        let variances: Vec<f64> = covariance.diagonal().iter().map(|variance| variance.max(0.0)).collect();
        let mean = variances.iter().sum::<f64>() / variances.len().max(1) as f64;
        let ridge = (RIDGE * mean).max(f64::MIN_POSITIVE.sqrt());
        for channel in 0..variances.len() {
            if let Some(variance) = covariance.get_mut((channel, channel)) {
                *variance += ridge;
            }
        }
        let inverse = covariance.cholesky().map(|factor| factor.inverse());
        // variances alone where rounding left no inverse
        let alone = || {
            let inverses = variances.iter().map(|variance| 1.0 / (variance + ridge));
            DMatrix::from_diagonal(&nalgebra::DVector::from_iterator(variances.len(), inverses))
        };
        let inverse = inverse.unwrap_or_else(alone);
        Self { variances, inverse }
    }

    /// A channel's variance that those which are left do not have.
    fn missing(&self, channel: usize) -> f64 {
        let precision = self.inverse.get((channel, channel)).copied().unwrap_or(0.0);
        if precision > 0.0 { 1.0 / precision } else { 0.0 }
    }

    /// Takes a channel away.
    fn remove(&mut self, channel: usize) {
        let precision = self.inverse.get((channel, channel)).copied().unwrap_or(0.0);
        if precision <= 0.0 {
            return;
        }
        let column = self.inverse.column(channel).clone_owned();
        self.inverse.ger(-1.0 / precision, &column, &column, 1.0);
        self.inverse.column_mut(channel).fill(0.0);
        self.inverse.row_mut(channel).fill(0.0);
    }
}

fn measure(
    model: &Model,
    moments: &mut HashMap<Axis<'_>, Moments>,
    input: &InputSpec,
    images: &CalibrationImages,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), CompressError> {
    let mut runner = Runner::new(model, &input.shape(), moments.keys().map(|(tensor, _)| *tensor))?;
    let limit = SAMPLES.div_ceil(images.count().max(1));
    runner.run_on(images, input, ("covariances", progress), |number, name, dims, values| {
        if let Some(found) = values.iter().copied().find(|value| !value.is_finite()) {
            return Err(found);
        }
        for ((_, axis), moments) in moments.iter_mut().filter(|((tensor, _), _)| *tensor == name) {
            moments.add(values, dims, *axis, limit, number as u64);
        }
        Ok(())
    })
}
