//! Which detection found which instance, as COCO counts it.
//!
//! The rules are those of pycocotools' `COCOeval` (`evaluateImg`): detections in order of their scores take the instance that overlaps
//! them most among those still free; instances outside the area range and crowds don't count, and what matches only such, or
//! matches nothing and is itself outside the range, counts neither for nor against.

use rayon::prelude::*;

use super::{Found, Labelled, Truth};

/// IoU thresholds: 0.50, 0.55 … 0.95.
pub(super) const THRESHOLDS: usize = 10;

/// Detections per image and class that are looked at.
pub(super) const MAX_DETECTIONS: usize = 100;

/// The threshold with an index below [`THRESHOLDS`], to the last bit as NumPy spaces them evenly.
pub(super) fn threshold(index: usize) -> f64 {
    if index == THRESHOLDS - 1 { 0.95 } else { 0.5 + index as f64 * ((0.95 - 0.5) / 9.0) }
}

/// Sizes of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AreaRange {
    All,
    Small,
    Medium,
    Large,
}

impl AreaRange {
    pub(super) const ALL: [Self; 4] = [Self::All, Self::Small, Self::Medium, Self::Large];

    fn holds(self, area: f64) -> bool {
        let (least, most) = match self {
            Self::All => (0.0, 1e10),
            Self::Small => (0.0, 32.0 * 32.0),
            Self::Medium => (32.0 * 32.0, 96.0 * 96.0),
            Self::Large => (96.0 * 96.0, 1e10),
        };
        (least..=most).contains(&area)
    }
}

/// A detection after matching. Bit *i* stands for threshold *i*.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Matched {
    pub(super) score: f32,
    pub(super) image: u32,
    /// Place among the detections of its image and class, by score.
    pub(super) rank: u8,
    /// Found an instance that counts.
    pub(super) right: u16,
    /// Counts neither for nor against.
    pub(super) ignored: u16,
}

/// All detections of a class, by falling score, and how many instances each image has to find.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ClassMatches {
    pub(super) detections: Vec<Matched>,
    /// Image and number of instances that count, for images that have any.
    pub(super) instances: Vec<(u32, u32)>,
}

impl ClassMatches {
    /// Instances that count.
    pub(super) fn instance_count(&self) -> u64 {
        self.instances.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

/// Matches every class of every image, for one range of areas.
pub(super) fn match_classes(images: &[Labelled], classes: usize, range: AreaRange) -> Vec<ClassMatches> {
    let by_image: Vec<Vec<(u32, Vec<Matched>, u32)>> = images
        .par_iter()
        .enumerate()
        .map(|(image, labelled)| match_image(image as u32, labelled, range))
        .collect();
    let mut matches = vec![ClassMatches::default(); classes];
    for (image, found) in (0_u32..).zip(by_image) {
        for (class_id, detections, instances) in found {
            let Some(class) = matches.get_mut(class_id as usize) else { continue };
            class.detections.extend(detections);
            if instances > 0 {
                class.instances.push((image, instances));
            }
        }
    }
    // Stable, so that ties stay in the order of the images.
    matches.par_iter_mut().for_each(|class| class.detections.sort_by(|a, b| b.score.total_cmp(&a.score)));
    matches
}

fn match_image(image: u32, labelled: &Labelled, range: AreaRange) -> Vec<(u32, Vec<Matched>, u32)> {
    let mut classes: Vec<u32> = labelled.detections.iter().map(|found| found.class_id).collect();
    classes.extend(labelled.truths.iter().filter_map(|truth| truth.class_id));
    classes.sort_unstable();
    classes.dedup();
    let mut scratch = Scratch::default();
    classes.into_iter().map(|class_id| scratch.match_class(image, class_id, labelled, range)).collect()
}

#[derive(Default)]
struct Scratch {
    truths: Vec<(Truth, bool)>,
    found: Vec<Found>,
    overlaps: Vec<f64>,
    taken: Vec<bool>,
}

impl Scratch {
    fn match_class(
        &mut self,
        image: u32,
        class_id: u32,
        labelled: &Labelled,
        range: AreaRange,
    ) -> (u32, Vec<Matched>, u32) {
        self.truths.clear();
        let of_class = |truth: &&Truth| truth.class_id.is_none_or(|id| id == class_id);
        self.truths.extend(
            labelled
                .truths
                .iter()
                .filter(of_class)
                .map(|truth| (*truth, !truth.counts() || !range.holds(truth.area))),
        );
        // Those that count come first; stable, as ties go to the later one.
        self.truths.sort_by_key(|(_, ignored)| *ignored);
        let instances = self.truths.iter().filter(|(_, ignored)| !ignored).count() as u32;

        self.found.clear();
        self.found.extend(labelled.detections.iter().filter(|found| found.class_id == class_id));
        self.found.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.found.truncate(MAX_DETECTIONS);

        self.overlaps.clear();
        for found in &self.found {
            self.overlaps.extend(self.truths.iter().map(|(truth, _)| {
                if truth.is_crowd { found.bbox.share_in(&truth.bbox) } else { found.bbox.iou(&truth.bbox) }
            }));
        }
        let mut matched: Vec<Matched> = (0_u8..)
            .zip(&self.found)
            .map(|(rank, found)| Matched { score: found.score, image, rank, right: 0, ignored: 0 })
            .collect();
        for index in 0..THRESHOLDS {
            self.match_at(index, range, &mut matched);
        }
        (class_id, matched, instances)
    }

    fn match_at(&mut self, index: usize, range: AreaRange, matched: &mut [Matched]) {
        let count = self.truths.len();
        self.taken.clear();
        self.taken.resize(count, false);
        let bit = 1 << index;
        let overlaps = self.overlaps.chunks(count.max(1));
        let overlaps = overlaps.map(Some).chain(std::iter::repeat(None));
        for ((matched, found), overlaps) in matched.iter_mut().zip(&self.found).zip(overlaps) {
            let mut best = threshold(index).min(1.0 - 1e-10);
            let mut partner: Option<(usize, bool)> = None;
            let candidates = self.truths.iter().zip(overlaps.unwrap_or_default()).enumerate();
            for (i, ((truth, ignored), overlap)) in candidates {
                if self.taken.get(i) == Some(&true) && !truth.is_crowd {
                    continue;
                }
                // What counts is not given up for what does not.
                if *ignored && partner.is_some_and(|(_, ignored)| !ignored) {
                    break;
                }
                if *overlap < best {
                    continue;
                }
                (best, partner) = (*overlap, Some((i, *ignored)));
            }
            match partner {
                Some((i, ignored)) => {
                    if let Some(taken) = self.taken.get_mut(i) {
                        *taken = true;
                    }
                    let bits = if ignored { &mut matched.ignored } else { &mut matched.right };
                    *bits |= bit;
                }
                None if !range.holds(found.bbox.area()) => matched.ignored |= bit,
                None => {}
            }
        }
    }
}
