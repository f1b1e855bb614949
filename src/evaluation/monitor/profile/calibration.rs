//! From scores to the probability of being right.
//!
//! With support a class's map is isotonic (Zadrozny & Elkan, KDD 2002), found by pooling adjacent violators (Ayer et al., Ann. Math.
//! Statist. 26(4), 1955); with less, two parameters must do (Platt, 1999). Either is drawn towards the map of all classes together,
//! the more so the less support it has.

use crate::evaluation::Matches;
use crate::evaluation::matching::ClassMatches;
use crate::health::{SCORE_BINS, bin_of};

/// Detections from which a map is isotonic: with fewer, its steps are those of chance.
pub const ISOTONIC_FROM: u32 = 200;

/// Detections from which a map has a slope of its own; with fewer, a class takes that of all classes.
pub const PLATT_FROM: u32 = 30;

/// Weight of the map of all classes, in detections.
const PRIOR: f64 = 50.0;

/// Steps of Newton's method after which Platt scaling is taken as it is; a handful is usual.
const STEPS: usize = 100;

/// For each bin of scores the probability of being right.
pub(super) type Map = [f64; SCORE_BINS];

/// Detections and those that are right (IoU ≥ 0.5) by score.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Evidence {
    pub(super) right: [u32; SCORE_BINS],
    pub(super) all: [u32; SCORE_BINS],
}

impl Evidence {
    pub(super) const NONE: Self = Self { right: [0; SCORE_BINS], all: [0; SCORE_BINS] };

    fn of(class: &ClassMatches) -> Self {
        let mut evidence = Self::NONE;
        for detection in class.detections.iter().filter(|detection| detection.ignored & 1 == 0) {
            let Some(bin) = bin_of(detection.score) else { continue };
            if let (Some(right), Some(all)) = (evidence.right.get_mut(bin), evidence.all.get_mut(bin)) {
                *right += u32::from(detection.right & 1);
                *all += 1;
            }
        }
        evidence
    }

    fn add(&mut self, other: &Self) {
        self.right.iter_mut().zip(other.right).for_each(|(sum, count)| *sum += count);
        self.all.iter_mut().zip(other.all).for_each(|(sum, count)| *sum += count);
    }

    fn total(&self) -> u32 {
        self.all.iter().sum()
    }

    /// Its own map; `None` below [`PLATT_FROM`] detections.
    fn map(&self) -> Option<Map> {
        match self.total() {
            ISOTONIC_FROM.. => Some(isotonic(self)),
            PLATT_FROM.. => Some(platt(self)),
            _ => None,
        }
    }
}

/// The map of every class; `None` for all where there is too little support even for all of them together.
pub(super) fn precision_maps(matches: &Matches) -> Vec<Option<Vec<f64>>> {
    let classes: Vec<Evidence> = matches.classes.iter().map(Evidence::of).collect();
    let mut together = Evidence::NONE;
    classes.iter().for_each(|class| together.add(class));
    let together = together.map();
    classes.iter().map(|class| together.as_ref().map(|together| shrunk(class, together).to_vec())).collect()
}

/// A class's own map, drawn towards that of all classes.
pub(super) fn shrunk(class: &Evidence, together: &Map) -> Map {
    let Some(mut map) = class.map() else { return *together };
    let support = f64::from(class.total());
    let weight = support / (support + PRIOR);
    map.iter_mut().zip(together).for_each(|(own, all)| *own = weight * *own + (1.0 - weight) * all);
    never_falling(map)
}

/// Makes up for rounding in the last bit.
fn never_falling(mut map: Map) -> Map {
    let mut most = 0.0_f64;
    for value in &mut map {
        most = most.max(value.clamp(0.0, 1.0));
        *value = most;
    }
    map
}

/// The never falling map of least squares; straight lines over bins without detections.
pub(super) fn isotonic(evidence: &Evidence) -> Map {
    // Blocks of neighbouring bins that share a value: detections that are right, all, and bins.
    let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
    let filled: Vec<usize> =
        (0..).zip(evidence.all).filter(|(_, all)| *all > 0).map(|(bin, _)| bin).collect();
    for bin in &filled {
        let count = |counts: &[u32; SCORE_BINS]| counts.get(*bin).copied().map_or(0.0, f64::from);
        let mut block = (count(&evidence.right), count(&evidence.all), 1);
        while let Some((right, all, bins)) = blocks.pop() {
            if right * block.1 < block.0 * all {
                blocks.push((right, all, bins));
                break;
            }
            block = (right + block.0, all + block.1, bins + block.2);
        }
        blocks.push(block);
    }
    let values = blocks.iter().flat_map(|(right, all, bins)| std::iter::repeat_n(right / all, *bins));
    let known: Vec<(usize, f64)> = filled.into_iter().zip(values).collect();
    let mut map = [0.0; SCORE_BINS];
    for (bin, value) in map.iter_mut().enumerate() {
        let after = known.partition_point(|(known, _)| *known < bin);
        let upper = known.get(after).or(known.last());
        let lower = after.checked_sub(1).and_then(|before| known.get(before)).or(upper);
        if let (Some((from, low)), Some((to, high))) = (lower, upper) {
            let share = if to > from { (bin.saturating_sub(*from)) as f64 / (to - from) as f64 } else { 0.0 };
            *value = low + (high - low) * share;
        }
    }
    never_falling(map)
}

/// A sigmoid of the score's logarithmic odds, fitted to the most likely one by Newton's method with the safeguards of Lin, Lin & Weng
/// (Machine Learning 68(3), 2007); targets short of 0 and 1 keep it from overconfidence. Never falling: where the data fall, the
/// slope is 0.
pub(super) fn platt(evidence: &Evidence) -> Map {
    let rows: Vec<[f64; 3]> = (0..)
        .zip(evidence.right.iter().zip(&evidence.all))
        .filter(|(_, (_, all))| **all > 0)
        .map(|(bin, (right, all))| [log_odds(bin), f64::from(*right), f64::from(*all - *right)])
        .collect();
    let right: f64 = rows.iter().map(|row| row[1]).sum();
    let wrong: f64 = rows.iter().map(|row| row[2]).sum();
    let targets = [(right + 1.0) / (right + 2.0), 1.0 / (wrong + 2.0)];
    let fit = Sigmoid { rows, targets };
    let base = ((right + 1.0) / (wrong + 1.0)).ln();
    let (slope, offset) = fit.most_likely(0.0, base);
    let (slope, offset) = if slope < 0.0 { (0.0, fit.most_likely_offset(base)) } else { (slope, offset) };
    let mut map = [0.0; SCORE_BINS];
    (0..).zip(&mut map).for_each(|(bin, value)| *value = sigmoid(slope * log_odds(bin) + offset));
    never_falling(map)
}

/// Logarithmic odds of a bin's middle.
fn log_odds(bin: usize) -> f64 {
    let score = (bin as f64 + 0.5) / SCORE_BINS as f64;
    (score / (1.0 - score)).ln()
}

fn sigmoid(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

/// `ln(1 + exp(value))` without overflow.
fn softplus(value: f64) -> f64 {
    value.max(0.0) + (-value.abs()).exp().ln_1p()
}

/// Data of a sigmoid: logarithmic odds, detections that are right, those that are wrong; and what probability either has.
struct Sigmoid {
    rows: Vec<[f64; 3]>,
    targets: [f64; 2],
}

impl Sigmoid {
    /// Negative logarithm of the likelihood.
    fn loss(&self, slope: f64, offset: f64) -> f64 {
        let [yes, no] = self.targets;
        let of_row = |[odds, right, wrong]: &[f64; 3]| {
            let value = slope * odds + offset;
            (right + wrong) * softplus(value) - (right * yes + wrong * no) * value
        };
        self.rows.iter().map(of_row).sum()
    }

    fn most_likely(&self, mut slope: f64, mut offset: f64) -> (f64, f64) {
        let [yes, no] = self.targets;
        for _ in 0..STEPS {
            let (mut gradient, mut hessian) = ([0.0; 2], [1e-12, 0.0, 1e-12]);
            for [odds, right, wrong] in &self.rows {
                let probability = sigmoid(slope * odds + offset);
                let error = (right + wrong) * probability - right * yes - wrong * no;
                gradient[0] += odds * error;
                gradient[1] += error;
                let curvature = (right + wrong) * probability * (1.0 - probability);
                hessian[0] += odds * odds * curvature;
                hessian[1] += odds * curvature;
                hessian[2] += curvature;
            }
            if gradient.iter().all(|value| value.abs() < 1e-9) {
                break;
            }
            let determinant = hessian[0] * hessian[2] - hessian[1] * hessian[1];
            let step = [
                -(hessian[2] * gradient[0] - hessian[1] * gradient[1]) / determinant,
                -(hessian[0] * gradient[1] - hessian[1] * gradient[0]) / determinant,
            ];
            let promised = step[0] * gradient[0] + step[1] * gradient[1];
            let before = self.loss(slope, offset);
            let mut length = 1.0;
            while length > 1e-10
                && self.loss(slope + length * step[0], offset + length * step[1])
                    > before + 1e-4 * length * promised
            {
                length /= 2.0;
            }
            let is_stuck = length <= 1e-10 || !promised.is_finite();
            if is_stuck {
                break;
            }
            slope += length * step[0];
            offset += length * step[1];
        }
        (slope, offset)
    }

    /// The best offset of a slope of 0: the logarithmic odds of the mean target.
    fn most_likely_offset(&self, base: f64) -> f64 {
        let [yes, no] = self.targets;
        let right: f64 = self.rows.iter().map(|row| row[1]).sum();
        let wrong: f64 = self.rows.iter().map(|row| row[2]).sum();
        let mean = (right * yes + wrong * no) / (right + wrong);
        if mean > 0.0 && mean < 1.0 { (mean / (1.0 - mean)).ln() } else { base }
    }
}
