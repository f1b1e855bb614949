//! How far scores are probabilities.

use super::average_precision::Matches;
use super::{Calibration, CalibrationBin};

/// Bins of the reliability diagram, evenly spread over scores.
const BINS: usize = 10;

/// Expected calibration error of detections over their scores, right being an IoU of at least 0.5; those that match crowds are left out.
#[must_use]
pub fn calibration(matches: &Matches) -> Calibration {
    let mut bins = [(0.0_f64, 0_usize, 0_usize); BINS];
    for detection in matches.classes.iter().flat_map(|class| &class.detections) {
        if detection.ignored & 1 != 0 {
            continue;
        }
        let bin = ((f64::from(detection.score) * BINS as f64) as usize).min(BINS - 1);
        if let Some((score, right, count)) = bins.get_mut(bin) {
            *score += f64::from(detection.score);
            *right += usize::from(detection.right & 1);
            *count += 1;
        }
    }
    let total: usize = bins.iter().map(|(_, _, count)| count).sum();
    let bins: Vec<_> = bins
        .iter()
        .filter(|(_, _, count)| *count > 0)
        .map(|(score, right, count)| CalibrationBin {
            score: score / *count as f64,
            precision: *right as f64 / *count as f64,
            count: *count,
        })
        .collect();
    let error = |bin: &CalibrationBin| (bin.score - bin.precision).abs() * bin.count as f64 / total as f64;
    Calibration { d_ece: (total > 0).then(|| bins.iter().map(error).sum()), bins }
}
