//! Class-aware non-maximum suppression.

use std::cmp::Ordering;

use super::{Agreement, BoundingBox};

/// A box that a decoder found, before suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The box. In the decoders: pixels of the model's input; in NMS: any one coordinate system.
    pub bbox: BoundingBox,
    /// Score in `[0, 1]`.
    pub score: f32,
    /// Class index.
    pub class_id: u32,
    /// Where the candidate stood in the model's outputs. Unique per frame; breaks ties between equal scores.
    pub index: u32,
}

impl Candidate {
    /// The order of precedence: higher score first, then lower index. Total, hence deterministic.
    #[must_use]
    pub fn precedence(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.index.cmp(&other.index))
    }
}

/// "No earlier kept box of this class".
const NONE: u32 = u32::MAX;

/// Greedy class-aware non-maximum suppression with reused buffers.
///
/// Boxes are taken in order of precedence (score descending, then index); a box is dropped when its IoU with a
/// kept box *of the same class* is above the threshold. The work is bounded by the number of candidates times the
/// number of kept boxes of their class; the decoders cap the candidates.
#[derive(Debug, Default)]
pub struct Nms {
    /// For each kept candidate, the previously kept one of its class.
    previous: Vec<u32>,
    /// For each class, the last kept candidate.
    last_of_class: Vec<u32>,
    /// For each kept candidate, what it suppressed.
    support: Vec<Support>,
    agreement: Agreement,
}

/// Sums over the candidates that one kept box suppressed.
#[derive(Debug, Clone, Copy, Default)]
struct Support {
    candidates: u32,
    iou: f32,
    /// Scores, each times its candidate's IoU.
    weighted_score: f32,
}

impl Nms {
    /// An instance without buffers; they grow with the first frames.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How far the candidates of the last call agreed. Those that were not looked at, because `max_kept` boxes of higher
    /// precedence were kept, are not among them.
    #[must_use]
    pub fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// Sorts `candidates` by precedence, suppresses, and leaves at most `max_kept` of them.
    ///
    /// `iou` is the threshold in `[0, 1]`; `class_count` is one more than the highest class id (candidates of
    /// other classes are dropped).
    pub fn suppress(
        &mut self,
        candidates: &mut Vec<Candidate>,
        iou: f32,
        max_kept: usize,
        class_count: usize,
    ) {
        candidates.sort_unstable_by(Candidate::precedence);
        self.previous.clear();
        self.last_of_class.clear();
        self.last_of_class.resize(class_count, NONE);
        self.support.clear();

        let mut kept = 0;
        for index in 0..candidates.len() {
            if kept == max_kept {
                break;
            }
            let Some(candidate) = candidates.get(index).copied() else { break };
            let Some(last) = self.last_of_class.get_mut(candidate.class_id as usize) else { continue };
            if let Some((by, overlap)) = suppressor(&candidate, *last, &self.previous, candidates, iou) {
                if let Some(support) = self.support.get_mut(by as usize) {
                    support.candidates += 1;
                    support.iou += overlap;
                    support.weighted_score += overlap * candidate.score;
                }
                continue;
            }
            self.previous.push(*last);
            self.support.push(Support::default());
            *last = kept as u32;
            // kept <= index, so the slot's own candidate has been looked at already
            candidates.swap(kept, index);
            kept += 1;
        }
        candidates.truncate(kept);
        self.agreement = agreement(&self.support);
    }
}

fn agreement(support: &[Support]) -> Agreement {
    let mut sums = Agreement { kept: support.len() as u32, ..Agreement::default() };
    for support in support.iter().filter(|support| support.candidates > 0) {
        sums.supported += 1;
        sums.suppressed += support.candidates;
        sums.consistency_sum += support.iou / support.candidates as f32;
        // What suppresses overlaps, so the sum of the IoUs is above 0.
        sums.reliability_sum += support.weighted_score / support.iou;
    }
    sums
}

/// The kept box of the candidate's class that overlaps it above the threshold, and their IoU; the latest kept if several
/// do.
fn suppressor(
    candidate: &Candidate,
    mut last: u32,
    previous: &[u32],
    candidates: &[Candidate],
    iou: f32,
) -> Option<(u32, f32)> {
    while let (Some(kept), Some(before)) = (candidates.get(last as usize), previous.get(last as usize)) {
        let overlap = kept.bbox.iou(&candidate.bbox);
        if overlap > iou {
            return Some((last, overlap));
        }
        last = *before;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn candidate(x: f32, score: f32, class_id: u32, index: u32) -> Candidate {
        Candidate { bbox: BoundingBox::new(x, 0.0, x + 10.0, 10.0), score, class_id, index }
    }

    fn run(candidates: &[Candidate], iou: f32, max_kept: usize) -> Vec<Candidate> {
        let mut work = candidates.to_vec();
        Nms::new().suppress(&mut work, iou, max_kept, 4);
        work
    }

    /// Written from the definition, with no thought for speed.
    fn naive(candidates: &[Candidate], iou: f32, max_kept: usize) -> Vec<Candidate> {
        let mut sorted = candidates.to_vec();
        sorted.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.index.cmp(&b.index)));
        let mut kept: Vec<Candidate> = Vec::new();
        for c in sorted {
            if kept.iter().all(|k| k.class_id != c.class_id || k.bbox.iou(&c.bbox) <= iou) {
                kept.push(c);
            }
        }
        kept.truncate(max_kept);
        kept
    }

    #[test]
    fn suppresses_within_a_class_only() {
        let found =
            run(&[candidate(0.0, 0.9, 0, 0), candidate(1.0, 0.8, 0, 1), candidate(1.0, 0.7, 1, 2)], 0.5, 10);
        assert_eq!(found.iter().map(|c| c.index).collect::<Vec<_>>(), [0, 2]);
    }

    #[test]
    fn equal_scores_keep_the_lower_index() {
        let found = run(&[candidate(1.0, 0.5, 0, 7), candidate(0.0, 0.5, 0, 3)], 0.5, 10);
        assert_eq!(found.iter().map(|c| c.index).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn an_iou_at_the_threshold_is_kept() {
        // 5 of 15 overlap: exactly 1/3
        let found = run(&[candidate(0.0, 0.9, 0, 0), candidate(5.0, 0.8, 0, 1)], 50.0 / 150.0, 10);
        assert_eq!(found.len(), 2);
    }

    fn agreement_of(candidates: &[Candidate], iou: f32, max_kept: usize) -> Agreement {
        let mut nms = Nms::new();
        // A frame before, whose sums must not stay.
        nms.suppress(&mut vec![candidate(0.0, 0.9, 0, 0), candidate(1.0, 0.8, 0, 1)], 0.5, 10, 4);
        nms.suppress(&mut candidates.to_vec(), iou, max_kept, 4);
        nms.agreement()
    }

    #[test]
    fn candidates_agree_with_what_suppressed_them() {
        // Shifted by 1 and by 2 of 10: IoUs 9/11 and 8/12.
        let found = agreement_of(
            &[
                candidate(0.0, 0.9, 0, 0),
                candidate(1.0, 0.6, 0, 1),
                candidate(2.0, 0.3, 0, 2),
                candidate(50.0, 0.8, 0, 3),
                candidate(50.0, 0.4, 1, 4),
                candidate(50.0, 0.2, 1, 5),
            ],
            0.5,
            10,
        );
        assert_eq!((found.kept, found.suppressed, found.supported), (3, 3, 2));
        let (near, far) = (9.0 / 11.0, 8.0 / 12.0_f32);
        let consistency = f32::midpoint(f32::midpoint(near, far), 1.0);
        let reliability = f32::midpoint((near * 0.6 + far * 0.3) / (near + far), 0.2);
        assert!((found.consistency().unwrap() - consistency).abs() < 1e-6, "{found:?}");
        assert!((found.reliability().unwrap() - reliability).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn where_nothing_is_suppressed_nothing_is_said() {
        let found = agreement_of(&[candidate(0.0, 0.9, 0, 0), candidate(50.0, 0.8, 0, 1)], 0.5, 10);
        assert_eq!((found, found.consistency()), (Agreement { kept: 2, ..Agreement::default() }, None));
        assert_eq!(agreement_of(&[], 0.5, 10), Agreement::default());
    }

    fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
        // scores from a small set, so that ties happen
        let one = (0f32..60.0, 0f32..60.0, 0f32..40.0, 0f32..40.0, 0u32..20, 0u32..4);
        proptest::collection::vec(one, 0..80).prop_map(|list| {
            list.into_iter()
                .enumerate()
                .map(|(index, (x, y, w, h, score, class_id))| Candidate {
                    bbox: BoundingBox::new(x, y, x + w, y + h),
                    score: score as f32 / 20.0,
                    class_id,
                    index: index as u32,
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn matches_the_definition(candidates in any_candidates(), iou in 0f32..=1.0, max in 1usize..50) {
            prop_assert_eq!(run(&candidates, iou, max), naive(&candidates, iou, max));
        }

        #[test]
        fn keeps_a_sorted_subset_without_overlaps(candidates in any_candidates(), iou in 0f32..=1.0) {
            let kept = run(&candidates, iou, usize::MAX);
            prop_assert!(kept.iter().all(|k| candidates.contains(k)));
            prop_assert!(kept.is_sorted_by(|a, b| a.precedence(b) == Ordering::Less));
            for (i, a) in kept.iter().enumerate() {
                for b in kept.iter().skip(i + 1) {
                    prop_assert!(a.class_id != b.class_id || a.bbox.iou(&b.bbox) <= iou);
                }
            }
        }

        #[test]
        fn agreement_is_that_of_every_suppressed_candidate(
            candidates in any_candidates(), iou in 0f32..=1.0, max in 1usize..50,
        ) {
            let kept = run(&candidates, iou, max);
            let found = agreement_of(&candidates, iou, max);
            prop_assert_eq!(found.kept as usize, kept.len());
            // Those of lower precedence than the last box that fits are not looked at.
            let last = kept.last().filter(|_| kept.len() == max);
            let mut supports = vec![Vec::new(); kept.len()];
            for c in &candidates {
                if kept.contains(c) || last.is_some_and(|last| last.precedence(c) == Ordering::Less) {
                    continue;
                }
                let by = kept.iter().rposition(|k| {
                    k.class_id == c.class_id && k.precedence(c) == Ordering::Less && k.bbox.iou(&c.bbox) > iou
                });
                supports[by.unwrap()].push((kept[by.unwrap()].bbox.iou(&c.bbox), c.score));
            }
            supports.retain(|support| !support.is_empty());
            prop_assert_eq!(found.suppressed as usize, supports.iter().map(Vec::len).sum::<usize>());
            prop_assert_eq!(found.supported as usize, supports.len());
            let (mut consistency, mut reliability) = (0.0, 0.0);
            for support in &supports {
                let ious: f32 = support.iter().map(|(iou, _)| iou).sum();
                consistency += ious / support.len() as f32;
                reliability += support.iter().map(|(iou, score)| iou * score).sum::<f32>() / ious;
            }
            prop_assert!((found.consistency_sum - consistency).abs() < 1e-4);
            prop_assert!((found.reliability_sum - reliability).abs() < 1e-4);
            for share in [found.consistency(), found.reliability()].into_iter().flatten() {
                prop_assert!((0.0..=1.0 + 1e-6).contains(&share));
            }
        }

        #[test]
        fn the_order_of_arrival_does_not_matter(candidates in any_candidates(), iou in 0f32..=1.0) {
            let mut reversed = candidates.clone();
            reversed.reverse();
            prop_assert_eq!(run(&candidates, iou, 100), run(&reversed, iou, 100));
        }
    }
}
