//! Average thresholded confidence (Garg et al., "Leveraging unlabeled data to predict out-of-distribution performance", ICLR 2022,
//! arXiv 2201.04234), for each class's detections.

use crate::evaluation::Matches;
use crate::evaluation::matching::ClassMatches;

/// Fewest detections whose precision is worth a threshold.
pub(super) const ATC_FROM: usize = 30;

/// For each class the score that the share of its detections' scores above is their precision (IoU ≥ 0.5); `None` below
/// [`ATC_FROM`] detections.
pub(super) fn scores(matches: &Matches) -> Vec<Option<f64>> {
    matches.classes.iter().map(score).collect()
}

fn score(class: &ClassMatches) -> Option<f64> {
    // By falling score; what matches crowds is neither right nor wrong.
    let counted: Vec<(f64, bool)> = class
        .detections
        .iter()
        .filter(|detection| detection.ignored & 1 == 0)
        .map(|detection| (f64::from(detection.score), detection.right & 1 != 0))
        .collect();
    if counted.len() < ATC_FROM {
        return None;
    }
    let right = counted.iter().filter(|(_, right)| *right).count();
    let at = |index: usize| counted.get(index).map(|(score, _)| *score);
    // Between the last score that is to lie above and the first that is not.
    let above = right.checked_sub(1).and_then(at).unwrap_or(1.0);
    let below = at(right).unwrap_or(0.0);
    Some(f64::midpoint(above, below))
}
