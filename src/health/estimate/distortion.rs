//! Which corruption an image looks like.

use super::features::{QUALITY_FEATURES, quality_deviation, quality_vector};
use crate::health::profile::{Profile, ResponseCurve};
use crate::health::quality::QualityMeans;

/// Squared distance, in deviations of single clean frames, by which a corruption must explain the image better than none does.
const LEAST_GAIN: f64 = 2.0;

/// Severity below which an image counts as clean.
const LEAST_SEVERITY: f64 = 0.5;

/// Smallest deviation that is told apart, on the scales of the comparison.
const LEAST_DEVIATION: f64 = 0.02;

/// A corruption (index of its curve) and its severity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Distortion {
    pub(super) curve: Option<usize>,
    pub(super) severity: f64,
}

/// The point nearest to the window's quality on the profile's curves, which run straight from severity to severity; distances are in
/// standard deviations of clean frames. No curve where the image is about as near to the clean ones; a severity of NaN where
/// quality is not known.
pub(super) fn distortion(profile: &Profile, quality: &QualityMeans) -> Distortion {
    let camera = &profile.camera;
    let deviation = quality_deviation(&camera.quality, &camera.quality_deviation);
    let clean = quality_vector(&camera.quality);
    let at = relative(&quality_vector(quality), &clean, &deviation);
    if at.iter().any(|value| !value.is_finite()) {
        return Distortion { curve: None, severity: f64::NAN };
    }
    let to_clean = square(&at);
    let mut best = (to_clean, None, 0.0);
    for (index, curve) in profile.curves.iter().enumerate() {
        if let Some((distance, severity)) = nearest(curve, &at, &clean, &deviation)
            && distance < best.0
        {
            best = (distance, Some(index), severity);
        }
    }
    let (distance, curve, severity) = best;
    if to_clean - distance < LEAST_GAIN || severity < LEAST_SEVERITY {
        return Distortion { curve: None, severity: 0.0 };
    }
    Distortion { curve, severity }
}

type Vector = [f64; QUALITY_FEATURES];

fn relative(value: &Vector, clean: &Vector, deviation: &Vector) -> Vector {
    let mut result = *value;
    let scales = clean.iter().zip(deviation);
    result
        .iter_mut()
        .zip(scales)
        .for_each(|(value, (clean, deviation))| *value = (*value - clean) / deviation.max(LEAST_DEVIATION));
    result
}

fn square(vector: &Vector) -> f64 {
    vector.iter().map(|value| value * value).sum()
}

/// Squared distance to a curve, and the severity of its nearest point.
fn nearest(curve: &ResponseCurve, at: &Vector, clean: &Vector, deviation: &Vector) -> Option<(f64, f64)> {
    let place = |quality| relative(&quality_vector(quality), clean, deviation);
    let segments = curve.points.iter().zip(curve.points.iter().skip(1));
    let distances = segments.map(|(from, to)| {
        let (start, end) = (place(&from.quality), place(&to.quality));
        let (mut along, mut length) = (0.0, 0.0);
        for ((start, end), at) in start.iter().zip(&end).zip(at) {
            along += (end - start) * (at - start);
            length += (end - start) * (end - start);
        }
        let share = if length > 0.0 { (along / length).clamp(0.0, 1.0) } else { 0.0 };
        let points = start.iter().zip(&end).zip(at);
        let distance = points.map(|((start, end), at)| (start + share * (end - start) - at).powi(2)).sum();
        (distance, from.severity + share * (to.severity - from.severity))
    });
    distances
        .filter(|(distance, _): &(f64, f64)| distance.is_finite())
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
}
