//! Probes: what the detector still finds in a corrupted copy of a frame in which it found something.
//!
//! A live measure of robustness that needs no labels: the clean frame's detections are the reference, and the share of
//! them that is found again is the *retention* of a class under a corruption.

mod margin;

#[cfg(test)]
mod tests;

use crate::detector::Detection;

pub use margin::{ProbeMargin, profiled_retention};

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
    /// How much lower the scores of those found again are, summed.
    score_drop: f64,
}

/// What became of a class under a corruption.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbeRetention {
    /// Clean detections, at least 1.
    pub support: u32,
    /// Those of them that were found again.
    pub found: u32,
    /// Mean of clean score less corrupted score over those found again, -1 … 1; NaN where none was.
    pub score_drop: f64,
}

impl ProbeRetention {
    /// Share of the clean detections that was found again, 0 … 1.
    #[must_use]
    pub fn retention(&self) -> f64 {
        f64::from(self.found) / f64::from(self.support)
    }
}

impl Counts {
    fn fade(&mut self) {
        let found = self.found / 2;
        // The mean stays as it is, also where an odd count loses its half.
        self.score_drop *= f64::from(found) / f64::from(self.found.max(1));
        (self.clean, self.found) = (self.clean / 2, found);
    }
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
        self.matched.clear();
        self.matched.resize(corrupted.len(), false);
        for reference in clean {
            let class = reference.class_id as usize;
            if class >= self.classes {
                continue;
            }
            let same = |(i, other): &(usize, &Detection)| {
                other.class_id == reference.class_id
                    && !self.matched.get(*i).copied().unwrap_or(true)
                    && other.bbox.iou(&reference.bbox) >= SAME_OBJECT_IOU
            };
            let found = corrupted.iter().enumerate().find(same);
            if let Some(taken) = found.and_then(|(i, _)| self.matched.get_mut(i)) {
                *taken = true;
            }
            if let Some(counts) = self.counts.get_mut(corruption * self.classes + class) {
                counts.clean += 1;
                if let Some((_, other)) = found {
                    counts.found += 1;
                    counts.score_drop += f64::from(reference.score) - f64::from(other.score);
                }
                if counts.clean >= FADE_AT {
                    counts.fade();
                }
            }
        }
    }

    /// What became of a class under a corruption; `None` before the first clean detection of it.
    #[must_use]
    pub fn retention(&self, corruption: usize, class_id: u32) -> Option<ProbeRetention> {
        let class = (class_id as usize) < self.classes;
        let index = corruption.checked_mul(self.classes)?.checked_add(class_id as usize)?;
        let counts = self.counts.get(index).filter(|counts| class && counts.clean > 0)?;
        let score_drop = counts.score_drop / f64::from(counts.found);
        Some(ProbeRetention { support: counts.clean, found: counts.found, score_drop })
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
