//! Frames of a dataset or recording, one after the other, for several workers.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::data::source::{self, FrameSource, SourceError, SourceFrame, SourceOptions, SourcePixels};
use crate::detector::model_file::hexadecimal;
use crate::evaluation::study::cache::add_file;
use crate::evaluation::study::{StudyError, StudyImages};

/// What is observed.
#[derive(Debug, Clone)]
pub enum Subject {
    /// Labelled images, which do not follow on one another.
    Dataset(StudyImages),
    /// A recording of one camera, in its order.
    Recording {
        /// Bag, video, or folder of images.
        path: PathBuf,
        /// How it is opened.
        options: SourceOptions,
    },
}

impl Subject {
    /// Name of the dataset, or file name of the recording.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Dataset(images) => images.name.clone(),
            Self::Recording { path, .. } => {
                path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
        }
    }

    /// Where errors are said to be.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Dataset(images) => PathBuf::from(&images.name),
            Self::Recording { path, .. } => path.clone(),
        }
    }

    /// Hash of all files, and of how they are read.
    pub(super) fn hash(&self) -> Result<String, StudyError> {
        let mut hash = Sha256::new();
        match self {
            Self::Dataset(images) => {
                hash.update(b"dataset");
                for path in &images.paths {
                    add_file(path, &mut hash)?;
                }
            }
            Self::Recording { path, options } => {
                hash.update(format!("recording {options:?}"));
                let mut files = Vec::new();
                list(path, &mut files).map_err(|source| SourceError::Read { path: path.clone(), source })?;
                files.sort();
                for file in files {
                    add_file(&file, &mut hash)?;
                }
            }
        }
        Ok(hexadecimal(&hash.finalize()))
    }

    /// Its frames from the beginning.
    pub(super) fn open(&self) -> Result<Feed<'_>, StudyError> {
        match self {
            Self::Dataset(images) => Ok(Feed { next: 0, frames: Frames::Files(&images.paths) }),
            Self::Recording { path, options } => {
                let source = source::open(path, options)?;
                let cameras = source.cameras();
                if cameras.len() != 1 {
                    let (found, cameras) = (cameras.len(), cameras.join(", "));
                    return Err(StudyError::SeveralCameras { path: path.clone(), found, cameras });
                }
                Ok(Feed { next: 0, frames: Frames::Source(source) })
            }
        }
    }

    /// How many frames there are; a recording that does not say is read through.
    pub(super) fn count(&self) -> Result<usize, StudyError> {
        let mut feed = self.open()?;
        Ok(match &mut feed.frames {
            Frames::Files(paths) => paths.len(),
            Frames::Source(source) => match source.frame_count() {
                Some(count) => usize::try_from(count).unwrap_or(usize::MAX),
                None => source.count(),
            },
        })
    }
}

fn list(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        list(&entry?.path(), files)?;
    }
    Ok(())
}

/// Frames with their numbers.
pub(super) struct Feed<'a> {
    next: usize,
    frames: Frames<'a>,
}

enum Frames<'a> {
    Files(&'a [PathBuf]),
    Source(Box<dyn FrameSource>),
}

impl Feed<'_> {
    /// Whether a frame that cannot be used is left out; in a dataset it is an error.
    pub(super) fn tolerates(&self) -> bool {
        matches!(self.frames, Frames::Source(_))
    }
}

impl Iterator for Feed<'_> {
    type Item = (usize, Result<SourceFrame, SourceError>);

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.next;
        let frame = match &mut self.frames {
            Frames::Files(paths) => read(index, paths.get(index)?),
            Frames::Source(source) => source.next()?,
        };
        self.next += 1;
        Some((index, frame))
    }
}

/// An image of a dataset; images have no time.
fn read(index: usize, path: &Path) -> Result<SourceFrame, SourceError> {
    let wrong = |source| SourceError::Read { path: path.to_owned(), source };
    Ok(SourceFrame {
        camera: 0,
        index: index as u64,
        stamp_ns: 0,
        log_time_ns: 0,
        frame_id: String::new(),
        name: path.to_string_lossy().into_owned(),
        pixels: SourcePixels::Compressed { format: String::new(), data: std::fs::read(path).map_err(wrong)? },
    })
}
