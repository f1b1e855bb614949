//! Which locations are to see which object.

use std::collections::BTreeMap;

use super::giou::{distance, overlap};
use super::matching;
use super::{LabelOptions, LossError};
use crate::heads::{Corners, Location, View};
use crate::truth::Truth;
use roadproof::detector::manifest::DecoderKind;

/// Weights of the costs by which queries are matched to objects: of the class, of the distance of the boxes' centres and
/// sizes, and of their GIoU (Zhao et al., "DETRs Beat YOLOs", arXiv 2304.08069, table A).
const QUERY_COSTS: [f64; 3] = [2.0, 5.0, 2.0];

/// A location that is to see an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Match {
    pub(super) location: Location,
    /// The object's class.
    pub(super) class: u32,
    /// The object's box.
    pub(super) bbox: Corners,
    /// Score that the location shall give to the class, in `[0, 1]`.
    pub(super) score: f32,
    /// What its box counts for, in `[0, 1]`.
    pub(super) weight: f64,
}

/// Assigns locations to the objects of an image, each to one at most, in the order of the locations.
///
/// # Errors
/// [`LossError::Queries`] where a head of queries has too few.
pub(super) fn assign(
    options: &LabelOptions,
    student: View<'_>,
    truth: &[Truth],
) -> Result<Vec<Match>, LossError> {
    if student.head.kind() == DecoderKind::Rtdetr {
        queries(student, truth)
    } else {
        Ok(cells(options, student, truth))
    }
}

fn corners(truth: &Truth) -> Corners {
    let bbox = &truth.bbox;
    [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(f64::from)
}

/// How well a location sees an object.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    location: Location,
    truth: usize,
    alignment: f64,
    iou: f64,
}

/// Task-aligned assignment: an object gets the `top_k` cells with their points inside its box whose
/// `score^alpha IoU^beta` is highest; a cell that several want goes to the one of the highest IoU (Feng et al., "TOOD:
/// Task-aligned One-stage Object Detection", ICCV 2021, section 3.2). The score to learn is the IoU, as `nanodet` and
/// `yolox` have it; for `yolov8`, the alignment, with the object's highest IoU as its highest value.
fn cells(options: &LabelOptions, student: View<'_>, truth: &[Truth]) -> Vec<Match> {
    let mut taken: BTreeMap<Location, Candidate> = BTreeMap::new();
    let mut candidates = Vec::new();
    for (index, object) in truth.iter().enumerate() {
        candidates.clear();
        collect(options, student, (index, object), &mut candidates);
        // a stable sort: of equal ones the first location
        candidates.sort_by(|a: &Candidate, b: &Candidate| b.alignment.total_cmp(&a.alignment));
        for candidate in candidates.iter().take(options.top_k) {
            let best = taken.entry(candidate.location).or_insert(*candidate);
            if candidate.iou > best.iou {
                *best = *candidate;
            }
        }
    }
    let mut highest = vec![(0f64, 0f64); truth.len()];
    for candidate in taken.values() {
        if let Some((alignment, iou)) = highest.get_mut(candidate.truth) {
            *alignment = alignment.max(candidate.alignment);
            *iou = iou.max(candidate.iou);
        }
    }
    let aligned = student.head.kind() == DecoderKind::Yolov8;
    let matched = |candidate: &Candidate| {
        let object = truth.get(candidate.truth)?;
        let (alignment, iou) = *highest.get(candidate.truth)?;
        let score = if aligned { candidate.alignment / alignment * iou } else { candidate.iou };
        Some(Match {
            location: candidate.location,
            class: object.class_id,
            bbox: corners(object),
            score: score as f32,
            weight: score,
        })
    };
    taken.values().filter_map(matched).collect()
}

/// The cells with their points inside an object's box and their own boxes upon it.
fn collect(
    options: &LabelOptions,
    student: View<'_>,
    (index, object): (usize, &Truth),
    candidates: &mut Vec<Candidate>,
) {
    let bbox = corners(object);
    for (block, level) in student.head.blocks().iter().enumerate() {
        let Some(grid) = level.coder.grid() else { continue };
        for row in 0..level.rows {
            let [x, y] = grid.point(row);
            if x <= bbox[0] || x >= bbox[2] || y <= bbox[1] || y >= bbox[3] {
                continue;
            }
            let location = Location { block, row };
            let iou = overlap(&student.bbox(location), &bbox).iou;
            let score = f64::from(student.score(location, object.class_id as usize));
            let alignment = score.powf(options.score_power) * iou.powf(options.iou_power);
            if alignment > 0.0 && iou > 0.0 {
                candidates.push(Candidate { location, truth: index, alignment, iou });
            }
        }
    }
}

/// One query for each object, so that the costs of all together are least (Carion et al., "End-to-End Object Detection with
/// Transformers", ECCV 2020, section 3.1). The score to learn is the IoU; boxes count the same, however they lie.
fn queries(student: View<'_>, truth: &[Truth]) -> Result<Vec<Match>, LossError> {
    let queries = student.head.locations();
    if truth.len() > queries {
        return Err(LossError::Queries { queries, found: truth.len() });
    }
    let mut locations = Vec::with_capacity(queries);
    for (block, level) in student.head.blocks().iter().enumerate() {
        locations.extend((0..level.rows).map(|row| Location { block, row }));
    }
    let boxes: Vec<Corners> = locations.iter().map(|location| student.bbox(*location)).collect();
    let mut costs = Vec::with_capacity(truth.len() * queries);
    for object in truth {
        let bbox = corners(object);
        for (location, found) in locations.iter().zip(&boxes) {
            let [class, apart, giou] = QUERY_COSTS;
            costs.push(
                class * class_cost(f64::from(student.score(*location, object.class_id as usize)))
                    + apart * distance(found, &bbox, student.head.size()).0
                    - giou * overlap(found, &bbox).giou,
            );
        }
    }
    let matched = |(object, query): (&Truth, usize)| {
        let (location, found) = (*locations.get(query)?, boxes.get(query)?);
        let bbox = corners(object);
        let iou = overlap(found, &bbox).iou;
        Some(Match { location, class: object.class_id, bbox, score: iou as f32, weight: 1.0 })
    };
    let assigned = matching::least_cost(&costs, truth.len(), queries);
    let mut matches: Vec<Match> = truth.iter().zip(assigned).filter_map(matched).collect();
    matches.sort_by_key(|matched| matched.location);
    Ok(matches)
}

/// What the focal loss would fall by if the query said that the class is there (Zhu et al., "Deformable DETR", ICLR 2021;
/// alpha 0.25, gamma 2).
fn class_cost(p: f64) -> f64 {
    let p = p.clamp(1e-8, 1.0 - 1e-8);
    0.25 * (1.0 - p).powi(2) * -p.ln() - 0.75 * p.powi(2) * -(1.0 - p).ln()
}

#[cfg(test)]
mod tests;
