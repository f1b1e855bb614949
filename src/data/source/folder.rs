use std::path::{Path, PathBuf};

use crate::data::is_image_file;

use super::{FrameSource, SourceError, SourceFrame, SourcePixels, stamp_ns};

/// The images of a folder by their names, or a single one.
pub(super) struct ImageFolder {
    camera: [String; 1],
    files: Vec<PathBuf>,
    next: usize,
    rate_hz: f64,
}

impl ImageFolder {
    pub(super) fn open(path: &Path, rate_hz: f64) -> Result<Self, SourceError> {
        let wrong = |source| SourceError::Read { path: path.to_owned(), source };
        let mut files = Vec::new();
        if path.is_dir() {
            for entry in std::fs::read_dir(path).map_err(wrong)? {
                let file = entry.map_err(wrong)?.path();
                if is_image_file(&file) {
                    files.push(file);
                }
            }
            files.sort();
        } else {
            files.push(path.to_owned());
        }
        if files.is_empty() {
            let problem = "holds no image: expected files that end in .jpg, .jpeg or .png".into();
            return Err(SourceError::Unusable { path: path.to_owned(), problem });
        }
        Ok(Self { camera: ["camera".to_owned()], files, next: 0, rate_hz })
    }
}

impl Iterator for ImageFolder {
    type Item = Result<SourceFrame, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next as u64;
        let file = self.files.get(self.next)?;
        self.next += 1;
        let frame = std::fs::read(file).map(|data| SourceFrame {
            camera: 0,
            index,
            stamp_ns: stamp_ns(index, self.rate_hz),
            log_time_ns: stamp_ns(index, self.rate_hz),
            frame_id: String::new(),
            name: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            pixels: SourcePixels::Compressed { format: String::new(), data },
        });
        Some(frame.map_err(|source| SourceError::Read { path: file.clone(), source }))
    }
}

impl FrameSource for ImageFolder {
    fn cameras(&self) -> &[String] {
        &self.camera
    }

    fn frame_count(&self) -> Option<u64> {
        Some(self.files.len() as u64)
    }
}
