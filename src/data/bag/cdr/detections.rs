//! `vision_msgs/msg/Detection2DArray`.

use super::CdrError;
use super::reader::Reader;
use super::writer::Writer;

/// The type that [`Detection2DArray`] reads and writes.
pub const DETECTIONS_TYPE: &str = "vision_msgs/msg/Detection2DArray";

/// Numbers of a pose and its covariance: position, orientation, 6 × 6.
const POSE_NUMBERS: usize = 3 + 4 + 36;
/// The orientation's w, which is 1 where there is no rotation.
const POSE_W: usize = 6;
/// Fewest bytes of a hypothesis: text, score, pose.
const MIN_HYPOTHESIS: usize = 4 + 8 + 8 * POSE_NUMBERS;
/// Fewest bytes of a detection: stamp, frame, results, box, id.
const MIN_DETECTION: usize = 8 + 4 + 4 + 5 * 8 + 4;

/// Objects found in one image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detection2DArray {
    /// Stamp of the image, nanoseconds since 1970.
    pub stamp_ns: i64,
    /// Coordinate frame of the image.
    pub frame_id: String,
    /// What was found.
    pub detections: Vec<Detection2D>,
}

/// One object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Detection2D {
    /// Stamp of the image, nanoseconds since 1970.
    pub stamp_ns: i64,
    /// Coordinate frame of the image.
    pub frame_id: String,
    /// What it may be.
    pub results: Vec<Hypothesis>,
    /// Column of the box's centre, pixels.
    pub center_x_px: f64,
    /// Row of the box's centre, pixels.
    pub center_y_px: f64,
    /// Rotation of the box, radians.
    pub theta_rad: f64,
    /// Extent along the box's own x axis, pixels.
    pub size_x_px: f64,
    /// Extent along the box's own y axis, pixels.
    pub size_y_px: f64,
    /// Identifies the object over time, where objects are tracked.
    pub id: String,
}

/// What an object may be. Its pose is not kept; written is none (zeros, no rotation).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hypothesis {
    /// Identifier of the class.
    pub class_id: String,
    /// Confidence, usually in [0, 1].
    pub score: f64,
}

impl Detection2D {
    /// The hypothesis with the greatest score; NaN counts least.
    #[must_use]
    pub fn best(&self) -> Option<&Hypothesis> {
        let rank = |h: &Hypothesis| if h.score.is_nan() { f64::NEG_INFINITY } else { h.score };
        self.results.iter().max_by(|a, b| rank(a).total_cmp(&rank(b)))
    }

    /// `x_min`, `y_min`, `x_max`, `y_max` of the box, its rotation aside; `None` where it is not finite or has no area.
    #[must_use]
    pub fn corners(&self) -> Option<[f64; 4]> {
        let (half_width, half_height) = (self.size_x_px / 2.0, self.size_y_px / 2.0);
        let (x, y) = (self.center_x_px, self.center_y_px);
        let corners = [x - half_width, y - half_height, x + half_width, y + half_height];
        let [x_min, y_min, x_max, y_max] = corners;
        (corners.iter().all(|value| value.is_finite()) && x_max > x_min && y_max > y_min).then_some(corners)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CdrError> {
        let stamp_ns = reader.time()?;
        let frame_id = reader.str("detections.header.frame_id")?.to_owned();
        let count = reader.count("results", MIN_HYPOTHESIS)?;
        let mut results = Vec::with_capacity(count);
        for _ in 0..count {
            let class_id = reader.str("class_id")?.to_owned();
            let score = reader.f64("score")?;
            for _ in 0..POSE_NUMBERS {
                reader.f64("pose")?;
            }
            results.push(Hypothesis { class_id, score });
        }
        Ok(Self {
            stamp_ns,
            frame_id,
            results,
            center_x_px: reader.f64("bbox.center.position.x")?,
            center_y_px: reader.f64("bbox.center.position.y")?,
            theta_rad: reader.f64("bbox.center.theta")?,
            size_x_px: reader.f64("bbox.size_x")?,
            size_y_px: reader.f64("bbox.size_y")?,
            id: reader.str("id")?.to_owned(),
        })
    }

    fn write(&self, writer: &mut Writer) -> Result<(), CdrError> {
        writer.time(self.stamp_ns);
        writer.str("detections.header.frame_id", &self.frame_id)?;
        writer.count("results", self.results.len())?;
        for result in &self.results {
            writer.str("class_id", &result.class_id)?;
            writer.f64(result.score);
            for number in 0..POSE_NUMBERS {
                writer.f64(if number == POSE_W { 1.0 } else { 0.0 });
            }
        }
        for number in [self.center_x_px, self.center_y_px, self.theta_rad, self.size_x_px, self.size_y_px] {
            writer.f64(number);
        }
        writer.str("id", &self.id)
    }
}

impl Detection2DArray {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// [`CdrError`] where the bytes are not one.
    pub fn decode(message: &[u8]) -> Result<Self, CdrError> {
        let mut reader = Reader::new(DETECTIONS_TYPE, message)?;
        let stamp_ns = reader.time()?;
        let frame_id = reader.str("frame_id")?.to_owned();
        let count = reader.count("detections", MIN_DETECTION)?;
        // Detections in memory are larger than the fewest bytes that they take in a message.
        let mut detections = Vec::with_capacity(count.min(256));
        for _ in 0..count {
            detections.push(Detection2D::read(&mut reader)?);
        }
        Ok(Self { stamp_ns, frame_id, detections })
    }

    /// The message's bytes.
    ///
    /// # Errors
    ///
    /// [`CdrError::Unwritable`] for a text with a zero byte inside.
    pub fn encode(&self) -> Result<Vec<u8>, CdrError> {
        let mut writer =
            Writer::with_capacity(64 + self.detections.len() * (MIN_DETECTION + MIN_HYPOTHESIS + 64));
        writer.time(self.stamp_ns);
        writer.str("frame_id", &self.frame_id)?;
        writer.count("detections", self.detections.len())?;
        for detection in &self.detections {
            detection.write(&mut writer)?;
        }
        Ok(writer.finish())
    }
}
