//! AP and AR as COCO defines them.

use super::matching::{
    AreaRange, ClassMatches, ImageMatches, MAX_DETECTIONS, THRESHOLDS, collect, match_classes,
};
use super::{Accuracy, ClassAccuracy, Labelled, PrPoint};

/// Recalls at which precision is sampled: 0, 0.01 … 1.
const RECALLS: usize = 101;

/// Precision at the sampled recalls.
pub(super) type Curve = [f64; RECALLS];

/// The matches of every class, instances of all sizes.
#[derive(Debug, Clone)]
pub struct Matches {
    pub(super) classes: Vec<ClassMatches>,
}

impl Matches {
    /// Matches detections with instances, for instances of all sizes.
    #[must_use]
    pub fn new(images: &[Labelled], classes: usize) -> Self {
        Self { classes: match_classes(images, classes, AreaRange::All) }
    }

    /// Puts images together that were matched one by one; the same as [`Matches::new`] gives for all at once.
    #[must_use]
    pub fn of_images<'a>(images: impl IntoIterator<Item = &'a ImageMatches>, classes: usize) -> Self {
        let mut classes = collect(images, classes);
        classes.iter_mut().for_each(ClassMatches::sort);
        Self { classes }
    }

    /// AP of each class, mean over IoU thresholds as in [`accuracy`]; `None` without instances.
    #[must_use]
    pub fn class_ap(&self) -> Vec<Option<f64>> {
        self.classes
            .iter()
            .map(|class| average_precisions(class).and_then(|averages| mean(&averages)))
            .collect()
    }

    /// Instances of each class over images that each count so many times.
    #[must_use]
    pub fn weighted_instances(&self, weights: &[u16]) -> Vec<f64> {
        let weight = |image: u32| weights.get(image as usize).copied().map_or(0.0, f64::from);
        let of_class = |class: &ClassMatches| {
            class.instances.iter().map(|(image, count)| f64::from(*count) * weight(*image)).sum()
        };
        self.classes.iter().map(of_class).collect()
    }

    /// Precision over recall at an IoU of 0.5: the mean over classes with instances.
    #[must_use]
    pub fn pr_curve(&self) -> Vec<PrPoint> {
        let mut sum = [0.0; RECALLS];
        let mut count = 0.0;
        for class in &self.classes {
            let mut curve = [0.0; RECALLS];
            if sample_curve(class, 0, |_| 1.0, class.instance_count() as f64, &mut Vec::new(), &mut curve) {
                count += 1.0;
                sum.iter_mut().zip(curve).for_each(|(sum, value)| *sum += value);
            }
        }
        if count == 0.0 {
            return Vec::new();
        }
        (0..)
            .zip(sum)
            .map(|(i, sum)| PrPoint { recall: f64::from(i) / 100.0, precision: sum / count })
            .collect()
    }
}

/// Samples the precision of a class at threshold `index`, images weighted; false where there is nothing to find.
pub(super) fn sample_curve(
    class: &ClassMatches,
    index: usize,
    weight: impl Fn(u32) -> f64,
    instances: f64,
    points: &mut Vec<(f64, f64)>,
    curve: &mut Curve,
) -> bool {
    if instances <= 0.0 {
        return false;
    }
    points.clear();
    let bit = 1 << index;
    let (mut right, mut wrong) = (0.0, 0.0);
    for detection in &class.detections {
        if detection.ignored & bit != 0 {
            continue;
        }
        let weight = weight(detection.image);
        if detection.right & bit == 0 {
            wrong += weight;
        } else if weight > 0.0 {
            right += weight;
            // Only here precision rises, so only here it can be the most at this recall or beyond.
            points.push((right / instances, right / (right + wrong + f64::EPSILON)));
        }
    }
    let mut most: f64 = 0.0;
    for (_, precision) in points.iter_mut().rev() {
        most = most.max(*precision);
        *precision = most;
    }
    let mut rest = points.iter().peekable();
    for (i, value) in (0_u32..).zip(curve.iter_mut()) {
        let recall = f64::from(i) * 0.01;
        while rest.next_if(|(reached, _)| *reached < recall).is_some() {}
        *value = rest.peek().map_or(0.0, |(_, precision)| *precision);
    }
    true
}

/// AP of a class at each threshold; `None` without instances.
fn average_precisions(class: &ClassMatches) -> Option<[f64; THRESHOLDS]> {
    let instances = class.instance_count() as f64;
    let (mut points, mut curve) = (Vec::new(), [0.0; RECALLS]);
    let mut averages = [0.0; THRESHOLDS];
    for (index, average) in averages.iter_mut().enumerate() {
        if !sample_curve(class, index, |_| 1.0, instances, &mut points, &mut curve) {
            return None;
        }
        *average = mean(&curve).unwrap_or(0.0);
    }
    Some(averages)
}

/// Recall of a class, mean over thresholds, with so many detections per image at most.
fn average_recall(class: &ClassMatches, detections: usize) -> Option<f64> {
    let instances = class.instance_count();
    let considered = class.detections.iter().filter(|detection| usize::from(detection.rank) < detections);
    let right: u32 = considered.map(|detection| detection.right.count_ones()).sum();
    (instances > 0).then(|| f64::from(right) / instances as f64 / THRESHOLDS as f64)
}

pub(super) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The mean of what is defined.
pub(super) fn mean_of(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    mean(&values.flatten().collect::<Vec<_>>())
}

/// COCO's twelve figures, and AP by class. Intervals are left open.
///
/// Equal to pycocotools' `COCOeval` (`bbox`, its default parameters) on the same boxes; means over classes leave out classes
/// without instances.
#[must_use]
pub fn accuracy(images: &[Labelled], names: &[String], matches: &Matches) -> Accuracy {
    let averages: Vec<_> = matches.classes.iter().map(average_precisions).collect();
    let at = |index: usize| {
        mean_of(averages.iter().map(|class| class.as_ref().and_then(|a| a.get(index)).copied()))
    };
    let of_class = |class: &Option<[f64; THRESHOLDS]>| class.as_ref().and_then(|averages| mean(averages));
    let recall =
        |classes: &[ClassMatches], detections| mean_of(classes.iter().map(|c| average_recall(c, detections)));
    let [_, sizes @ ..] = AreaRange::ALL;
    let by_size = sizes.map(|range| {
        let classes = match_classes(images, names.len(), range);
        let ap = mean_of(classes.iter().map(|class| of_class(&average_precisions(class))));
        (ap, recall(&classes, MAX_DETECTIONS))
    });
    let classes = names.iter().zip(&averages).map(|(name, averages)| ClassAccuracy {
        name: name.clone(),
        ap: of_class(averages),
        ap50: averages.as_ref().map(|averages| averages[0]),
        interval: None,
    });
    Accuracy {
        ap: mean_of(averages.iter().map(of_class)),
        ap50: at(0),
        ap75: at(5),
        ap_small: by_size[0].0,
        ap_medium: by_size[1].0,
        ap_large: by_size[2].0,
        ar: [1, 10, MAX_DETECTIONS].map(|detections| recall(&matches.classes, detections)),
        ar_by_size: by_size.map(|(_, recall)| recall),
        ap_interval: None,
        classes: classes.collect(),
    }
}
