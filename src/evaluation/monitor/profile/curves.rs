//! How figures respond to corruptions.

use crate::detector::{Detection, Thresholds};
use crate::evaluation::average_precision::mean_of;
use crate::evaluation::matching::ClassMatches;
use crate::evaluation::{Matches, Truth};
use crate::health::found_again;
use crate::health::profile::{ResponseCurve, ResponsePoint};

use super::super::{ObservedCell, ObservedFrame};
use super::baseline;

/// What every cell is compared with.
pub(super) struct Context<'a> {
    /// What is there.
    pub(super) reference: &'a [Vec<Truth>],
    /// Clean frames.
    pub(super) clean: &'a ObservedCell,
    pub(super) thresholds: &'a Thresholds,
    pub(super) classes: usize,
}

/// One curve for each corruption, in the order of `cells`; each begins with the `clean` point.
pub(super) fn curves(
    context: &Context<'_>,
    clean: &ResponsePoint,
    cells: &[ObservedCell],
) -> Vec<ResponseCurve> {
    let mut curves: Vec<ResponseCurve> = Vec::new();
    for cell in cells {
        let Some(step) = cell.step else { continue };
        let name = step.corruption.name();
        let matches = cell.matches(context.reference, context.classes);
        let point = context.point(step.severity.value(), cell, &matches);
        match curves.iter_mut().find(|curve| curve.corruption == name) {
            Some(curve) => curve.points.push(point),
            None => {
                curves
                    .push(ResponseCurve { corruption: name.to_owned(), points: vec![clean.clone(), point] });
            }
        }
    }
    curves
}

impl Context<'_> {
    /// What `cell` shows, whose `matches` with the reference are known.
    pub(super) fn point(&self, severity: f64, cell: &ObservedCell, matches: &Matches) -> ResponsePoint {
        let class_ap = matches.class_ap();
        let map = mean_of(class_ap.iter().copied()).unwrap_or(0.0);
        let class_recall = (0..).zip(&matches.classes).map(|(id, class)| self.recall(id, class)).collect();
        ResponsePoint {
            severity,
            quality: baseline::quality_means(&cell.frames),
            agreement: baseline::agreement(&cell.frames),
            map,
            class_ap,
            class_recall,
            class_retention: self.retention(&cell.frames),
        }
    }

    /// Share of the instances that a published detection finds at an IoU of 0.5.
    fn recall(&self, class_id: u32, class: &ClassMatches) -> Option<f64> {
        let instances = class.instance_count();
        let right = published_right(class_id, class, self.thresholds);
        (instances > 0).then(|| right as f64 / instances as f64)
    }

    /// Share of the clean frames' published detections that are found again, as probes count it.
    fn retention(&self, frames: &[ObservedFrame]) -> Vec<Option<f64>> {
        let published = |frame: &ObservedFrame| -> Vec<Detection> {
            frame
                .detections
                .iter()
                .filter(|detection| self.thresholds.publishes(detection))
                .copied()
                .collect()
        };
        let mut counts = vec![(0_u32, 0_u32); self.classes];
        let mut taken = Vec::new();
        for (clean, corrupted) in self.clean.frames.iter().zip(frames) {
            found_again(&published(clean), &published(corrupted), &mut taken, |reference, again| {
                if let Some((all, found)) = counts.get_mut(reference.class_id as usize) {
                    *all += 1;
                    *found += u32::from(again.is_some());
                }
            });
        }
        let share = |(all, found): (u32, u32)| (all > 0).then(|| f64::from(found) / f64::from(all));
        counts.into_iter().map(share).collect()
    }
}

/// Published detections of a class that are right (IoU ≥ 0.5).
pub(in crate::evaluation::monitor) fn published_right(
    class_id: u32,
    class: &ClassMatches,
    thresholds: &Thresholds,
) -> usize {
    if !thresholds.is_enabled(class_id) {
        return 0;
    }
    let publish_score = thresholds.publish_score(class_id);
    let published = class.detections.iter().filter(|found| found.score >= publish_score);
    published.filter(|found| found.right & 1 != 0).count()
}
