//! Our figures as ROS messages. What goes out per frame is built in a message that is kept, so that its
//! texts and lists are not allocated anew.

use r2r::builtin_interfaces::msg::Time;
use r2r::roadproof::msg::{CameraHealth, ClassHealth, GroundTruthClass, GroundTruthHealth};
use r2r::std_msgs::msg::Header;
use r2r::vision_msgs::msg::{Detection2D, Detection2DArray, ObjectHypothesisWithPose};

use crate::corruption::Step;
use crate::detector::{Detection, Thresholds};
use crate::health::message::{class_health, fill_camera_health};
use crate::health::{CameraReport, ProbeWindow, SUMMARY_BINS};
use crate::pipeline::FrameCounters;
use crate::truth::{TruthClass, TruthReport};

use super::injection::describe;
use super::truth::TruthRequest;

/// Clean detections of a class from which a probe's retention is reported.
pub(crate) const MIN_PROBE_SUPPORT: u32 = 10;

/// A point in time as a message; times before 1970 or after 2106 do not fit and are clamped.
pub(crate) fn time(ns: i64) -> Time {
    let ns = ns.max(0);
    let sec = i32::try_from(ns / 1_000_000_000).unwrap_or(i32::MAX);
    Time { sec, nanosec: (ns % 1_000_000_000) as u32 }
}

/// A text that the middleware's C strings can hold.
pub(crate) fn text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn assign(to: &mut String, from: &str) {
    to.clear();
    to.push_str(from);
}

/// A `Detection2DArray` that is filled anew for every frame.
#[derive(Default)]
pub(crate) struct DetectionMessage {
    message: Detection2DArray,
    /// Entries that the last frames needed and this one does not.
    spare: Vec<Detection2D>,
}

impl DetectionMessage {
    /// Fills the message; boxes and scores as they are, the class by its name.
    pub(crate) fn fill<'d>(
        &mut self,
        stamp: &Time,
        frame_id: &str,
        detections: impl Iterator<Item = &'d Detection>,
        class_names: &[String],
    ) -> &Detection2DArray {
        let message = &mut self.message;
        message.header.stamp = stamp.clone();
        assign(&mut message.header.frame_id, frame_id);
        let mut count = 0;
        for detection in detections {
            if count == message.detections.len() {
                message.detections.push(self.spare.pop().unwrap_or_else(blank));
            }
            if let Some(entry) = message.detections.get_mut(count) {
                let name = class_names.get(detection.class_id as usize).map_or("", String::as_str);
                fill_entry(entry, stamp, frame_id, detection, name);
            }
            count += 1;
        }
        self.spare.extend(message.detections.drain(count..));
        message
    }
}

fn blank() -> Detection2D {
    Detection2D { results: vec![ObjectHypothesisWithPose::default()], ..Detection2D::default() }
}

fn fill_entry(
    entry: &mut Detection2D,
    stamp: &Time,
    frame_id: &str,
    detection: &Detection,
    class_name: &str,
) {
    entry.header.stamp = stamp.clone();
    assign(&mut entry.header.frame_id, frame_id);
    if let Some(result) = entry.results.first_mut() {
        assign(&mut result.hypothesis.class_id, class_name);
        result.hypothesis.score = f64::from(detection.score);
    }
    let bbox = &detection.bbox;
    entry.bbox.center.position.x = f64::from(f32::midpoint(bbox.x_min, bbox.x_max));
    entry.bbox.center.position.y = f64::from(f32::midpoint(bbox.y_min, bbox.y_max));
    entry.bbox.size_x = f64::from(bbox.width());
    entry.bbox.size_y = f64::from(bbox.height());
}

/// What a health message says beside the report's figures.
pub(crate) struct HealthContext<'a> {
    pub(crate) now_ns: i64,
    pub(crate) frame_id: &'a str,
    pub(crate) camera: &'a str,
    pub(crate) model_name: &'a str,
    pub(crate) model_sha256: &'a str,
    pub(crate) class_names: &'a [String],
    pub(crate) thresholds: &'a Thresholds,
    pub(crate) profile_sha256: &'a str,
    pub(crate) counters: FrameCounters,
    pub(crate) input_rate_hz: f64,
    pub(crate) injected: &'a [Step],
    pub(crate) probes: &'a ProbeWindow,
    /// The corruptions that the probes are indexed by.
    pub(crate) probed: &'a [Step],
    pub(crate) last_frame_age_s: f64,
}

/// The health of one camera.
pub(crate) fn camera_health(report: &CameraReport, context: &HealthContext<'_>) -> CameraHealth {
    let enabled = report.classes.iter().filter(|class| context.thresholds.is_enabled(class.class_id));
    let window_s = report.window_s as f32;
    let frames = u32::try_from(report.frames).unwrap_or(u32::MAX);
    let classes = enabled.filter_map(|class| {
        let name = text(context.class_names.get(class.class_id as usize)?);
        let publish_score = context.thresholds.publish_score(class.class_id);
        let worst = context.probes.worst(class.class_id, MIN_PROBE_SUPPORT);
        let retention = worst.map_or(f32::NAN, |worst| worst.retention as f32);
        let probed = worst.and_then(|worst| context.probed.get(worst.corruption)).map(Step::to_string);
        let probe = (retention, probed.unwrap_or_default());
        let list = |bins: [u32; SUMMARY_BINS]| bins.to_vec();
        Some(class_health!(ClassHealth, class, window_s, frames, name, publish_score, probe, list))
    });
    let mut message = CameraHealth {
        header: Header { stamp: time(context.now_ns), frame_id: text(context.frame_id) },
        camera: context.camera.to_owned(),
        model_name: text(context.model_name),
        model_sha256: context.model_sha256.to_owned(),
        profile_sha256: context.profile_sha256.to_owned(),
        frames_received: context.counters.received,
        frames_processed: context.counters.processed,
        frames_overwritten: context.counters.overwritten,
        frames_stale: context.counters.stale,
        frames_rejected: context.counters.rejected,
        input_rate: context.input_rate_hz as f32,
        last_frame_age_s: context.last_frame_age_s as f32,
        low_score: context.thresholds.low_score,
        injection: !context.injected.is_empty(),
        corruption: describe(context.injected),
        classes: classes.collect(),
        ..CameraHealth::default()
    };
    fill_camera_health!(message, report, context.class_names);
    message.worst_class = text(&message.worst_class);
    message
}

/// What a message of figures by ground truth says beside them.
pub(crate) struct TruthContext<'a> {
    pub(crate) camera: &'a str,
    pub(crate) topic: &'a str,
    /// Frames and messages that were lost before they were looked at.
    pub(crate) lost: u64,
    pub(crate) request: &'a TruthRequest,
}

/// The figures of one camera by ground truth.
pub(crate) fn ground_truth_health(report: &TruthReport, context: &TruthContext<'_>) -> GroundTruthHealth {
    let (counts, request) = (&report.counts, context.request);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    GroundTruthHealth {
        header: Header { stamp: time(request.now_ns), frame_id: text(&request.frame_id) },
        camera: context.camera.to_owned(),
        topic: text(context.topic),
        injection: !request.corruption.is_empty(),
        corruption: request.corruption.clone(),
        window_frames: number(report.window_frames),
        frames: number(report.frames),
        first_stamp: time(report.first_stamp_ns),
        last_stamp: time(report.last_stamp_ns),
        iou: report.iou as f32,
        low_score: request.thresholds.low_score,
        map: report.map as f32,
        estimated_map: report.estimated_map as f32,
        map_error: report.map_error as f32,
        frames_compared: counts.frames_compared,
        frames_without_truth: counts.frames_without_truth,
        frames_unstamped: counts.frames_unstamped,
        frames_waiting: counts.frames_waiting,
        wrong_frame_id: counts.wrong_frame_id,
        truths_received: counts.truths_received,
        truths_without_frame: counts.truths_without_frame,
        truths_duplicate: counts.truths_duplicate,
        truths_unstamped: counts.truths_unstamped,
        truths_malformed: counts.truths_malformed,
        truths_waiting: counts.truths_waiting,
        lost: context.lost,
        time_jumps: counts.time_jumps,
        objects_received: counts.objects_received,
        objects_unknown_class: counts.objects_unknown_class,
        objects_bad_box: counts.objects_bad_box,
        objects_outside: counts.objects_outside,
        objects_partly_outside: counts.objects_partly_outside,
        objects_rotated: counts.objects_rotated,
        classes: report.classes.iter().map(ground_truth_class).collect(),
    }
}

fn ground_truth_class(class: &TruthClass) -> GroundTruthClass {
    GroundTruthClass {
        class_id: class.class_id,
        class_name: text(&class.class_name),
        instances: class.instances,
        published: class.published,
        right: class.right,
        precision: class.precision as f32,
        recall: class.recall as f32,
        ap: class.ap as f32,
        estimated_ap: class.estimated_ap.value as f32,
        estimated_ap_low: class.estimated_ap.low as f32,
        estimated_ap_high: class.estimated_ap.high as f32,
        expected_precision: class.expected_precision as f32,
        ap_error: class.ap_error as f32,
        precision_error: class.precision_error as f32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::BoundingBox;

    fn detection(class_id: u32, score: f32) -> Detection {
        Detection {
            bbox: BoundingBox { x_min: 10.0, y_min: 20.0, x_max: 30.0, y_max: 60.0 },
            class_id,
            score,
        }
    }

    #[test]
    fn the_message_is_filled_anew_whatever_was_in_it() {
        let names = ["person".to_owned(), "bus".to_owned()];
        let mut kept = DetectionMessage::default();
        let many: Vec<_> = (0..5).map(|i| detection(i % 2, 0.5)).collect();
        assert_eq!(kept.fill(&time(7), "a", many.iter(), &names).detections.len(), 5);
        let one = [detection(1, 0.75)];
        let message = kept.fill(&time(1_500_000_000), "cam", one.iter(), &names);
        assert_eq!((message.header.stamp.sec, message.header.stamp.nanosec), (1, 500_000_000));
        assert_eq!(message.detections.len(), 1);
        let entry = &message.detections[0];
        assert_eq!(entry.header.frame_id, "cam");
        assert_eq!(entry.results[0].hypothesis.class_id, "bus");
        assert!((entry.results[0].hypothesis.score - 0.75).abs() < 1e-9);
        assert_eq!((entry.bbox.center.position.x, entry.bbox.center.position.y), (20.0, 40.0));
        assert_eq!((entry.bbox.size_x, entry.bbox.size_y), (20.0, 40.0));
        assert!(kept.fill(&time(0), "cam", [].iter(), &names).detections.is_empty());
    }

    #[test]
    fn times_outside_the_message_are_clamped() {
        assert_eq!(time(-5).sec, 0);
        assert_eq!(time(i64::MAX).sec, i32::MAX);
    }
}
