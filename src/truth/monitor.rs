//! Ground truth of one camera, compared with what was found.

use std::collections::VecDeque;

use super::Problem;
use super::message::{MAX_OBJECTS, TruthFrame};
use super::pairing::Waiting;
use super::problem::Problems;
use super::report::{ClassEstimate, TruthClass, TruthCounts, TruthReport, mean, share};
use crate::data::bag::cdr::{CdrError, Detection2DArray};
use crate::data::dataset::Extent;
use crate::detector::{Detection, Thresholds};
use crate::evaluation::{Found, ImageMatches, IouThreshold, Labelled, Matches, Tally};

/// A stamp this much older than the one before it is a jump (a recording that starts over), not jitter.
const JUMP_BACK_NS: i64 = 500_000_000;

/// How ground truth is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TruthConfig {
    /// Frames in the window, at least 1.
    pub window_frames: usize,
    /// From which IoU on a published detection is right.
    pub iou: IouThreshold,
    /// For how long a frame or a message waits for its partner, ns.
    pub wait_ns: i64,
}

/// What was found in a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameResult {
    /// Stamp of the image, ns.
    pub stamp_ns: i64,
    /// Coordinate frame of the image.
    pub frame_id: String,
    /// Width and height of the image, pixels.
    pub image_size: [u32; 2],
    /// All that was kept, published or not.
    pub detections: Vec<Detection>,
    /// Says which of them were published.
    pub thresholds: Thresholds,
}

/// A frame with its ground truth, compared.
#[derive(Debug)]
struct Compared {
    stamp_ns: i64,
    matches: ImageMatches,
    /// Of what was published, one for each class.
    tallies: Vec<Tally>,
}

/// Compares the detections of one camera with its ground truth. Memory is bounded by the window and by
/// [`MAX_WAITING`](super::MAX_WAITING).
///
/// `now_ns` is of any clock that does not go back; it only decides for how long something waits.
#[derive(Debug)]
pub struct TruthMonitor {
    camera: String,
    names: Vec<String>,
    config: TruthConfig,
    frames: Waiting<FrameResult>,
    truths: Waiting<TruthFrame>,
    window: VecDeque<Compared>,
    problems: Problems,
    last_stamp_ns: Option<i64>,
    frames_compared: u64,
    truths_received: u64,
    objects_received: u64,
    time_jumps: u64,
    /// At the report before: frames compared, and frames and messages that found no partner.
    reported: (u64, u64),
}

impl TruthMonitor {
    /// A monitor of `camera` for a model with the classes `names`.
    #[must_use]
    pub fn new(camera: &str, names: &[String], config: TruthConfig) -> Self {
        Self {
            camera: camera.to_owned(),
            names: names.to_vec(),
            config: TruthConfig { window_frames: config.window_frames.max(1), ..config },
            frames: Waiting::default(),
            truths: Waiting::default(),
            window: VecDeque::new(),
            problems: Problems::default(),
            last_stamp_ns: None,
            frames_compared: 0,
            truths_received: 0,
            objects_received: 0,
            time_jumps: 0,
            reported: (0, 0),
        }
    }

    /// A frame was processed.
    pub fn frame(&mut self, now_ns: i64, frame: FrameResult) {
        self.expire(now_ns);
        let stamp_ns = frame.stamp_ns;
        if stamp_ns == 0 {
            self.problems.add(&self.camera, Problem::FrameUnstamped, || {
                "the image's stamp is 0, so nothing can be matched with it: expected is the time of its capture".into()
            });
            return;
        }
        if self.last_stamp_ns.is_some_and(|last| stamp_ns.saturating_add(JUMP_BACK_NS) < last) {
            self.time_jumps += 1;
            self.window.clear();
            self.expire_frames(i64::MAX);
        }
        self.last_stamp_ns = Some(stamp_ns);
        match self.truths.take(stamp_ns) {
            Some(truth) => self.pair(frame, truth),
            None => {
                if self.frames.put(now_ns, stamp_ns, frame) {
                    self.without_partner(Problem::FrameWithoutTruth);
                }
            }
        }
    }

    /// A message of ground truth came.
    pub fn truth(&mut self, now_ns: i64, message: Result<Detection2DArray, CdrError>) {
        self.expire(now_ns);
        self.truths_received += 1;
        let array = match message {
            Ok(array) if array.detections.len() <= MAX_OBJECTS => array,
            Ok(array) => {
                let found = array.detections.len();
                self.problems.add(&self.camera, Problem::TruthMalformed, || {
                    format!(
                        "a message has {found} objects, expected are at most {MAX_OBJECTS}: it is left out"
                    )
                });
                return;
            }
            Err(error) => {
                self.problems.add(&self.camera, Problem::TruthMalformed, || error.to_string());
                return;
            }
        };
        let stamp_ns = array.stamp_ns;
        if stamp_ns == 0 {
            self.problems.add(&self.camera, Problem::TruthUnstamped, || {
                "a message has the stamp 0: expected is the stamp of its image".into()
            });
            return;
        }
        if self.truths.has(stamp_ns) {
            self.problems.add(&self.camera, Problem::TruthDuplicate, || {
                format!("a second message has the stamp {stamp_ns} ns: the first one counts")
            });
            return;
        }
        self.objects_received += array.detections.len() as u64;
        let truth = TruthFrame::new(array, &self.names, &self.camera, &mut self.problems);
        match self.frames.take(stamp_ns) {
            Some(frame) => self.pair(frame, truth),
            None => {
                if self.truths.put(now_ns, stamp_ns, truth) {
                    self.without_partner(Problem::TruthWithoutFrame);
                }
            }
        }
    }

    /// The figures now, with what is `estimated` of each class. Classes that are not looked for are left out.
    pub fn report(
        &mut self,
        now_ns: i64,
        estimated: impl Fn(u32) -> ClassEstimate,
        is_enabled: impl Fn(u32) -> bool,
    ) -> TruthReport {
        self.expire(now_ns);
        let matches = Matches::of_images(self.window.iter().map(|frame| &frame.matches), self.names.len());
        let mut tallies = vec![Tally::default(); self.names.len()];
        for tally in self.window.iter().flat_map(|frame| &frame.tallies) {
            if let Some(sum) = tallies.get_mut(tally.class_id as usize) {
                sum.instances += tally.instances;
                sum.detections += tally.detections;
                sum.right += tally.right;
            }
        }
        let all = (0_u32..).zip(&self.names).zip(&tallies).zip(matches.class_ap());
        let classes: Vec<TruthClass> = all
            .filter(|(((class_id, _), tally), _)| {
                is_enabled(*class_id) && (tally.instances > 0 || tally.detections > 0)
            })
            .map(|(((class_id, name), tally), ap)| class(class_id, name, tally, ap, estimated(class_id)))
            .collect();
        let known = || classes.iter().filter(|class| class.ap_error.is_finite());
        TruthReport {
            window_frames: self.config.window_frames,
            frames: self.window.len(),
            first_stamp_ns: self.window.iter().map(|frame| frame.stamp_ns).min().unwrap_or(0),
            last_stamp_ns: self.window.iter().map(|frame| frame.stamp_ns).max().unwrap_or(0),
            iou: self.config.iou.value(),
            map: mean(classes.iter().map(|class| class.ap).filter(|ap| ap.is_finite())),
            estimated_map: mean(known().map(|class| class.estimated_ap.value)),
            map_error: mean(known().map(|class| class.ap_error)),
            counts: self.counts(),
            unknown_classes: self.problems.unknown_classes(),
            notes: self.notes(),
            classes,
        }
    }

    /// Counts since the monitor was made.
    #[must_use]
    pub fn counts(&self) -> TruthCounts {
        let count = |problem| self.problems.count(problem);
        TruthCounts {
            frames_compared: self.frames_compared,
            frames_without_truth: count(Problem::FrameWithoutTruth),
            frames_unstamped: count(Problem::FrameUnstamped),
            frames_waiting: self.frames.len() as u64,
            wrong_frame_id: count(Problem::WrongFrameId),
            truths_received: self.truths_received,
            truths_without_frame: count(Problem::TruthWithoutFrame),
            truths_duplicate: count(Problem::TruthDuplicate),
            truths_unstamped: count(Problem::TruthUnstamped),
            truths_malformed: count(Problem::TruthMalformed),
            truths_waiting: self.truths.len() as u64,
            time_jumps: self.time_jumps,
            objects_received: self.objects_received,
            objects_unknown_class: count(Problem::UnknownClass),
            objects_bad_box: count(Problem::BadBox),
            objects_outside: count(Problem::Outside),
            objects_partly_outside: count(Problem::PartlyOutside),
            objects_rotated: count(Problem::Rotated),
        }
    }

    /// What went wrong since the report before.
    fn notes(&mut self) -> Vec<String> {
        let mut notes = self.problems.take_recent();
        let counts = self.counts();
        let lonely = counts.frames_without_truth + counts.truths_without_frame;
        let (compared, before) = std::mem::replace(&mut self.reported, (self.frames_compared, lonely));
        if self.frames_compared == compared && lonely > before {
            notes.push(format!(
                "no frame has found its ground truth since the last report: {} frames and {} messages in all have no partner with \
                 exactly their stamp; the ground truth must have the image's stamp",
                counts.frames_without_truth, counts.truths_without_frame
            ));
        }
        notes
    }

    fn pair(&mut self, frame: FrameResult, truth: TruthFrame) {
        if frame.frame_id != truth.frame_id {
            self.problems.add(&self.camera, Problem::WrongFrameId, || {
                format!(
                    "the frame_id is '{}', that of the image '{}': they are not compared",
                    truth.frame_id, frame.frame_id
                )
            });
            return;
        }
        let FrameResult { stamp_ns, image_size, detections, thresholds, .. } = frame;
        for _ in 0..truth.rotated {
            self.problems.add(&self.camera, Problem::Rotated, || {
                "a box is rotated (theta is not 0): it is taken as if it were not".into()
            });
        }
        let mut truths = truth.truths;
        truths.retain(|truth| {
            let extent = Extent::of(truth.bbox.corners(), image_size);
            let problem = match extent {
                Extent::Inside => return true,
                Extent::Partly => Problem::PartlyOutside,
                Extent::Outside => Problem::Outside,
            };
            self.problems.add(&self.camera, problem, || {
                let [x_min, y_min, x_max, y_max] = truth.bbox.corners();
                let [width, height] = image_size;
                format!(
                    "a box from ({x_min:.1}, {y_min:.1}) to ({x_max:.1}, {y_max:.1}) lies outside the image of {width} × {height} \
                     pixels and is left out"
                )
            });
            extent != Extent::Outside
        });
        let found = detections.iter().map(Found::from).collect();
        let matches = ImageMatches::new(&Labelled { truths, detections: found });
        let published = |class_id: u32, score: f32| {
            thresholds.is_enabled(class_id) && score >= thresholds.publish_score(class_id)
        };
        let tallies = matches.tallies(self.config.iou, published).collect();
        self.frames_compared += 1;
        if self.window.len() >= self.config.window_frames {
            self.window.pop_front();
        }
        self.window.push_back(Compared { stamp_ns, matches, tallies });
    }

    /// Gives up what has waited long enough.
    fn expire(&mut self, now_ns: i64) {
        let before_ns = now_ns.saturating_sub(self.config.wait_ns);
        self.expire_frames(before_ns);
        while self.truths.expire(before_ns) {
            self.without_partner(Problem::TruthWithoutFrame);
        }
    }

    fn expire_frames(&mut self, before_ns: i64) {
        while self.frames.expire(before_ns) {
            self.without_partner(Problem::FrameWithoutTruth);
        }
    }

    fn without_partner(&mut self, problem: Problem) {
        self.problems.add(&self.camera, problem, String::new);
    }
}

fn class(class_id: u32, name: &str, tally: &Tally, ap: Option<f64>, estimate: ClassEstimate) -> TruthClass {
    let ap = ap.unwrap_or(f64::NAN);
    let precision = share(tally.right, tally.detections);
    TruthClass {
        class_id,
        class_name: name.to_owned(),
        instances: tally.instances,
        published: tally.detections,
        right: tally.right,
        precision,
        recall: share(tally.right, tally.instances),
        ap,
        estimated_ap: estimate.ap,
        expected_precision: estimate.precision,
        ap_error: estimate.ap.value - ap,
        precision_error: estimate.precision - precision,
    }
}
