use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::{FrameSource, SourceError, SourceFrame, SourceOptions, SourcePixels};
use crate::data::bag::cdr::{COMPRESSED_IMAGE_TYPE, CompressedImage, IMAGE_TYPE, Image};
use crate::data::bag::{BagMessage, BagReader, Topic, TopicFilter};
use crate::image::Encoding;

/// Frames that are read ahead.
const READ_AHEAD: usize = 4;

/// Whether a path is a bag: a folder or file by name, or a file by content.
#[must_use]
pub fn is_bag(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let ends =
        |name: &str| [".mcap", ".db3", ".mcap.zstd", ".db3.zstd"].iter().any(|suffix| name.ends_with(suffix));
    if !path.is_dir() {
        return ends(&name);
    }
    let files = std::fs::read_dir(path).into_iter().flatten().flatten();
    path.join("metadata.yaml").exists()
        || files.into_iter().any(|file| ends(&file.file_name().to_string_lossy().to_lowercase()))
}

/// The topics of a bag that are cameras.
///
/// # Errors
/// A topic that is asked for is not in the bag or holds no images, or there is none at all.
pub fn image_topics(bag: &BagReader, wanted: &[String]) -> Result<Vec<String>, SourceError> {
    let unusable = |problem: String| SourceError::Unusable { path: bag.path().to_owned(), problem };
    let is_image = |topic: &Topic| [IMAGE_TYPE, COMPRESSED_IMAGE_TYPE].contains(&topic.type_name.as_ref());
    let all: Vec<&Topic> = bag.topics().iter().filter(|topic| is_image(topic)).collect();
    let names = || all.iter().map(|topic| topic.name.to_string()).collect::<Vec<_>>();
    if all.is_empty() {
        let found: Vec<String> =
            bag.topics().iter().map(|topic| format!("{} ({})", topic.name, topic.type_name)).collect();
        return Err(unusable(format!(
            "has no topic of {IMAGE_TYPE} or {COMPRESSED_IMAGE_TYPE}; it has {}",
            if found.is_empty() { "none at all".to_owned() } else { found.join(", ") }
        )));
    }
    for name in wanted {
        if !all.iter().any(|topic| topic.name.as_ref() == name) {
            return Err(unusable(format!("has no image topic {name}; it has {}", names().join(", "))));
        }
    }
    Ok(if wanted.is_empty() { names() } else { wanted.to_vec() })
}

/// The images of a bag, read by a thread of their own.
pub(super) struct BagSource {
    cameras: Vec<String>,
    count: Option<u64>,
    frames: Receiver<Result<SourceFrame, SourceError>>,
    loss: Arc<Mutex<Option<String>>>,
}

impl BagSource {
    pub(super) fn open(path: &Path, options: &SourceOptions) -> Result<Self, SourceError> {
        let wrong = |error: crate::data::bag::BagError| SourceError::Bag { source: error };
        let bag = BagReader::open(path).map_err(wrong)?;
        let cameras = image_topics(&bag, &options.topics)?;
        let counts =
            bag.topics().iter().filter(|topic| cameras.iter().any(|name| topic.name.as_ref() == name));
        let count = counts.map(|topic| topic.message_count).sum();
        let (to, frames) = sync_channel(READ_AHEAD);
        let loss = Arc::new(Mutex::new(None));
        let (names, end) = (cameras.clone(), Arc::clone(&loss));
        std::thread::spawn(move || read(&bag, &names, &to, &end));
        Ok(Self { cameras, count, frames, loss })
    }
}

fn read(
    bag: &BagReader,
    cameras: &[String],
    to: &SyncSender<Result<SourceFrame, SourceError>>,
    end: &Mutex<Option<String>>,
) {
    let mut counts: HashMap<usize, u64> = HashMap::new();
    let mut messages = bag.messages(TopicFilter::only(cameras.iter().cloned()));
    for message in &mut messages {
        let item = match message {
            Ok(message) => {
                let camera = cameras.iter().position(|name| *name == *message.topic).unwrap_or(0);
                let count = counts.entry(camera).or_default();
                let index = *count;
                *count += 1;
                frame(&message, camera, index, bag.path())
            }
            Err(error) => Err(SourceError::Bag { source: error }),
        };
        if to.send(item).is_err() {
            return;
        }
    }
    let loss = messages.loss();
    if !loss.is_empty() {
        *end.lock().unwrap_or_else(PoisonError::into_inner) = Some(loss.to_string());
    }
}

fn frame(message: &BagMessage, camera: usize, index: u64, path: &Path) -> Result<SourceFrame, SourceError> {
    let name = format!("{} message {index}", message.topic);
    let wrong = |problem: String| SourceError::Unusable {
        path: path.to_owned(),
        problem: format!("{name}: {problem}"),
    };
    let (stamp_ns, frame_id, pixels) = match message.type_name.as_ref() {
        IMAGE_TYPE => {
            let image = Image::decode(&message.data).map_err(|error| wrong(error.to_string()))?;
            let encoding = Encoding::from_ros(image.encoding, image.is_bigendian != 0)
                .map_err(|error| wrong(error.to_string()))?;
            let pixels = SourcePixels::Raw {
                encoding,
                width: image.width,
                height: image.height,
                step: image.step as usize,
                data: image.data.to_vec(),
            };
            (image.stamp_ns, image.frame_id.to_owned(), pixels)
        }
        COMPRESSED_IMAGE_TYPE => {
            let image = CompressedImage::decode(&message.data).map_err(|error| wrong(error.to_string()))?;
            let pixels =
                SourcePixels::Compressed { format: image.format.to_owned(), data: image.data.to_vec() };
            (image.stamp_ns, image.frame_id.to_owned(), pixels)
        }
        other => {
            return Err(wrong(format!("expected {IMAGE_TYPE} or {COMPRESSED_IMAGE_TYPE}, found {other}")));
        }
    };
    let log_time_ns = message.log_time_ns;
    Ok(SourceFrame { camera, index, stamp_ns, log_time_ns, frame_id, name, pixels })
}

impl Iterator for BagSource {
    type Item = Result<SourceFrame, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.frames.recv().ok()
    }
}

impl FrameSource for BagSource {
    fn cameras(&self) -> &[String] {
        &self.cameras
    }

    fn frame_count(&self) -> Option<u64> {
        self.count
    }

    fn loss(&self) -> Option<String> {
        self.loss.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
