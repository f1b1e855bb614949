//! Images to look at.

use crate::evaluation::{DetectionBox, Found, Labelled, Rect, Sample, Truth, TruthBox, WorstClass};

use super::StudyImages;

/// How many images are shown.
const COUNT: usize = 12;

/// IoU from which an instance is found.
const IOU: f64 = 0.5;

/// The images with the most missed instances of the worst class, and then of all classes.
pub(super) fn samples(
    images: &StudyImages,
    labelled: &[Labelled],
    worst: Option<&WorstClass>,
    publishes: impl Fn(&Found) -> bool,
) -> Vec<Sample> {
    let worst = worst.and_then(|worst| images.classes.iter().position(|name| *name == worst.name));
    let mut ranked: Vec<(usize, usize, usize)> = Vec::new();
    for (index, image) in labelled.iter().enumerate() {
        let missed =
            image.truths.iter().filter(|truth| truth.counts() && !is_found(truth, image, &publishes));
        let (mut all, mut of_worst) = (0, 0);
        for truth in missed {
            all += 1;
            of_worst += usize::from(truth.class_id.map(|id| id as usize) == worst);
        }
        if all > 0 {
            ranked.push((of_worst, all, index));
        }
    }
    ranked.sort_by_key(|(of_worst, all, index)| (std::cmp::Reverse((*of_worst, *all)), *index));
    let chosen = ranked.into_iter().take(COUNT).map(|(_, _, index)| index);
    chosen.filter_map(|index| sample(images, labelled.get(index)?, index, &publishes)).collect()
}

fn is_found(truth: &Truth, image: &Labelled, publishes: &impl Fn(&Found) -> bool) -> bool {
    let of_class = |found: &&Found| Some(found.class_id) == truth.class_id && publishes(found);
    image.detections.iter().filter(of_class).any(|found| found.bbox.iou(&truth.bbox) >= IOU)
}

fn sample(
    images: &StudyImages,
    image: &Labelled,
    index: usize,
    publishes: &impl Fn(&Found) -> bool,
) -> Option<Sample> {
    let path = images.paths.get(index)?;
    let size = imagesize::size(path).ok()?;
    let name = |class_id: u32| images.classes.get(class_id as usize).cloned().unwrap_or_default();
    let corners = |bbox: &Rect| bbox.corners().map(|side| side as f32);
    let truths = image.truths.iter().filter(|truth| truth.counts()).map(|truth| TruthBox {
        class: name(truth.class_id.unwrap_or(0)),
        bbox: corners(&truth.bbox),
        found: is_found(truth, image, publishes),
    });
    let detections = image.detections.iter().filter(|found| publishes(found)).map(|found| DetectionBox {
        class: name(found.class_id),
        bbox: corners(&found.bbox),
        score: found.score,
        right: image.truths.iter().any(|truth| {
            truth.class_id == Some(found.class_id) && truth.counts() && truth.bbox.iou(&found.bbox) >= IOU
        }),
    });
    Some(Sample {
        image: path.canonicalize().unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned(),
        size: [u32::try_from(size.width).ok()?, u32::try_from(size.height).ok()?],
        truths: truths.collect(),
        detections: detections.collect(),
    })
}
