//! The health messages, filled in one place: `msg/CameraHealth.msg` has one type in the middleware and one in bags, with the
//! same fields.

/// A `ClassHealth` from a [`ClassReport`](super::ClassReport); `histogram` makes the type's histogram of an array.
macro_rules! class_health {
    ($type:path, $report:expr, $window_s:expr, $frames:expr, $name:expr, $publish_score:expr, $probe:expr, $histogram:expr) => {{
        let report: &$crate::health::ClassReport = $report;
        let (probe_retention, probe_corruption): (f32, String) = $probe;
        let is_ok = report.status == $crate::health::HealthStatus::Ok;
        $type {
            class_id: report.class_id,
            class_name: $name,
            status: report.status.code(),
            reason: if is_ok { String::new() } else { report.reason.to_string() },
            window_s: $window_s,
            frames: $frames,
            detections: report.detections,
            published: report.published,
            detections_needed: report.detections_needed,
            detection_rate: report.detection_rate as f32,
            publish_score: $publish_score,
            score_mean: report.score_mean as f32,
            score_p10: report.score_p10 as f32,
            score_p50: report.score_p50 as f32,
            score_p90: report.score_p90 as f32,
            score_histogram: $histogram(report.score_histogram),
            expected_detection_rate: report.expected_detection_rate as f32,
            expected_precision: report.expected_precision as f32,
            above_threshold_share: report.above_threshold_share as f32,
            score_psi: report.score_psi as f32,
            score_wasserstein: report.score_wasserstein as f32,
            change_statistic: report.change_statistic as f32,
            track_match_rate: report.track_match_rate as f32,
            estimated_ap: report.estimated_ap.value as f32,
            estimated_ap_low: report.estimated_ap.low as f32,
            estimated_ap_high: report.estimated_ap.high as f32,
            probe_retention,
            probe_corruption,
        }
    }};
}

/// Fills what a `CameraHealth` has of a [`CameraReport`](super::CameraReport); the rest stays as it is.
macro_rules! fill_camera_health {
    ($message:expr, $report:expr, $class_names:expr) => {{
        let report: &$crate::health::CameraReport = $report;
        let names: &[String] = $class_names;
        let message = &mut $message;
        let is_ok = report.status == $crate::health::HealthStatus::Ok;
        message.status = report.status.code();
        message.reason = if is_ok { String::new() } else { report.reason.to_string() };
        message.window_s = report.window_s as f32;
        message.processing_rate = report.processing_rate as f32;
        message.image_state = report.image_state as u8;
        message.image_noise = report.image_noise as f32;
        message.image_sharpness = report.image_sharpness as f32;
        message.image_brightness = report.image_brightness as f32;
        message.image_contrast = report.image_contrast as f32;
        message.image_dark_share = report.image_dark_share as f32;
        message.image_bright_share = report.image_bright_share as f32;
        message.image_blockiness = report.image_blockiness as f32;
        message.prediction_consistency = report.prediction_consistency as f32;
        message.prediction_reliability = report.prediction_reliability as f32;
        message.estimated_corruption = report.estimated_corruption.unwrap_or_default().to_owned();
        message.estimated_severity = report.estimated_severity as f32;
        message.estimated_map = report.estimated_map.value as f32;
        message.estimated_map_low = report.estimated_map.low as f32;
        message.estimated_map_high = report.estimated_map.high as f32;
        message.worst_class =
            report.worst_class.and_then(|id| names.get(id as usize)).cloned().unwrap_or_default();
    }};
}

pub(crate) use {class_health, fill_camera_health};
