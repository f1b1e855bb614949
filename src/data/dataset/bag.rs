//! Bags as labelled images: the frames of one camera, labels from a topic or from a COCO file.
//!
//! Frames are written as lossless PNG files named by their stamp (ns), since a study runs over its images many times.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::kitti::class_index;
use super::{Dataset, DatasetError, Label, LabelledImage, Layout};
use crate::data::bag::cdr::{DETECTIONS_TYPE, Detection2DArray};
use crate::data::bag::{BagReader, TopicFilter};
use crate::data::source::{self, SourceOptions};
use crate::image::{ChannelOrder, CompressedDecoder, Converter, DecodeLimits, PixelView};
use crate::pipeline::FramePixels;

/// Where the labels of a bag come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BagLabels {
    /// A topic of `vision_msgs/Detection2DArray` in the bag, with the stamps of the images.
    Topic(String),
    /// A COCO file whose images are named by their stamps in nanoseconds, such as `1704067200000000000.png`.
    Coco(PathBuf),
}

impl Dataset {
    /// Reads a camera of a bag; its frames go into `folder`.
    ///
    /// # Errors
    /// The bag has several cameras and `topic` names none, a frame cannot be decoded, or no label has the stamp of a frame.
    pub fn open_bag(
        path: &Path,
        topic: Option<&str>,
        labels: &BagLabels,
        folder: &Path,
    ) -> Result<Self, DatasetError> {
        let wrong = |problem: String| DatasetError::Bag { path: path.to_owned(), problem };
        let options = SourceOptions { topics: topic.map(str::to_owned).into_iter().collect(), rate_hz: None };
        let source = source::open(path, &options).map_err(|error| wrong(error.to_string()))?;
        if source.cameras().len() > 1 {
            return Err(wrong(format!(
                "has several cameras, choose one with --topic: {}",
                source.cameras().join(", ")
            )));
        }
        std::fs::create_dir_all(folder)
            .map_err(|source| DatasetError::Read { path: folder.to_owned(), source })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let frames = extract(source, folder, &wrong)?;
        match labels {
            BagLabels::Coco(file) => {
                let mut dataset = Self::open(file, Some(folder))?;
                dataset.name = name;
                Ok(dataset)
            }
            BagLabels::Topic(topic) => from_topic(path, topic, name, frames),
        }
    }
}

/// How much of a box lies in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Inside,
    /// A part.
    Partly,
    /// Nothing: it cannot be found.
    Outside,
}

impl Extent {
    /// Of a box (`x_min`, `y_min`, `x_max`, `y_max`) in an image of a width and height, pixels.
    #[must_use]
    pub fn of([x_min, y_min, x_max, y_max]: [f64; 4], [width, height]: [u32; 2]) -> Self {
        let (width, height) = (f64::from(width), f64::from(height));
        if x_max <= 0.0 || y_max <= 0.0 || x_min >= width || y_min >= height {
            Self::Outside
        } else if x_min < 0.0 || y_min < 0.0 || x_max > width || y_max > height {
            Self::Partly
        } else {
            Self::Inside
        }
    }
}

/// A frame of a bag.
struct Extracted {
    stamp_ns: i64,
    file: PathBuf,
    /// Width and height, pixels.
    size: [u32; 2],
}

/// Writes every frame; gives them in the order of the bag.
fn extract(
    mut source: Box<dyn source::FrameSource>,
    folder: &Path,
    wrong: &impl Fn(String) -> DatasetError,
) -> Result<Vec<Extracted>, DatasetError> {
    let (mut raw, mut compressed) = (Converter::new(), CompressedDecoder::new(DecodeLimits::default()));
    let mut frames: Vec<Extracted> = Vec::new();
    for frame in &mut source {
        let frame = frame.map_err(|error| wrong(error.to_string()))?;
        let at = |error: crate::image::ImageError| wrong(format!("{}: {error}", frame.name));
        let pixels = match frame.as_frame().map_err(at)?.pixels {
            FramePixels::Raw(view) => raw.convert(&view).map_err(at)?,
            FramePixels::Compressed { format, data } => compressed.decode(format, data).map_err(at)?,
            FramePixels::Pixels(pixels) => pixels,
        };
        let file = folder.join(format!("{}.png", frame.stamp_ns));
        if frames.iter().any(|known| known.stamp_ns == frame.stamp_ns) {
            return Err(wrong(format!("{}: two frames have the stamp {} ns", frame.name, frame.stamp_ns)));
        }
        write_png(&pixels, &file)?;
        frames.push(Extracted { stamp_ns: frame.stamp_ns, file, size: [pixels.width(), pixels.height()] });
    }
    match source.loss() {
        Some(loss) => Err(wrong(format!("is damaged, figures on a part of it would mislead: {loss}"))),
        None => Ok(frames),
    }
}

fn write_png(pixels: &PixelView<'_>, file: &Path) -> Result<(), DatasetError> {
    let mut rgb = Vec::with_capacity(pixels.width() as usize * pixels.height() as usize * 3);
    for row in pixels.rows() {
        let channels = pixels.order().channels();
        match pixels.order() {
            ChannelOrder::Rgb | ChannelOrder::Rgba => {
                rgb.extend(row.chunks_exact(channels).flat_map(|p| [p[0], p[1], p[2]]));
            }
            ChannelOrder::Bgr | ChannelOrder::Bgra => {
                rgb.extend(row.chunks_exact(channels).flat_map(|p| [p[2], p[1], p[0]]));
            }
            ChannelOrder::Mono => rgb.extend(row.iter().flat_map(|value| [*value; 3])),
        }
    }
    let read = |source| DatasetError::Read { path: file.to_owned(), source };
    let partial = file.with_extension("part");
    let out = std::io::BufWriter::new(std::fs::File::create(&partial).map_err(read)?);
    let mut encoder = png::Encoder::new(out, pixels.width(), pixels.height());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(&rgb)?;
        writer.finish()
    });
    written.map_err(|error| read(std::io::Error::other(error)))?;
    std::fs::rename(&partial, file).map_err(read)
}

fn from_topic(
    path: &Path,
    topic: &str,
    name: String,
    frames: Vec<Extracted>,
) -> Result<Dataset, DatasetError> {
    let wrong = |problem: String| DatasetError::Bag { path: path.to_owned(), problem };
    let bag = BagReader::open(path).map_err(|error| wrong(error.to_string()))?;
    bag.topic(topic, DETECTIONS_TYPE).map_err(|error| wrong(error.to_string()))?;
    let mut dataset =
        Dataset { name, layout: Layout::Bag, classes: Vec::new(), images: Vec::new(), warnings: Vec::new() };
    let mut by_stamp: HashMap<i64, Vec<Label>> = HashMap::new();
    for message in bag.messages(TopicFilter::only([topic])) {
        let message = message.map_err(|error| wrong(error.to_string()))?;
        let array =
            Detection2DArray::decode(&message.data).map_err(|error| wrong(format!("{topic}: {error}")))?;
        let labels = by_stamp.entry(array.stamp_ns).or_default();
        for detection in &array.detections {
            let Some(best) = detection.best() else { continue };
            if let Some(bbox) = detection.corners() {
                labels.push(Label::new(Some(class_index(&mut dataset.classes, &best.class_id)), bbox));
            } else {
                dataset
                    .warnings
                    .push(format!("{topic} at {} ns: a box without area is left out", array.stamp_ns));
            }
        }
    }
    let labelled = by_stamp.len();
    for Extracted { stamp_ns, file, size } in frames {
        // A frame that nobody labelled says nothing; one with an empty message says that nothing is there.
        if let Some(mut labels) = by_stamp.remove(&stamp_ns) {
            let all = labels.len();
            labels.retain(|label| Extent::of(label.bbox, size) != Extent::Outside);
            if labels.len() < all {
                let outside = all - labels.len();
                dataset.warnings.push(format!(
                    "{topic} at {stamp_ns} ns: boxes outside the image of {} × {} are left out: {outside}",
                    size[0], size[1]
                ));
            }
            dataset.images.push(LabelledImage { path: file, id: stamp_ns.to_string(), labels });
        }
    }
    if dataset.images.is_empty() {
        return Err(wrong(format!("none of the {labelled} messages on {topic} has the stamp of an image")));
    }
    if !by_stamp.is_empty() {
        dataset.warnings.push(format!(
            "{} messages on {topic} have the stamp of no image and are left out",
            by_stamp.len()
        ));
    }
    Ok(dataset)
}
