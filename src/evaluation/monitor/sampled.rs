//! Windows drawn from the frames of a condition, with replacement, and how accurate the detector is in them.

use rand::{Rng as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Observed, ObservedCell};
use crate::detector::{Agreement, Detection};
use crate::evaluation::{Matches, ResampledAp, Truth};
use crate::health::estimate::WindowView;
use crate::health::{ImageQuality, QualityMeans, SCORE_BINS, bin_of};

/// A condition that windows are drawn from.
#[derive(Debug, Clone)]
pub struct SampledCell {
    frames: Vec<Figures>,
    matches: Matches,
    classes: usize,
}

/// What counts of a frame.
#[derive(Debug, Clone)]
struct Figures {
    /// Class and bin of each detection.
    scores: Vec<(usize, usize)>,
    top: f64,
    agreement: Agreement,
    quality: ImageQuality,
}

/// How many times each frame is in a window.
pub type Weights = Vec<u16>;

/// Draws a window of `size` frames out of `among`, with replacement, of `frames` frames in all.
pub(super) fn draw(rng: &mut Xoshiro256PlusPlus, among: &[usize], size: usize, frames: usize) -> Weights {
    let mut weights = vec![0_u16; frames];
    for _ in 0..size {
        // The remainder's bias is below frames / 2⁶⁴.
        let place = (rng.next_u64() % among.len().max(1) as u64) as usize;
        if let Some(weight) = among.get(place).and_then(|frame| weights.get_mut(*frame)) {
            *weight = weight.saturating_add(1);
        }
    }
    weights
}

/// A generator of its own for each `stream` of a seed.
pub(super) fn generator(seed: u64, stream: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed ^ stream.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl SampledCell {
    /// A condition of labelled frames; `truths` are theirs.
    #[must_use]
    pub fn new(observed: &Observed, cell: &ObservedCell, truths: &[Vec<Truth>]) -> Self {
        let classes = observed.classes.len();
        let figures = cell.frames.iter().map(|frame| {
            let binned = |found: &Detection| Some((found.class_id as usize, bin_of(found.score)?));
            let scored = frame.detections.iter().filter(|found| bin_of(found.score).is_some());
            Figures {
                scores: frame.detections.iter().filter_map(binned).collect(),
                top: scored.map(|found| f64::from(found.score)).fold(0.0, f64::max),
                agreement: frame.agreement,
                quality: frame.quality,
            }
        });
        Self { frames: figures.collect(), matches: cell.matches(truths, classes), classes }
    }

    /// What a window shows.
    #[must_use]
    pub fn window(&self, weights: &[u16]) -> SampledWindow {
        let weighted = || self.frames.iter().zip(weights.iter().map(|weight| f64::from(*weight)));
        let mut histograms = vec![[0.0; SCORE_BINS]; self.classes];
        let (mut frames, mut top) = (0.0, 0.0);
        let (mut consistency, mut reliability, mut supported) = (0.0, 0.0, 0.0);
        for (figures, weight) in weighted().filter(|(_, weight)| *weight > 0.0) {
            frames += weight;
            top += weight * figures.top;
            // As the monitor does it: means over the frames in which anything was suppressed.
            if let Some((own_consistency, own_reliability)) =
                figures.agreement.consistency().zip(figures.agreement.reliability())
            {
                consistency += weight * f64::from(own_consistency);
                reliability += weight * f64::from(own_reliability);
                supported += weight;
            }
            for (class, bin) in &figures.scores {
                if let Some(count) = histograms.get_mut(*class).and_then(|bins| bins.get_mut(*bin)) {
                    *count += weight;
                }
            }
        }
        SampledWindow {
            frames,
            histograms,
            top_score: top / frames,
            quality: QualityMeans::mean(weighted().map(|(figures, weight)| (&figures.quality, weight))),
            agreement: [consistency / supported, reliability / supported],
        }
    }

    /// Which detection found which instance.
    pub(super) fn matches(&self) -> &Matches {
        &self.matches
    }

    /// How accurate the detector is in a window.
    #[must_use]
    pub fn accuracy(&self, weights: &[u16]) -> ResampledAp {
        ResampledAp::new(&self.matches, weights)
    }

    /// Instances in a window by class.
    #[must_use]
    pub fn instances(&self, weights: &[u16]) -> Vec<f64> {
        self.matches.weighted_instances(weights)
    }
}

/// What a drawn window shows.
#[derive(Debug, Clone)]
pub struct SampledWindow {
    frames: f64,
    histograms: Vec<[f64; SCORE_BINS]>,
    top_score: f64,
    quality: QualityMeans,
    agreement: [f64; 2],
}

impl SampledWindow {
    /// The scores of every class.
    pub(super) fn histograms(&self) -> &[[f64; SCORE_BINS]] {
        &self.histograms
    }
}

impl WindowView for SampledWindow {
    fn frames(&self) -> f64 {
        self.frames
    }

    fn histogram(&self, class_id: u32) -> Option<[f64; SCORE_BINS]> {
        self.histograms.get(class_id as usize).copied()
    }

    fn top_score(&self) -> f64 {
        self.top_score
    }

    fn quality(&self) -> QualityMeans {
        self.quality
    }

    fn agreement(&self) -> [f64; 2] {
        self.agreement
    }
}
