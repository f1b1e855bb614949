//! `roadproof/msg/CameraHealth`; what its fields mean is said in `msg/`.

use super::CdrError;
use super::writer::Writer;

/// The type that [`CameraHealth`] writes.
pub const CAMERA_HEALTH_TYPE: &str = "roadproof/msg/CameraHealth";

/// The message `CameraHealth`, field by field.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "msg/CameraHealth.msg says what each field is")]
pub struct CameraHealth {
    pub stamp_ns: i64,
    pub frame_id: String,
    pub camera: String,
    pub model_name: String,
    pub model_sha256: String,
    pub profile_sha256: String,
    pub status: u8,
    pub reason: String,
    pub window_s: f32,
    pub frames_received: u64,
    pub frames_processed: u64,
    pub frames_overwritten: u64,
    pub frames_stale: u64,
    pub frames_rejected: u64,
    pub input_rate: f32,
    pub processing_rate: f32,
    pub last_frame_age_s: f32,
    pub low_score: f32,
    pub injection: bool,
    pub corruption: String,
    pub image_state: u8,
    pub image_noise: f32,
    pub image_sharpness: f32,
    pub image_brightness: f32,
    pub image_contrast: f32,
    pub image_dark_share: f32,
    pub image_bright_share: f32,
    pub image_blockiness: f32,
    pub prediction_consistency: f32,
    pub prediction_reliability: f32,
    pub estimated_corruption: String,
    pub estimated_severity: f32,
    pub estimated_map: f32,
    pub estimated_map_low: f32,
    pub estimated_map_high: f32,
    pub worst_class: String,
    pub classes: Vec<ClassHealth>,
}

/// The message `ClassHealth`, field by field.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "msg/ClassHealth.msg says what each field is")]
pub struct ClassHealth {
    pub class_id: u32,
    pub class_name: String,
    pub status: u8,
    pub reason: String,
    pub window_s: f32,
    pub frames: u32,
    pub detections: u32,
    pub published: u32,
    pub detections_needed: u32,
    pub detection_rate: f32,
    pub publish_score: f32,
    pub score_mean: f32,
    pub score_p10: f32,
    pub score_p50: f32,
    pub score_p90: f32,
    pub score_histogram: [u32; 20],
    pub expected_detection_rate: f32,
    pub expected_precision: f32,
    pub above_threshold_share: f32,
    pub score_psi: f32,
    pub score_wasserstein: f32,
    pub change_statistic: f32,
    pub track_match_rate: f32,
    pub estimated_ap: f32,
    pub estimated_ap_low: f32,
    pub estimated_ap_high: f32,
    pub probe_retention: f32,
    pub probe_corruption: String,
}

impl CameraHealth {
    /// The message's bytes.
    ///
    /// # Errors
    ///
    /// [`CdrError::Unwritable`] for a text with a zero byte inside.
    pub fn encode(&self) -> Result<Vec<u8>, CdrError> {
        let mut writer = Writer::with_capacity(512 + 384 * self.classes.len());
        writer.time(self.stamp_ns);
        writer.str("frame_id", &self.frame_id)?;
        writer.str("camera", &self.camera)?;
        writer.str("model_name", &self.model_name)?;
        writer.str("model_sha256", &self.model_sha256)?;
        writer.str("profile_sha256", &self.profile_sha256)?;
        writer.u8(self.status);
        writer.str("reason", &self.reason)?;
        writer.f32(self.window_s);
        writer.u64(self.frames_received);
        writer.u64(self.frames_processed);
        writer.u64(self.frames_overwritten);
        writer.u64(self.frames_stale);
        writer.u64(self.frames_rejected);
        writer.f32(self.input_rate);
        writer.f32(self.processing_rate);
        writer.f32(self.last_frame_age_s);
        writer.f32(self.low_score);
        writer.u8(u8::from(self.injection));
        writer.str("corruption", &self.corruption)?;
        writer.u8(self.image_state);
        writer.f32(self.image_noise);
        writer.f32(self.image_sharpness);
        writer.f32(self.image_brightness);
        writer.f32(self.image_contrast);
        writer.f32(self.image_dark_share);
        writer.f32(self.image_bright_share);
        writer.f32(self.image_blockiness);
        writer.f32(self.prediction_consistency);
        writer.f32(self.prediction_reliability);
        writer.str("estimated_corruption", &self.estimated_corruption)?;
        writer.f32(self.estimated_severity);
        writer.f32(self.estimated_map);
        writer.f32(self.estimated_map_low);
        writer.f32(self.estimated_map_high);
        writer.str("worst_class", &self.worst_class)?;
        writer.count("classes", self.classes.len())?;
        for class in &self.classes {
            class.write(&mut writer)?;
        }
        Ok(writer.finish())
    }
}

impl ClassHealth {
    fn write(&self, writer: &mut Writer) -> Result<(), CdrError> {
        writer.u32(self.class_id);
        writer.str("class_name", &self.class_name)?;
        writer.u8(self.status);
        writer.str("reason", &self.reason)?;
        writer.f32(self.window_s);
        writer.u32(self.frames);
        writer.u32(self.detections);
        writer.u32(self.published);
        writer.u32(self.detections_needed);
        writer.f32(self.detection_rate);
        writer.f32(self.publish_score);
        writer.f32(self.score_mean);
        writer.f32(self.score_p10);
        writer.f32(self.score_p50);
        writer.f32(self.score_p90);
        for count in self.score_histogram {
            writer.u32(count);
        }
        writer.f32(self.expected_detection_rate);
        writer.f32(self.expected_precision);
        writer.f32(self.above_threshold_share);
        writer.f32(self.score_psi);
        writer.f32(self.score_wasserstein);
        writer.f32(self.change_statistic);
        writer.f32(self.track_match_rate);
        writer.f32(self.estimated_ap);
        writer.f32(self.estimated_ap_low);
        writer.f32(self.estimated_ap_high);
        writer.f32(self.probe_retention);
        writer.str("probe_corruption", &self.probe_corruption)?;
        Ok(())
    }
}
