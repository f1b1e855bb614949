//! Frames of videos and bags.

use roadproof::data::source::{self, SourceFrame, SourcePixels};
use roadproof::image::{Converter, ImageView, PixelView};

use super::{Content, Entry};
use crate::data::error::DataError;
use crate::data::options::SourceOptions;
use crate::data::raster::Raster;

/// Quality of the frames that come uncompressed.
const JPEG_QUALITY: i32 = 95;

/// What frames may take in memory.
pub(super) struct Memory {
    limit_mib: u64,
    used: u64,
}

impl Memory {
    pub(super) fn new(limit_mib: u64) -> Self {
        Self { limit_mib, used: 0 }
    }

    fn take(&mut self, bytes: usize) -> bool {
        self.used += bytes as u64;
        self.used <= self.limit_mib << 20
    }
}

/// Reads the frames that are taken: as they came where they are compressed, as JPEG otherwise.
///
/// # Errors
/// The stream cannot be opened, more than one frame in ten that was to be taken cannot be used, or they need too much
/// memory.
pub(super) fn open(
    options: &SourceOptions,
    memory: &mut Memory,
    warnings: &mut Vec<String>,
) -> Result<Vec<Entry>, DataError> {
    let path = &options.path;
    let how = source::SourceOptions { topics: options.topics.clone(), rate_hz: None };
    let mut frames = source::open(path, &how)?;
    let mut maker = FrameMaker::default();
    let (mut entries, mut wrong) = (Vec::new(), Vec::new());
    for place in 0.. {
        if options.limit.is_some_and(|limit| entries.len() >= limit) {
            break;
        }
        let Some(frame) = frames.next() else { break };
        if !options.takes(place) {
            continue;
        }
        let entry = frame.map_err(|error| error.to_string()).and_then(|frame| {
            let name = format!("{}: {}", path.display(), frame.name);
            let content = maker.content(frame).map_err(|problem| format!("{name}: {problem}"))?;
            Ok(Entry { name, content, objects: None })
        });
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                wrong.push(problem);
                continue;
            }
        };
        if let Content::Memory { data, .. } = &entry.content
            && !memory.take(data.len())
        {
            let limit_mib = memory.limit_mib;
            return Err(DataError::Memory { path: path.clone(), frames: entries.len(), limit_mib });
        }
        entries.push(entry);
    }
    let images = entries.len() + wrong.len();
    if wrong.len() * 10 > images {
        let count = wrong.len();
        wrong.truncate(3);
        return Err(DataError::Unreadable { count, images, examples: wrong });
    }
    warnings.append(&mut wrong);
    warnings.extend(frames.loss());
    Ok(entries)
}

#[derive(Default)]
struct FrameMaker {
    converter: Converter,
    raster: Raster,
}

impl FrameMaker {
    fn content(&mut self, frame: SourceFrame) -> Result<Content, String> {
        match frame.pixels {
            SourcePixels::Compressed { format, data } => return Ok(Content::Memory { format, data }),
            SourcePixels::Raw { encoding, width, height, step, data } => {
                let view = ImageView::new(encoding, width, height, step, &data);
                let pixels =
                    view.and_then(|view| self.converter.convert(&view).map(|view| self.raster.assign(&view)));
                pixels.map_err(|error| error.to_string())?;
            }
            SourcePixels::Pixels { order, width, height, data } => {
                let view = PixelView::new(order, width, height, width as usize * order.channels(), &data);
                self.raster.assign(&view.map_err(|error| error.to_string())?);
            }
        }
        let data = self.raster.to_jpeg(JPEG_QUALITY).map_err(|error| error.to_string())?;
        Ok(Content::Memory { format: String::new(), data })
    }
}
