//! A new bag: what the recording holds, with detections and health.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use roadproof::data::bag::cdr::{
    CAMERA_HEALTH_TYPE, DETECTIONS_TYPE, Detection2D, Detection2DArray, Hypothesis,
};
use roadproof::data::bag::{BagMessage, BagReader, BagWriter, Messages, TopicFilter, TopicId};
use roadproof::detector::{ModelInfo, Thresholds};
use roadproof::health::Profile;
use roadproof::replay::{FrameRecord, HealthRecord, MessageContext, camera_health};

/// What is the same in all health messages.
pub(super) struct Model<'a> {
    pub(super) info: &'a ModelInfo,
    pub(super) thresholds: &'a Thresholds,
    pub(super) profile: Option<&'a Profile>,
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

    fn write_health(&mut self, record: &HealthRecord<'_>) -> anyhow::Result<()> {
        let Some(camera) = self.cameras.get(record.camera) else { return Ok(()) };
        let context = MessageContext {
            info: self.model.info,
            thresholds: self.model.thresholds,
            profile: self.model.profile,
            frame_id: &camera.frame_id,
            frames: [camera.received, camera.processed, camera.rejected],
        };
        let message = camera_health(record, &context);
        let (id, log_time_ns) = (camera.health, camera.log_time_ns);
        self.writer.write(id, log_time_ns, log_time_ns, &message.encode()?)?;
        Ok(())
    }

    pub(super) fn frame(&mut self, record: &FrameRecord<'_>) -> io::Result<()> {
        self.write_frame(record).map_err(io::Error::other)
    }

    pub(super) fn health(&mut self, record: &HealthRecord<'_>) -> io::Result<()> {
        self.write_health(record).map_err(io::Error::other)
    }

    /// Copies the rest, and completes the bag.
    pub(super) fn finish(mut self) -> anyhow::Result<Vec<String>> {
        self.copy_until(i64::MAX)?;
        let warnings = self.writer.warnings().to_vec();
        self.writer.finish()?;
        Ok(warnings)
    }
}
