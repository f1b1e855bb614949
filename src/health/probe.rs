//! Probes: what the detector still finds in a corrupted copy of a frame in which it found something.
//!
//! A live measure of robustness that needs no labels: the clean frame's detections are the reference, and the share of
//! them that is found again is the *retention* of a class under a corruption.

use crate::detector::Detection;

/// Intersection over union from which two detections of one class are the same object (as in the PASCAL VOC and COCO
/// AP50 matching rule).
const SAME_OBJECT_IOU: f32 = 0.5;

/// When a count gets here, both counts are halved, so that old results fade.
const FADE_AT: u32 = 512;

/// Retention by corruption and class. Memory is fixed at construction.
#[derive(Debug, Clone)]
pub struct ProbeWindow {
    classes: usize,
    /// By corruption, then class.
    counts: Vec<Counts>,
    matched: Vec<bool>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    clean: u32,
    found: u32,
}

/// The corruption under which a class loses most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WorstProbe {
    /// Index of the corruption, as given to [`ProbeWindow::record`].
    pub corruption: usize,
    /// Share of the clean detections that was found again, 0 … 1.
    pub retention: f64,
    /// Clean detections that this is a share of.
    pub support: u32,
}

impl ProbeWindow {
    /// For `corruptions` corruptions and `classes` classes.
    #[must_use]
    pub fn new(corruptions: usize, classes: usize) -> Self {
        Self { classes, counts: vec![Counts::default(); corruptions * classes], matched: Vec::new() }
    }

    /// Adds a probed frame: which of the `clean` detections are among those of its copy under `corruption`. Give both
    /// as published, the copy's in descending order of score. Indices out of range are ignored.
    pub fn record(&mut self, corruption: usize, clean: &[Detection], corrupted: &[Detection]) {
        let (classes, counts) = (self.classes, &mut self.counts);
        found_again(clean, corrupted, &mut self.matched, |class_id, is_found| {
            let class = class_id as usize;
            if class >= classes {
                return;
            }
            if let Some(counts) = counts.get_mut(corruption * classes + class) {
                counts.clean += 1;
                counts.found += u32::from(is_found);
                if counts.clean >= FADE_AT {
                    *counts = Counts { clean: counts.clean / 2, found: counts.found / 2 };
                }
            }
        });
    }

    /// The corruption under which `class_id` loses most, among those with at least `min_support` clean detections.
    #[must_use]
    pub fn worst(&self, class_id: u32, min_support: u32) -> Option<WorstProbe> {
        let of_class = self.counts.iter().skip(class_id as usize).step_by(self.classes.max(1));
        of_class
            .enumerate()
            .filter(|(_, counts)| (class_id as usize) < self.classes && counts.clean >= min_support.max(1))
            .map(|(corruption, counts)| WorstProbe {
                corruption,
                retention: f64::from(counts.found) / f64::from(counts.clean),
                support: counts.clean,
            })
            .min_by(|a, b| a.retention.total_cmp(&b.retention))
    }
}

/// Tells `each` of every `clean` detection, by its class, whether it is found again among the `corrupted` ones, in their order; each
/// of these stands for one. `taken` is a buffer that is kept from call to call.
pub fn found_again(
    clean: &[Detection],
    corrupted: &[Detection],
    taken: &mut Vec<bool>,
    mut each: impl FnMut(u32, bool),
) {
    taken.clear();
    taken.resize(corrupted.len(), false);
    for reference in clean {
        let same = |(other, taken): &(&Detection, &mut bool)| {
            other.class_id == reference.class_id
                && !**taken
                && other.bbox.iou(&reference.bbox) >= SAME_OBJECT_IOU
        };
        let found = corrupted.iter().zip(taken.iter_mut()).find(same);
        each(reference.class_id, found.map(|(_, taken)| *taken = true).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::BoundingBox;

    fn detection(class_id: u32, x: f32) -> Detection {
        Detection {
            bbox: BoundingBox { x_min: x, y_min: 0.0, x_max: x + 10.0, y_max: 10.0 },
            class_id,
            score: 0.9,
        }
    }

    #[test]
    fn retention_is_the_share_found_again() {
        let mut probes = ProbeWindow::new(2, 3);
        let clean = [detection(1, 0.0), detection(1, 100.0), detection(2, 50.0)];
        probes.record(0, &clean, &[detection(1, 1.0), detection(2, 51.0)]);
        probes.record(1, &clean, &[detection(2, 0.0)]);
        let worst = probes.worst(1, 2).unwrap();
        assert_eq!((worst.corruption, worst.retention, worst.support), (1, 0.0, 2));
        assert_eq!(probes.worst(2, 1).unwrap().retention, 0.0);
        assert_eq!(probes.worst(1, 3), None, "too little support");
        assert_eq!(probes.worst(0, 1), None);
        assert_eq!(probes.worst(9, 1), None);
    }

    #[test]
    fn one_box_stands_for_one_object() {
        let mut probes = ProbeWindow::new(1, 1);
        probes.record(0, &[detection(0, 0.0), detection(0, 1.0)], &[detection(0, 0.5)]);
        assert_eq!(probes.worst(0, 1).unwrap().retention, 0.5);
    }

    #[test]
    fn old_results_fade_and_outside_indices_are_ignored() {
        let mut probes = ProbeWindow::new(1, 1);
        let clean = [detection(0, 0.0)];
        for _ in 0..2000 {
            probes.record(0, &clean, &[]);
        }
        for _ in 0..2000 {
            probes.record(0, &clean, &clean);
        }
        assert!(probes.worst(0, 1).unwrap().retention > 0.9);
        probes.record(5, &clean, &clean);
        probes.record(0, &[detection(7, 0.0)], &[]);
        assert!(probes.worst(0, 1).unwrap().support < FADE_AT);
    }
}
