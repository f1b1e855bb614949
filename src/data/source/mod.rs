//! Where frames come from: image folders, videos, bags.

mod bag;
mod folder;
mod video;

use std::path::{Path, PathBuf};

pub use bag::{image_topics, is_bag};

use crate::data::is_image_file;
use crate::image::{ChannelOrder, Encoding, ImageError, ImageView, PixelView};
use crate::pipeline::{Frame, FramePixels};

/// A frame that owns its picture, in the form in which the source has it.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceFrame {
    /// Index into [`FrameSource::cameras`].
    pub camera: usize,
    /// Index among the frames of its camera, counted from 0.
    pub index: u64,
    /// Capture time, ns; a source without stamps counts from 0 at its rate.
    pub stamp_ns: i64,
    /// When it was recorded, ns; the stamp where the source does not say.
    pub log_time_ns: i64,
    /// Coordinate frame of the camera; empty where the source has none.
    pub frame_id: String,
    /// What names it in its source: a file, a frame number, a message.
    pub name: String,
    /// The picture.
    pub pixels: SourcePixels,
}

/// The picture of a [`SourceFrame`].
#[derive(Debug, Clone, PartialEq)]
pub enum SourcePixels {
    /// Uncompressed, as in `sensor_msgs/Image`.
    Raw {
        /// Layout of the pixels.
        encoding: Encoding,
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
        /// Bytes from one row to the next.
        step: usize,
        /// Rows.
        data: Vec<u8>,
    },
    /// A JPEG or PNG file.
    Compressed {
        /// The `format` of `sensor_msgs/CompressedImage`; empty where the source has none.
        format: String,
        /// The file.
        data: Vec<u8>,
    },
    /// Interleaved 8-bit pixels without padding.
    Pixels {
        /// Order of the channels.
        order: ChannelOrder,
        /// Width, pixels.
        width: u32,
        /// Height, pixels.
        height: u32,
        /// Rows.
        data: Vec<u8>,
    },
}

impl SourceFrame {
    /// The frame as the pipeline takes it.
    ///
    /// # Errors
    /// The picture's bytes do not fit its size.
    pub fn as_frame(&self) -> Result<Frame<'_>, ImageError> {
        let pixels = match &self.pixels {
            SourcePixels::Raw { encoding, width, height, step, data } => {
                FramePixels::Raw(ImageView::new(*encoding, *width, *height, *step, data)?)
            }
            SourcePixels::Compressed { format, data } => FramePixels::Compressed { format, data },
            SourcePixels::Pixels { order, width, height, data } => {
                let step = *width as usize * order.channels();
                FramePixels::Pixels(PixelView::new(*order, *width, *height, step, data)?)
            }
        };
        Ok(Frame { camera: self.camera, stamp_ns: self.stamp_ns, frame_id: &self.frame_id, pixels })
    }
}

/// Frames in the order in which they were taken.
///
/// An item that is an error stands for one frame that cannot be used; the next call goes on behind it. What ends a source early is
/// told by [`FrameSource::loss`].
pub trait FrameSource: Iterator<Item = Result<SourceFrame, SourceError>> + Send {
    /// Names of the cameras.
    fn cameras(&self) -> &[String];

    /// How many frames there will be, where that is known.
    fn frame_count(&self) -> Option<u64>;

    /// What was lost at the end of a damaged source; asked when there are no more frames.
    fn loss(&self) -> Option<String> {
        None
    }
}

/// What is wrong with a source or one of its frames.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is nothing that is known.
    #[error("{path}: {problem}", path = path.display())]
    Unusable {
        /// Which file or folder.
        path: PathBuf,
        /// What was expected, and what was found.
        problem: String,
    },
    /// A bag cannot be read.
    #[error(transparent)]
    Bag {
        /// Why.
        #[from]
        source: crate::data::bag::BagError,
    },
    /// A video cannot be decoded.
    #[error("{path}: {source}", path = path.display())]
    Video {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: opencv::Error,
    },
}

/// How a source is opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceOptions {
    /// Topics of a bag that are cameras; all image topics where empty.
    pub topics: Vec<String>,
    /// Frames per second of a source without stamps.
    pub rate_hz: Option<f64>,
}

/// Rate of a source that has none of its own, frames per second.
const DEFAULT_RATE_HZ: f64 = 30.0;

/// Opens a bag, an image folder, an image or a video.
///
/// # Errors
/// It cannot be read, or is none of these.
pub fn open(path: &Path, options: &SourceOptions) -> Result<Box<dyn FrameSource>, SourceError> {
    let rate_hz = options.rate_hz.unwrap_or(DEFAULT_RATE_HZ);
    if !path.exists() {
        return Err(SourceError::Unusable { path: path.to_owned(), problem: "does not exist".into() });
    }
    if bag::is_bag(path) {
        return Ok(Box::new(bag::BagSource::open(path, options)?));
    }
    if path.is_dir() || is_image_file(path) {
        return Ok(Box::new(folder::ImageFolder::open(path, rate_hz)?));
    }
    Ok(Box::new(video::Video::open(path, options.rate_hz)?))
}

/// The stamp of frame `index` at a rate, ns.
fn stamp_ns(index: u64, rate_hz: f64) -> i64 {
    (index as f64 * 1e9 / rate_hz).round() as i64
}

#[cfg(test)]
mod tests;
