//! Health as the message that the live node publishes, for bags.

use crate::data::bag::cdr::{CameraHealth, ClassHealth};
use crate::detector::{ModelInfo, Thresholds};
use crate::health::message::{class_health, fill_camera_health};
use crate::health::{HealthRecord, Profile};

/// What a health message says beside the report's figures.
#[derive(Debug, Clone, Copy)]
pub struct MessageContext<'a> {
    /// The model.
    pub info: &'a ModelInfo,
    /// Which classes are looked for, and which detections are published.
    pub thresholds: &'a Thresholds,
    /// What was compared with.
    pub profile: Option<&'a Profile>,
    /// Coordinate frame of the camera's last frame.
    pub frame_id: &'a str,
    /// Frames read, processed and rejected so far.
    pub frames: [u64; 3],
}

/// The node's message; what only a live node knows is NaN, as it is there where it is not known.
#[must_use]
pub fn camera_health(record: &HealthRecord<'_>, context: &MessageContext<'_>) -> CameraHealth {
    let unknown = f32::NAN;
    let report = record.report;
    let names = &context.info.class_names;
    let window_s = report.window_s as f32;
    let frames = u32::try_from(report.frames).unwrap_or(u32::MAX);
    let enabled = report.classes.iter().filter(|class| context.thresholds.is_enabled(class.class_id));
    let classes = enabled.filter_map(|class| {
        let name = names.get(class.class_id as usize)?.clone();
        let publish_score = context.thresholds.publish_score(class.class_id);
        let probe = (unknown, String::new());
        Some(class_health!(ClassHealth, class, window_s, frames, name, publish_score, probe, |bins| bins))
    });
    let [frames_received, frames_processed, frames_rejected] = context.frames;
    let mut message = CameraHealth {
        stamp_ns: record.stamp_ns,
        frame_id: context.frame_id.to_owned(),
        camera: record.camera.to_owned(),
        model_name: context.info.name.clone(),
        model_sha256: context.info.sha256.clone(),
        profile_sha256: context.profile.map(|profile| profile.sha256.clone()).unwrap_or_default(),
        frames_received,
        frames_processed,
        frames_rejected,
        input_rate: unknown,
        last_frame_age_s: unknown,
        low_score: context.thresholds.low_score,
        injection: record.is_injected,
        corruption: if record.is_injected { record.corruptions.join(" + ") } else { String::new() },
        classes: classes.collect(),
        ..CameraHealth::default()
    };
    fill_camera_health!(message, report, names);
    message
}
