use std::path::{Path, PathBuf};

use opencv::core::{Mat, MatTraitConst, MatTraitConstManual};
use opencv::videoio::{self, VideoCapture, VideoCaptureTrait, VideoCaptureTraitConst};

use super::{DEFAULT_RATE_HZ, FrameSource, SourceError, SourceFrame, SourcePixels, stamp_ns};
use crate::image::ChannelOrder;

/// The frames of a video file. Stamps count from 0 at the file's rate, or at the one that was asked for.
pub(super) struct Video {
    path: PathBuf,
    camera: [String; 1],
    capture: VideoCapture,
    frame: Mat,
    rate_hz: f64,
    /// As the file says; containers may be wrong about it.
    count: Option<u64>,
    next: u64,
}

impl Video {
    pub(super) fn open(path: &Path, rate_hz: Option<f64>) -> Result<Self, SourceError> {
        let unusable =
            |problem: &str| SourceError::Unusable { path: path.to_owned(), problem: problem.to_owned() };
        let wrong = |source| SourceError::Video { path: path.to_owned(), source };
        let name = path.to_str().ok_or_else(|| unusable("its name is not UTF-8"))?;
        let capture = VideoCapture::from_file(name, videoio::CAP_ANY).map_err(wrong)?;
        if !capture.is_opened().map_err(wrong)? {
            return Err(unusable(
                "is neither an image (.jpg, .png), a folder of images, a bag nor a video that can be read",
            ));
        }
        let own_hz = capture.get(videoio::CAP_PROP_FPS).map_err(wrong)?;
        let own_hz = if own_hz > 0.0 && own_hz.is_finite() { own_hz } else { DEFAULT_RATE_HZ };
        let count = capture.get(videoio::CAP_PROP_FRAME_COUNT).map_err(wrong)?;
        Ok(Self {
            path: path.to_owned(),
            camera: ["camera".to_owned()],
            capture,
            frame: Mat::default(),
            rate_hz: rate_hz.unwrap_or(own_hz),
            count: (count > 0.0).then_some(count as u64),
            next: 0,
        })
    }

    fn read(&mut self) -> opencv::Result<Option<SourceFrame>> {
        if !self.capture.read(&mut self.frame)? || self.frame.empty() {
            return Ok(None);
        }
        let (width, height) = (u32::try_from(self.frame.cols())?, u32::try_from(self.frame.rows())?);
        let data = if self.frame.is_continuous() {
            self.frame.data_bytes()?.to_vec()
        } else {
            self.frame.try_clone()?.data_bytes()?.to_vec()
        };
        let index = self.next;
        self.next += 1;
        Ok(Some(SourceFrame {
            camera: 0,
            index,
            stamp_ns: stamp_ns(index, self.rate_hz),
            log_time_ns: stamp_ns(index, self.rate_hz),
            frame_id: String::new(),
            name: format!("frame {index}"),
            pixels: SourcePixels::Pixels { order: ChannelOrder::Bgr, width, height, data },
        }))
    }
}

impl Iterator for Video {
    type Item = Result<SourceFrame, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let path = &self.path;
        let path = path.clone();
        self.read().map_err(|source| SourceError::Video { path, source }).transpose()
    }
}

impl FrameSource for Video {
    fn cameras(&self) -> &[String] {
        &self.camera
    }

    fn frame_count(&self) -> Option<u64> {
        self.count
    }

    fn loss(&self) -> Option<String> {
        let count = self.count.filter(|count| self.next < *count)?;
        Some(format!("{}: only {} of {count} frames could be read", self.path.display(), self.next))
    }
}
