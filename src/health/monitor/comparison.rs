//! What is kept of a profile, and what is remembered for the comparison with it.

use std::sync::Arc;

use crate::corruption::Corruption;
use crate::detector::Detection;
use crate::health::aggregates::second_of;
use crate::health::change::{ChangeBaseline, ChangeDetector, FrameFigures};
use crate::health::drift::ReferenceScores;
use crate::health::estimate::Estimate;
use crate::health::profile::{ClassProfile, Profile};

/// An alarm stands at least this long, so that one that is found again and again is one.
const HOLD_S: i64 = 20;

/// A profile and what goes on against it.
#[derive(Debug)]
pub(super) struct Comparison {
    pub(super) profile: Arc<Profile>,
    pub(super) estimate: Estimate,
    pub(super) classes: Vec<ClassComparison>,
    /// By response curve; a profile that was read names no others.
    corruptions: Vec<Option<Corruption>>,
    /// Of the frame in progress, by class; only the touched ones are not zero.
    figures: Vec<FrameFigures>,
    touched: Vec<u32>,
    /// The second in progress and its frames.
    progress: Option<(i64, u32)>,
    hold_s: i64,
}

/// One class of it.
#[derive(Debug)]
pub(super) struct ClassComparison {
    pub(super) reference: Option<ReferenceScores>,
    pub(super) baseline: Option<ChangeBaseline>,
    pub(super) detector: Option<ChangeDetector>,
    pub(super) alarm: Option<Alarm>,
    /// Detections of the window that the alarm thresholds were set for.
    pub(super) usual: f64,
}

/// A fall that was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alarm {
    second: i64,
    /// The statistic over its threshold.
    pub(super) statistic: f64,
}

impl ClassComparison {
    fn new(class: &ClassProfile, profile: &Profile) -> Self {
        let rate_hz = profile.alarms.frame_rate_hz;
        let baseline = class.alarms.as_ref().map(|alarms| {
            let from_profile = || ChangeBaseline::from_profile(class, &profile.source, rate_hz);
            alarms.baseline.unwrap_or_else(from_profile)
        });
        let threshold = class.alarms.as_ref().map(|alarms| alarms.change);
        let detector = baseline.zip(threshold).map(|(baseline, t)| ChangeDetector::new(&baseline, t));
        let [detections, _] = class.detections_per_frame;
        Self {
            reference: ReferenceScores::new(&class.score_histogram),
            baseline,
            detector,
            alarm: None,
            usual: detections * rate_hz * f64::from(profile.alarms.window_s),
        }
    }
}

impl Comparison {
    pub(super) fn new(profile: Arc<Profile>, class_count: usize, window_s: u32) -> Self {
        let classes: Vec<_> = profile.classes.iter().take(class_count).collect();
        Self {
            estimate: Estimate::unknown(class_count),
            classes: classes.into_iter().map(|class| ClassComparison::new(class, &profile)).collect(),
            corruptions: profile.curves.iter().map(|curve| curve.corruption.parse().ok()).collect(),
            figures: vec![FrameFigures::default(); class_count],
            touched: Vec::with_capacity(class_count),
            progress: None,
            hold_s: i64::from(window_s).max(HOLD_S),
            profile,
        }
    }

    /// Name of the corruption that the image looks like.
    pub(super) fn corruption(&self) -> Option<&'static str> {
        self.corruptions.get(self.estimate.corruption?).copied().flatten().map(Corruption::name)
    }

    /// Adds a frame to its second. A frame of a second that has been settled is left out.
    pub(super) fn record(
        &mut self,
        stamp_ns: i64,
        detections: &[Detection],
        publishes: impl Fn(&Detection) -> bool,
        trusted: bool,
    ) {
        let second = second_of(stamp_ns);
        match self.progress {
            Some((current, _)) if second < current => return,
            Some((current, _)) if second > current => self.settle(second, trusted),
            Some(_) => {}
            None => self.progress = Some((second, 0)),
        }
        if let Some((_, frames)) = &mut self.progress {
            *frames = frames.saturating_add(1);
        }
        for detection in detections.iter().filter(|d| (0.0..=1.0).contains(&d.score)) {
            let Some(figures) = self.figures.get_mut(detection.class_id as usize) else { continue };
            if figures.detections == 0 {
                self.touched.push(detection.class_id);
            }
            figures.detections += 1;
            figures.is_published |= publishes(detection);
            figures.score_sum += f64::from(detection.score);
        }
        for class_id in self.touched.drain(..) {
            let index = class_id as usize;
            let Some(figures) = self.figures.get_mut(index).map(std::mem::take) else { continue };
            if let Some(detector) = self.classes.get_mut(index).and_then(|class| class.detector.as_mut()) {
                detector.add(figures);
            }
        }
    }

    /// Says that it is `now_ns`. The second before the one in progress waits for frames that are on their way.
    pub(super) fn advance(&mut self, now_ns: i64, trusted: bool) {
        let now = second_of(now_ns);
        if self.progress.is_some_and(|(second, _)| second < now - 1) {
            self.settle(now - 1, trusted);
        }
        for class in &mut self.classes {
            class.alarm = class.alarm.filter(|alarm| now - alarm.second < self.hold_s);
        }
    }

    /// Forgets everything.
    pub(super) fn reset(&mut self) {
        self.progress = None;
        for class in &mut self.classes {
            class.alarm = None;
            if let Some(detector) = &mut class.detector {
                detector.restart();
            }
        }
    }

    /// Ends the second in progress; `next` is the one after it that has frames, or may have some.
    fn settle(&mut self, next: i64, trusted: bool) {
        let Some((second, frames)) = self.progress.replace((next, 0)) else { return };
        for class in &mut self.classes {
            let Some(detector) = &mut class.detector else { continue };
            if !trusted {
                detector.discard();
                continue;
            }
            detector.end_second(frames);
            if detector.is_alarm() {
                class.alarm = Some(Alarm { second, statistic: detector.relative() });
                // Whether it is still so is found out anew.
                detector.restart();
            }
        }
    }
}
