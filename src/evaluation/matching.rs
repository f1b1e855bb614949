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
    /// By falling score; stable, so that ties stay in the order of the images.
    pub(super) fn sort(&mut self) {
        self.detections.sort_by(|a, b| b.score.total_cmp(&a.score));
    }

    /// Instances that count.
    pub(super) fn instance_count(&self) -> u64 {
        self.instances.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

/// Matches every class of every image, for one range of areas.
pub(super) fn match_classes(images: &[Labelled], classes: usize, range: AreaRange) -> Vec<ClassMatches> {
    let by_image: Vec<ImageMatches> =
        images.par_iter().map(|labelled| ImageMatches::in_range(labelled, range)).collect();
    let mut matches = collect(&by_image, classes);
    matches.par_iter_mut().for_each(ClassMatches::sort);
    matches
}

/// Puts the matches of images together, unsorted.
pub(super) fn collect<'a>(
    images: impl IntoIterator<Item = &'a ImageMatches>,
    classes: usize,
) -> Vec<ClassMatches> {
    let mut matches = vec![ClassMatches::default(); classes];
    for (image, found) in (0_u32..).zip(images) {
        for InClass { class_id, detections, instances } in &found.classes {
            let Some(class) = matches.get_mut(*class_id as usize) else { continue };
            class.detections.extend(detections.iter().map(|matched| Matched { image, ..*matched }));
            if *instances > 0 {
                class.instances.push((image, *instances));
            }
        }
    }
    matches
}

/// The matches of one image. Images are matched one by one where they come one by one, and put together by
/// [`Matches::of_images`](super::Matches::of_images).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageMatches {
    /// By class id, those classes that were labelled or found.
    classes: Vec<InClass>,
}

/// One class of an image.
#[derive(Debug, Clone, PartialEq)]
struct InClass {
    class_id: u32,
    /// By falling score; their image is not known yet.
    detections: Vec<Matched>,
    /// Instances that count.
    instances: u32,
}

/// What was right of one class in one image, at one IoU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The class.
    pub class_id: u32,
    /// Instances that count.
    pub instances: u32,
    /// Detections that were asked for and count.
    pub detections: u32,
    /// Of these, the ones that found an instance.
    pub right: u32,
}

impl ImageMatches {
    /// Matches the detections of an image with its instances, of all sizes.
    #[must_use]
    pub fn new(labelled: &Labelled) -> Self {
        Self::in_range(labelled, AreaRange::All)
    }

    fn in_range(labelled: &Labelled, range: AreaRange) -> Self {
        let mut classes: Vec<u32> = labelled.detections.iter().map(|found| found.class_id).collect();
        classes.extend(labelled.truths.iter().filter_map(|truth| truth.class_id));
        classes.sort_unstable();
        classes.dedup();
        let mut scratch = Scratch::default();
        let of_class = |class_id| scratch.match_class(class_id, labelled, range);
        Self { classes: classes.into_iter().map(of_class).collect() }
    }

    /// For each class, what is right of the detections that `asked` takes by class id and score.
    pub fn tallies<'a>(
        &'a self,
        iou: IouThreshold,
        asked: impl Fn(u32, f32) -> bool + 'a,
    ) -> impl Iterator<Item = Tally> + 'a {
        let bit = 1 << iou.0;
        self.classes.iter().map(move |class| {
            let mut tally =
                Tally { class_id: class.class_id, instances: class.instances, ..Tally::default() };
            for matched in class.detections.iter().filter(|matched| asked(class.class_id, matched.score)) {
                tally.detections += u32::from(matched.ignored & bit == 0);
                tally.right += u32::from(matched.right & bit != 0);
            }
            tally
        })
    }
}

/// One of the IoU thresholds that matching is done at: 0.50, 0.55 … 0.95.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IouThreshold(usize);

impl IouThreshold {
    /// The threshold `iou`, within rounding; `None` where it is none of them.
    #[must_use]
    pub fn new(iou: f64) -> Option<Self> {
        (0..THRESHOLDS).find(|index| (threshold(*index) - iou).abs() < 1e-6).map(Self)
    }

    /// Its value.
    #[must_use]
    pub fn value(self) -> f64 {
        threshold(self.0)
    }
}

#[derive(Default)]
struct Scratch {
    truths: Vec<(Truth, bool)>,
    found: Vec<Found>,
    overlaps: Vec<f64>,
    taken: Vec<bool>,
}

impl Scratch {
    fn match_class(&mut self, class_id: u32, labelled: &Labelled, range: AreaRange) -> InClass {
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
            .map(|(rank, found)| Matched { score: found.score, image: 0, rank, right: 0, ignored: 0 })
            .collect();
        for index in 0..THRESHOLDS {
            self.match_at(index, range, &mut matched);
        }
        InClass { class_id, detections: matched, instances }
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
