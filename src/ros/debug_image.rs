//! Pictures for people: drawn only while somebody looks, and not more often than wanted.

use std::time::{Duration, Instant};

use r2r::Publisher;
use r2r::builtin_interfaces::msg::Time;
use r2r::sensor_msgs::msg::Image;
use r2r::std_msgs::msg::Header;

use crate::detector::Thresholds;
use crate::image::PixelView;
use crate::pipeline::{Annotator, Processed};

/// One topic of annotated pictures.
pub(crate) struct DebugImage {
    publisher: Publisher<Image>,
    next: Option<Instant>,
    annotator: Annotator,
}

impl DebugImage {
    pub(crate) fn new(publisher: Publisher<Image>) -> Self {
        Self { publisher, next: None, annotator: Annotator::default() }
    }

    /// Whether a picture is to be drawn now: somebody subscribes, and the last one is long enough ago.
    pub(crate) fn is_due(&mut self, period: Option<Duration>) -> bool {
        let Some(period) = period else { return false };
        let now = Instant::now();
        if self.next.is_some_and(|due| now < due) {
            return false;
        }
        let wanted = self.publisher.get_inter_process_subscription_count().unwrap_or(0) > 0;
        if wanted {
            self.next = now.checked_add(period);
        }
        wanted
    }

    /// Draws what would be published of `processed`.
    pub(crate) fn draw(
        &mut self,
        pixels: &PixelView<'_>,
        processed: &Processed,
        thresholds: &Thresholds,
        class_names: &[String],
    ) -> Result<Image, String> {
        let published = processed.detections.iter().filter(|d| thresholds.publishes(d));
        let annotated = self.annotator.annotate(pixels, published, class_names);
        let annotated = annotated.map_err(|error| error.to_string())?;
        Ok(Image {
            height: annotated.height,
            width: annotated.width,
            encoding: "bgr8".into(),
            is_bigendian: 0,
            step: annotated.width * 3,
            data: annotated.bgr.to_vec(),
            ..Image::default()
        })
    }

    /// Publishes a drawn picture under the frame's header. The detections are out by then; a picture that fails is no
    /// reason to call the frame lost.
    pub(crate) fn send(&self, image: Result<Image, String>, stamp: &Time, frame_id: &str) {
        let header = Header { stamp: stamp.clone(), frame_id: frame_id.to_owned() };
        let sent = image.and_then(|image| {
            let image = Image { header, ..image };
            self.publisher.publish(&image).map_err(|error| error.to_string())
        });
        sent.unwrap_or_else(|error| tracing::warn!("no debug image: {error}"));
    }
}
