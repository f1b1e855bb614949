//! A new bag: what the recording holds, with detections and health.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use roadproof::data::bag::cdr::{
    CAMERA_HEALTH_TYPE, CameraHealth, ClassHealth, DETECTIONS_TYPE, Detection2D, Detection2DArray, Hypothesis,
};
use roadproof::data::bag::{BagMessage, BagReader, BagWriter, Messages, TopicFilter, TopicId};
use roadproof::detector::{ModelInfo, Thresholds};
use roadproof::health::CameraWindow;
use roadproof::replay::{FrameRecord, HealthRecord};

/// Codes of `ClassHealth.status`, by their names in `health.jsonl`.
const STATUS: [&str; 5] = ["ok", "warn", "error", "insufficient_data", "stale"];

/// What is the same in all health messages.
pub(super) struct Model<'a> {
    pub(super) info: &'a ModelInfo,
    pub(super) thresholds: &'a Thresholds,
}

pub(super) struct BagSink<'a> {
    writer: BagWriter,
    model: Model<'a>,
    /// Of the recording, what is not copied yet; none where it is no bag.
    originals: Option<Messages<'a>>,
    pending: Option<BagMessage>,
    topics: HashMap<Arc<str>, TopicId>,
    cameras: HashMap<String, Camera>,
}

struct Camera {
    detections: TopicId,
    health: TopicId,
    received: u64,
    processed: u64,
    rejected: u64,
    log_time_ns: i64,
    frame_id: String,
    corruptions: String,
}

/// The topic of a camera's results: its own name between `/roadproof` and what they are.
fn topic(camera: &str, what: &str) -> String {
    format!("/roadproof/{}/{what}", camera.trim_matches('/'))
}

impl<'a> BagSink<'a> {
    pub(super) fn new(
        path: &Path,
        bag: Option<&'a BagReader>,
        cameras: &[String],
        model: Model<'a>,
    ) -> anyhow::Result<Self> {
        let mut writer = BagWriter::create(path)?;
        let mut topics = HashMap::new();
        for original in bag.map(BagReader::topics).unwrap_or_default() {
            topics.insert(Arc::clone(&original.name), writer.add_topic_like(original)?);
        }
        let mut results = HashMap::new();
        for camera in cameras {
            let entry = Camera {
                detections: writer.add_topic(&topic(camera, "detections"), DETECTIONS_TYPE)?,
                health: writer.add_topic(&topic(camera, "health"), CAMERA_HEALTH_TYPE)?,
                received: 0,
                processed: 0,
                rejected: 0,
                log_time_ns: 0,
                frame_id: String::new(),
                corruptions: String::new(),
            };
            results.insert(camera.clone(), entry);
        }
        let originals = bag.map(|bag| bag.messages(TopicFilter::All));
        Ok(Self { writer, model, originals, pending: None, topics, cameras: results })
    }

    /// Copies the originals up to a moment, so that the bag is in the order of time.
    fn copy_until(&mut self, log_time_ns: i64) -> anyhow::Result<()> {
        let Some(originals) = &mut self.originals else { return Ok(()) };
        loop {
            let message = match self.pending.take() {
                Some(message) => message,
                None => match originals.next() {
                    Some(message) => message?,
                    None => return Ok(()),
                },
            };
            if message.log_time_ns > log_time_ns {
                self.pending = Some(message);
                return Ok(());
            }
            if let Some(id) = self.topics.get(&message.topic) {
                self.writer.write(*id, message.log_time_ns, message.publish_time_ns, &message.data)?;
            }
        }
    }

    fn write_frame(&mut self, record: &FrameRecord<'_>) -> anyhow::Result<()> {
        self.copy_until(record.log_time_ns)?;
        let Some(camera) = self.cameras.get_mut(record.camera) else { return Ok(()) };
        camera.received += 1;
        if record.outcome != "processed" {
            camera.rejected += 1;
            return Ok(());
        }
        camera.processed += 1;
        camera.log_time_ns = record.log_time_ns;
        record.frame_id.clone_into(&mut camera.frame_id);
        camera.corruptions = record.corruptions.join(" + ");
        let detections = record.detections.iter().map(|detection| {
            let [x_min, y_min, x_max, y_max] = detection.bbox.map(f64::from);
            Detection2D {
                stamp_ns: record.stamp_ns,
                frame_id: record.frame_id.to_owned(),
                results: vec![Hypothesis {
                    class_id: detection.class.to_owned(),
                    score: f64::from(detection.score),
                }],
                center_x_px: f64::midpoint(x_min, x_max),
                center_y_px: f64::midpoint(y_min, y_max),
                theta_rad: 0.0,
                size_x_px: x_max - x_min,
                size_y_px: y_max - y_min,
                id: String::new(),
            }
        });
        let message = Detection2DArray {
            stamp_ns: record.stamp_ns,
            frame_id: record.frame_id.to_owned(),
            detections: detections.collect(),
        };
        let id = camera.detections;
        self.writer.write(id, record.log_time_ns, record.log_time_ns, &message.encode()?)?;
        Ok(())
    }

    fn write_health(&mut self, record: &HealthRecord<'_>, window: &CameraWindow) -> anyhow::Result<()> {
        let Some(camera) = self.cameras.get(record.camera) else { return Ok(()) };
        let message = health(record, window, camera, &self.model);
        let (id, log_time_ns) = (camera.health, camera.log_time_ns);
        self.writer.write(id, log_time_ns, log_time_ns, &message.encode()?)?;
        Ok(())
    }

    pub(super) fn frame(&mut self, record: &FrameRecord<'_>) -> io::Result<()> {
        self.write_frame(record).map_err(io::Error::other)
    }

    pub(super) fn health(&mut self, record: &HealthRecord<'_>, window: &CameraWindow) -> io::Result<()> {
        self.write_health(record, window).map_err(io::Error::other)
    }

    /// Copies the rest, and completes the bag.
    pub(super) fn finish(mut self) -> anyhow::Result<Vec<String>> {
        self.copy_until(i64::MAX)?;
        let warnings = self.writer.warnings().to_vec();
        self.writer.finish()?;
        Ok(warnings)
    }
}

fn status_code(name: &str) -> u8 {
    STATUS.iter().position(|status| *status == name).unwrap_or(0) as u8
}

/// The node's health message; what only a live node knows is NaN, as it is there where it is not known.
fn health(
    record: &HealthRecord<'_>,
    window: &CameraWindow,
    camera: &Camera,
    model: &Model<'_>,
) -> CameraHealth {
    let unknown = f32::NAN;
    let window_s = window.config().window_s as f32;
    let names = (0_u32..).zip(&model.info.class_names).filter(|(id, _)| model.thresholds.is_enabled(*id));
    let classes = names.filter_map(|(class_id, name)| {
        let class = window.class_summary(class_id)?;
        let rate = if class.covered_s > 0.0 { f64::from(class.low_count) / class.covered_s } else { 0.0 };
        let status = roadproof::replay::status_name(class.status);
        Some(ClassHealth {
            class_id,
            class_name: name.clone(),
            status: status_code(status),
            reason: if status == "ok" { String::new() } else { class.reason.to_string() },
            window_s,
            frames: u32::try_from(class.frames).unwrap_or(u32::MAX),
            detections: class.low_count,
            published: class.count,
            detections_needed: window.config().min_support,
            detection_rate: rate as f32,
            publish_score: model.thresholds.publish_score(class_id),
            score_mean: class.mean_score as f32,
            score_p10: class.quantiles.p10 as f32,
            score_p50: class.quantiles.p50 as f32,
            score_p90: class.quantiles.p90 as f32,
            score_histogram: class.histogram20,
            expected_detection_rate: unknown,
            expected_precision: unknown,
            above_threshold_share: unknown,
            score_psi: unknown,
            score_wasserstein: unknown,
            change_statistic: unknown,
            track_match_rate: unknown,
            estimated_ap: unknown,
            estimated_ap_low: unknown,
            estimated_ap_high: unknown,
            probe_retention: unknown,
            probe_corruption: String::new(),
        })
    });
    CameraHealth {
        stamp_ns: record.stamp_ns,
        frame_id: camera.frame_id.clone(),
        camera: record.camera.to_owned(),
        model_name: model.info.name.clone(),
        model_sha256: model.info.sha256.clone(),
        status: status_code(record.status),
        reason: if record.status == "ok" { String::new() } else { record.reason.clone() },
        window_s,
        frames_received: camera.received,
        frames_processed: camera.processed,
        frames_rejected: camera.rejected,
        input_rate: unknown,
        processing_rate: record.frame_rate_hz.map_or(unknown, |rate| rate as f32),
        last_frame_age_s: unknown,
        low_score: model.thresholds.low_score,
        injection: record.is_injected,
        corruption: if record.is_injected { camera.corruptions.clone() } else { String::new() },
        image_noise: unknown,
        image_sharpness: unknown,
        image_brightness: unknown,
        image_contrast: unknown,
        image_dark_share: unknown,
        image_bright_share: unknown,
        image_blockiness: unknown,
        prediction_consistency: unknown,
        prediction_reliability: unknown,
        estimated_severity: unknown,
        estimated_map: unknown,
        estimated_map_low: unknown,
        estimated_map_high: unknown,
        classes: classes.collect(),
        ..CameraHealth::default()
    }
}
