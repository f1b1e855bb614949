//! The node's state as `/diagnostics`: one status for each thing that can be wrong. Names and keys are
//! documented in `docs/diagnostics.md` and stay as they are.

use std::fmt::Display;

use r2r::diagnostic_msgs::msg::{DiagnosticArray, DiagnosticStatus, KeyValue};

use crate::corruption::Step;
use crate::data::bag::RecorderState;
use crate::detector::ModelInfo;
use crate::health::{
    self, CameraReport, ClassReport, Estimated, HealthStatus, ProbeRetention, ProbeWindow, Profile, Rules,
};
use crate::pipeline::{FrameCounters, Stage, StageLatencies};
use crate::truth::TruthReport;

use super::messages;

/// Severity, with the numbers of `diagnostic_msgs/msg/DiagnosticStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Level {
    Ok = 0,
    Warn = 1,
    Error = 2,
    Stale = 3,
}

impl From<health::Level> for Level {
    fn from(level: health::Level) -> Self {
        match level {
            health::Level::Ok => Self::Ok,
            health::Level::Warn => Self::Warn,
            health::Level::Error => Self::Error,
        }
    }
}

/// A status that is being put together.
pub(crate) struct Status {
    subject: String,
    findings: Vec<(Level, String)>,
    values: Vec<KeyValue>,
}

impl Status {
    /// `subject` is what the status is about, for example `input front`.
    pub(crate) fn new(subject: &str) -> Self {
        Self { subject: subject.to_owned(), findings: Vec::new(), values: Vec::new() }
    }

    /// Adds a finding. The status takes the worst level of all; its message has everything that is not OK, the worst
    /// first, or what is OK where nothing else is found.
    pub(crate) fn report(&mut self, level: Level, message: impl Into<String>) {
        self.findings.push((level, message.into()));
    }

    pub(crate) fn value(&mut self, key: &str, value: impl Display) {
        self.values.push(KeyValue { key: key.to_owned(), value: messages::text(&format!("{value}")) });
    }

    fn finish(mut self, node: &str, hardware_id: &str) -> DiagnosticStatus {
        // Stable: findings of one level stay in the order in which they were made.
        self.findings.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        let level = self.findings.first().map_or(Level::Ok, |(level, _)| *level);
        let said = self.findings.iter().filter(|(found, _)| level == Level::Ok || *found > Level::Ok);
        let message = said.map(|(_, message)| message.as_str()).collect::<Vec<_>>().join("; ");
        DiagnosticStatus {
            level: level as u8,
            name: format!("{node}: {}", self.subject),
            message: messages::text(&message),
            hardware_id: hardware_id.to_owned(),
            values: self.values,
        }
    }
}

/// Puts the statuses of a node into one message. `node` is its fully qualified name, so that no two nodes of a vehicle publish
/// statuses of one name.
pub(crate) fn array(now_ns: i64, statuses: Vec<Status>, node: &str, hardware_id: &str) -> DiagnosticArray {
    let mut array = DiagnosticArray::default();
    array.header.stamp = messages::time(now_ns);
    let node = node.trim_start_matches('/');
    array.status = statuses.into_iter().map(|status| status.finish(node, hardware_id)).collect();
    array
}

/// Identity of the loaded model.
pub(crate) fn model(info: &ModelInfo) -> Status {
    let mut status = Status::new("model");
    status.report(Level::Ok, info.name.as_str());
    status.value("name", &info.name);
    status.value("sha256", &info.sha256);
    status.value("decoder", info.decoder);
    status.value("input_width_px", info.input_width);
    status.value("input_height_px", info.input_height);
    status.value("classes", info.class_names.len());
    status.value("onnxruntime", &info.runtime_version);
    if let Some(engine) = &info.engine {
        let state = if engine.reused { "from the cache" } else { "built" };
        status.value("engine", format!("{state}, for {} with driver {}", engine.gpu, engine.driver));
    }
    status
}

/// What computes, and how long each stage takes.
pub(crate) fn inference(
    info: &ModelInfo,
    latencies: &mut StageLatencies,
    batch_mean: Option<f64>,
    totals: FrameCounters,
    last_error: Option<&str>,
) -> Status {
    let mut status = Status::new("inference");
    status.report(Level::Ok, format!("{} on {}", info.name, info.provider));
    status.value("provider", info.provider);
    status.value("frames_on", info.gpu.as_deref().unwrap_or("the CPU"));
    if let Some(placement) = &info.placement {
        status.value("provider_share", format!("{:.3}", placement.share()));
        status.value("nodes_elsewhere", placement.elsewhere);
        status.value("operators_elsewhere", placement.operators_elsewhere.join(", "));
    }
    for note in &info.warnings {
        status.report(Level::Warn, note.clone());
    }
    if let Some(error) = last_error {
        status.report(Level::Error, error);
    }
    status.value("frames_processed", totals.processed);
    status.value("batch_mean", batch_mean.map_or("n/a".to_owned(), |mean| format!("{mean:.2}")));
    for stage in Stage::ALL {
        let summary = latencies.stage(stage).summary();
        let figure = |pick: fn(crate::pipeline::LatencySummary) -> f64| {
            summary.map_or("n/a".to_owned(), |summary| format!("{:.3}", pick(summary)))
        };
        status.value(&format!("{}_p50_ms", stage.name()), figure(|s| s.p50_ms));
        status.value(&format!("{}_p99_ms", stage.name()), figure(|s| s.p99_ms));
    }
    status
}

/// The frame counters, under the names that the contract gives them.
pub(crate) fn counters(status: &mut Status, counters: FrameCounters) {
    status.value("received", counters.received);
    status.value("processed", counters.processed);
    status.value("overwritten", counters.overwritten);
    status.value("stale", counters.stale);
    status.value("rejected", counters.rejected);
    status.value("pending", counters.pending);
}

/// Health of one camera, with a value for each class that has been seen in the window or is in a bad way.
pub(crate) fn health(camera: &str, report: &CameraReport, class_names: &[String], rules: &Rules) -> Status {
    let mut status = Status::new(&format!("health {camera}"));
    if let HealthStatus::Stale { .. } = report.status {
        status.report(Level::Stale, report.reason.to_string());
    } else {
        let (level, message) = rules.level(report, class_names);
        status.report(level.into(), message);
    }
    status.value("frames", report.frames);
    status.value("detections", report.detections);
    status.value("published", report.published);
    let judged = |class: &&ClassReport| !matches!(class.status, HealthStatus::InsufficientData { .. });
    status.value("supported_classes", report.classes.iter().filter(judged).count());
    status.value("time_jumps", report.time_jumps);
    let figure = |value: f64| if value.is_finite() { format!("{value:.3}") } else { "n/a".to_owned() };
    let Estimated { value, low, high } = report.estimated_map;
    let interval = format!("{} ({} … {})", figure(value), figure(low), figure(high));
    status.value("estimated_map", if value.is_finite() { interval } else { "n/a".to_owned() });
    let corruption = report.estimated_corruption.unwrap_or("none");
    let severity = figure(report.estimated_severity);
    let known = report.estimated_severity.is_finite();
    status
        .value("estimated_corruption", if known { format!("{corruption}:{severity}") } else { "n/a".into() });
    for class in &report.classes {
        let Some(name) = class_names.get(class.class_id as usize) else { continue };
        if class.detections > 0 || class.status.is_alarm() {
            status.value(
                &format!("class.{name}"),
                format!(
                    "{}; {} published, score p10 {:.2} p50 {:.2} p90 {:.2}",
                    class.reason, class.published, class.score_p10, class.score_p50, class.score_p90
                ),
            );
        }
    }
    status
}

/// What shadow copies of a camera's frames found again, by corruption and class, beside the profile where there is one.
pub(crate) fn robustness(
    camera: &str,
    probes: &ProbeWindow,
    probed: &[Step],
    profile: Option<&Profile>,
    class_names: &[String],
) -> Status {
    let mut status = Status::new(&format!("robustness {camera}"));
    status.report(Level::Ok, "shadow copies");
    for (index, step) in probed.iter().enumerate() {
        let name = step.corruption.name();
        let curve = profile.and_then(|profile| profile.curves.iter().find(|curve| curve.corruption == name));
        for (class_id, class_name) in (0_u32..).zip(class_names) {
            let enough = |found: &ProbeRetention| found.support >= messages::MIN_PROBE_SUPPORT;
            let Some(found) = probes.retention(index, class_id).filter(enough) else { continue };
            let (share, support, drop) = (found.retention(), found.support, found.score_drop);
            let mut text = format!("{share:.2} of {support} found again, scores {drop:.2} lower");
            let margin = curve.and_then(|curve| probes.margin(index, class_id, curve, step.severity.value()));
            if let Some(margin) = margin {
                let Estimated { value, low, high } = margin.margin;
                let profiled = margin.profiled;
                text += &format!("; profile {profiled:.2}, margin {value:+.2} ({low:+.2} … {high:+.2})");
                if margin.is_below_profile() {
                    let what = format!(
                        "{class_name} under {step}: {share:.2} found again, {profiled:.2} in the profile"
                    );
                    status.report(Level::Warn, what);
                }
            }
            status.value(&format!("{step}.{class_name}"), text);
        }
    }
    status
}

/// How good the detector really is on a camera, beside what is estimated; `None` before the first report.
pub(crate) fn ground_truth(camera: &str, topic: &str, report: Option<&TruthReport>, lost: u64) -> Status {
    let mut status = Status::new(&format!("ground truth {camera}"));
    status.value("topic", topic);
    status.value("lost", lost);
    let Some(report) = report else {
        status.report(Level::Ok, "nothing compared yet");
        return status;
    };
    let figure = |value: f64| if value.is_finite() { format!("{value:.3}") } else { "n/a".to_owned() };
    let (map, estimated) = (figure(report.map), figure(report.estimated_map));
    status.report(Level::Ok, format!("mAP {map}, estimated {estimated}, over {} frames", report.frames));
    for note in &report.notes {
        status.report(Level::Warn, note.as_str());
    }
    status.value("frames", report.frames);
    status.value("map", map);
    status.value("estimated_map", estimated);
    status.value("map_error", figure(report.map_error));
    let counts = &report.counts;
    for (key, count) in [
        ("frames_compared", counts.frames_compared),
        ("frames_without_truth", counts.frames_without_truth),
        ("frames_unstamped", counts.frames_unstamped),
        ("frames_waiting", counts.frames_waiting),
        ("wrong_frame_id", counts.wrong_frame_id),
        ("truths_received", counts.truths_received),
        ("truths_without_frame", counts.truths_without_frame),
        ("truths_duplicate", counts.truths_duplicate),
        ("truths_unstamped", counts.truths_unstamped),
        ("truths_malformed", counts.truths_malformed),
        ("truths_waiting", counts.truths_waiting),
        ("time_jumps", counts.time_jumps),
        ("objects_received", counts.objects_received),
        ("objects_unknown_class", counts.objects_unknown_class),
        ("objects_bad_box", counts.objects_bad_box),
        ("objects_outside", counts.objects_outside),
        ("objects_partly_outside", counts.objects_partly_outside),
        ("objects_rotated", counts.objects_rotated),
    ] {
        status.value(key, count);
    }
    for (name, count) in &report.unknown_classes {
        status.value(&format!("unknown_class.{name}"), count);
    }
    for class in &report.classes {
        let text = format!(
            "AP {}, estimated {}; precision {}, recall {} of {} instances",
            figure(class.ap),
            figure(class.estimated_ap.value),
            figure(class.precision),
            figure(class.recall),
            class.instances
        );
        status.value(&format!("class.{}", class.class_name), text);
    }
    status
}

/// How the recording goes; `before` is what it said at the last report.
pub(crate) fn recording(state: &RecorderState, before: &RecorderState) -> Status {
    let mut status = Status::new("recording");
    let written = state.written_bytes / 1_000_000;
    status.report(Level::Ok, format!("{} messages, {written} MB", state.written));
    if let Some(failure) = &state.failure {
        status.report(Level::Error, format!("the recording has ended: {failure}"));
    }
    let dropped = state.dropped_full - before.dropped_full;
    if dropped > 0 {
        let what = "the disk is slower than the messages come; record less, or raise record.buffer_mb";
        status.report(Level::Warn, format!("{dropped} message(s) left out: {what}"));
    }
    status.value("path", state.path.display());
    status.value("offered", state.offered);
    status.value("written", state.written);
    status.value("written_bytes", state.written_bytes);
    status.value("waiting_bytes", state.waiting_bytes);
    status.value("dropped_full", state.dropped_full);
    status.value("dropped_unwritable", state.dropped_unwritable);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_level_wins_and_everything_that_is_wrong_is_said() {
        let mut status = Status::new("input front");
        status.report(Level::Ok, "10 Hz");
        status.report(Level::Error, "a");
        status.report(Level::Warn, "b");
        status.report(Level::Error, "c\0");
        status.value("rate_hz", 10.5);
        let array = array(5, vec![status], "/rig/roadproof", "sha");
        let message = &array.status[0];
        assert_eq!((message.level, message.message.as_str()), (2, "a; c\u{fffd}; b"));
        assert_eq!(
            (message.name.as_str(), message.hardware_id.as_str()),
            ("rig/roadproof: input front", "sha")
        );
        assert_eq!((message.values[0].key.as_str(), message.values[0].value.as_str()), ("rate_hz", "10.5"));
    }
}
