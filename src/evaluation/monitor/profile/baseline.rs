//! What clean frames look like, without labels.

use crate::detector::Thresholds;
use crate::health::profile::ClassProfile;
use crate::health::{ImageQuality, QualityMeans, SCORE_BINS, bin_of};

use super::super::{Observed, ObservedCell, ObservedFrame};

/// Sums of a figure over frames.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds a frame, in one pass without cancellation (Welford, Technometrics 4(3), 1962).
    pub(super) fn add(&mut self, value: f64) {
        self.count += 1.0;
        let before = value - self.mean;
        self.mean += before / self.count;
        self.squares += before * (value - self.mean);
    }

    /// Mean and unbiased variance; the variance of a single frame is 0.
    pub(super) fn mean_and_variance(&self) -> [f64; 2] {
        let variance = if self.count > 1.0 { self.squares / (self.count - 1.0) } else { 0.0 };
        [self.mean, variance.max(0.0)]
    }
}

/// Of one class: sums over frames, and the frame in progress.
#[derive(Debug, Clone, Default)]
struct Counts {
    detections: Moments,
    published: Moments,
    score_sum: Moments,
    frames: u32,
    now: [f64; 3],
}

/// Every class's figures that need no labels; the rest is left open.
pub(super) fn classes(
    observed: &Observed,
    clean: &ObservedCell,
    thresholds: &Thresholds,
) -> Vec<ClassProfile> {
    let count = observed.classes.len();
    let mut histograms = vec![vec![0_u32; SCORE_BINS]; count];
    let mut counts = vec![Counts::default(); count];
    let mut together = vec![vec![0_u32; count]; count];
    for frame in &clean.frames {
        for detection in &frame.detections {
            let class = detection.class_id as usize;
            let (Some(histogram), Some(counts)) = (histograms.get_mut(class), counts.get_mut(class)) else {
                continue;
            };
            let Some(bin) = bin_of(detection.score).and_then(|bin| histogram.get_mut(bin)) else { continue };
            *bin += 1;
            let [detections, published, sum] = &mut counts.now;
            *detections += 1.0;
            *published += f64::from(u8::from(thresholds.publishes(detection)));
            *sum += f64::from(detection.score);
        }
        let published: Vec<usize> =
            (0..).zip(&counts).filter(|(_, counts)| counts.now[1] > 0.0).map(|(class, _)| class).collect();
        for class in &published {
            let Some(row) = together.get_mut(*class) else { continue };
            for other in &published {
                if let Some(frames) = row.get_mut(*other) {
                    *frames += 1;
                }
            }
        }
        for counts in &mut counts {
            let [detections, published, sum] = std::mem::take(&mut counts.now);
            counts.detections.add(detections);
            counts.published.add(published);
            counts.score_sum.add(sum);
            counts.frames += u32::from(published > 0.0);
        }
    }
    let frames = clean.frames.len().max(1) as f64;
    let class = |name: &String, score_histogram, counts: Counts, together: Vec<u32>| {
        let own = f64::from(counts.frames.max(1));
        ClassProfile {
            name: name.clone(),
            score_histogram,
            detections_per_frame: counts.detections.mean_and_variance(),
            published_per_frame: counts.published.mean_and_variance(),
            score_sum_per_frame: counts.score_sum.mean_and_variance(),
            frames_share: f64::from(counts.frames) / frames,
            precision_by_score: None,
            atc_score: None,
            track_match_rate: None,
            ap: None,
            instances: 0,
            co_occurrence: together.into_iter().map(|frames| f64::from(frames) / own).collect(),
            alarms: None,
        }
    };
    let parts = observed.classes.iter().zip(histograms).zip(counts).zip(together);
    parts.map(|(((name, histogram), counts), together)| class(name, histogram, counts, together)).collect()
}

/// Mean prediction consistency and reliability: sums over frames first, so that a frame counts by its boxes; NaN where nothing was
/// suppressed.
pub(super) fn agreement(frames: &[ObservedFrame]) -> [f64; 2] {
    let mut sums = [0.0; 2];
    let mut supported = 0.0;
    for frame in frames {
        let agreement = &frame.agreement;
        supported += f64::from(agreement.supported);
        sums[0] += f64::from(agreement.consistency_sum);
        sums[1] += f64::from(agreement.reliability_sum);
    }
    // Rounding of single precision must not leave the range.
    sums.map(|sum| if supported > 0.0 { (sum / supported).clamp(0.0, 1.0) } else { f64::NAN })
}

/// Means of the image's quality over frames.
pub(super) fn quality_means(frames: &[ObservedFrame]) -> QualityMeans {
    QualityMeans::mean(frames.iter().map(|frame| (&frame.quality, 1.0)))
}

/// Standard deviations of the image's quality over frames.
pub(super) fn quality_deviation(frames: &[ObservedFrame]) -> QualityMeans {
    let deviation = |of: fn(&ImageQuality) -> f32| {
        let mut moments = Moments::default();
        for frame in frames {
            moments.add(f64::from(of(&frame.quality)));
        }
        moments.mean_and_variance()[1].sqrt()
    };
    QualityMeans {
        noise: deviation(|quality| quality.noise),
        sharpness: deviation(|quality| quality.sharpness),
        brightness: deviation(|quality| quality.brightness),
        contrast: deviation(|quality| quality.contrast),
        dark_share: deviation(|quality| quality.dark_share),
        bright_share: deviation(|quality| quality.bright_share),
        blockiness: deviation(|quality| quality.blockiness),
        flat_share: deviation(|quality| quality.flat_share),
        saturation: deviation(|quality| quality.saturation),
    }
}
