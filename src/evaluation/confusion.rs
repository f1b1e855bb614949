//! Which classes are taken for which.

use super::{Confusion, Found, Labelled, Truth};

/// IoU from which a detection is one of an instance.
const IOU: f64 = 0.5;

/// For each truth and detection of an image, its partner: pairs in order of their overlap, whatever their classes.
fn partners(truths: &[&Truth], found: &[&Found]) -> Vec<Option<usize>> {
    let mut pairs: Vec<(f64, bool, usize, usize)> = Vec::new();
    for (i, truth) in truths.iter().enumerate() {
        for (j, found) in found.iter().enumerate() {
            let overlap = truth.bbox.iou(&found.bbox);
            if overlap >= IOU {
                pairs.push((overlap, truth.class_id == Some(found.class_id), i, j));
            }
        }
    }
    // Of two detections that overlap alike, the one of the right class.
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    let mut of_truth = vec![None; truths.len()];
    let mut is_taken = vec![false; found.len()];
    for (_, _, i, j) in pairs {
        if let (Some(partner @ None), Some(taken @ false)) = (of_truth.get_mut(i), is_taken.get_mut(j)) {
            (*partner, *taken) = (Some(j), true);
        }
    }
    of_truth
}

/// Counts instances by class and by what they were detected as, of the detections that `publishes` lets through.
#[must_use]
pub fn confusion(images: &[Labelled], names: &[String], publishes: impl Fn(&Found) -> bool) -> Confusion {
    let background = names.len();
    let mut counts = vec![vec![0_usize; background + 1]; background + 1];
    let mut count = |truth: usize, found: usize| {
        if let Some(count) = counts.get_mut(truth).and_then(|row| row.get_mut(found)) {
            *count += 1;
        }
    };
    for image in images {
        let truths: Vec<&Truth> = image.truths.iter().filter(|truth| truth.counts()).collect();
        let crowds: Vec<&Truth> = image.truths.iter().filter(|truth| !truth.counts()).collect();
        let found: Vec<&Found> = image.detections.iter().filter(|found| publishes(found)).collect();
        let partners = partners(&truths, &found);
        for (truth, partner) in truths.iter().zip(&partners) {
            let detected =
                partner.and_then(|j| found.get(j)).map_or(background, |found| found.class_id as usize);
            count(truth.class_id.unwrap_or(0) as usize, detected);
        }
        for (j, found) in found.iter().enumerate() {
            let excused = crowds.iter().any(|crowd| {
                crowd.class_id.is_none_or(|id| id == found.class_id)
                    && found.bbox.share_in(&crowd.bbox) >= IOU
            });
            if !partners.contains(&Some(j)) && !excused {
                count(background, found.class_id as usize);
            }
        }
    }
    let used: Vec<usize> = (0..=background)
        .filter(|i| {
            let row = counts.get(*i).is_some_and(|row| row.iter().any(|count| *count > 0));
            *i == background || row || counts.iter().any(|row| row.get(*i).is_some_and(|count| *count > 0))
        })
        .collect();
    let pick = |row: &Vec<usize>| used.iter().filter_map(|i| row.get(*i).copied()).collect();
    Confusion {
        classes: used.iter().filter_map(|i| names.get(*i).cloned()).collect(),
        counts: used.iter().filter_map(|i| counts.get(*i)).map(pick).collect(),
    }
}
