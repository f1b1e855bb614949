//! Images as they are opened: files that are read when they are needed, frames that are kept compressed.

mod labelled;
mod stream;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use roadproof::data::dataset::Dataset;
use roadproof::data::{is_image_file, source};
use roadproof::detector::BoundingBox;
use roadproof::image::{CompressedDecoder, PixelView};
use sha2::{Digest as _, Sha256};

use crate::hash::hexadecimal;

use super::error::DataError;
use super::options::{DataOptions, SourceOptions};

/// An object in an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Object {
    /// Its class, as the model numbers them.
    pub class_id: u32,
    /// Its box, in pixels of the image.
    pub bbox: BoundingBox,
}

/// The compressed picture of an [`Entry`].
#[derive(Debug)]
enum Content {
    /// In a file.
    File(PathBuf),
    /// A frame of a stream, with the `format` of `sensor_msgs/CompressedImage`, empty where there is none.
    Memory { format: String, data: Vec<u8> },
}

/// An image, and what is labelled in it.
#[derive(Debug)]
struct Entry {
    name: String,
    content: Content,
    /// `None`: nobody has labelled it.
    objects: Option<Vec<Object>>,
}

/// All images, in the order of the sources.
#[derive(Debug)]
pub(super) struct Store {
    entries: Vec<Entry>,
    sha256: String,
    warnings: Vec<String>,
    /// What could not be read when all was hashed.
    unreadable: Vec<(usize, String)>,
}

impl Store {
    /// Opens every source; `classes` are the model's.
    pub(super) fn open(options: &DataOptions, classes: &[String]) -> Result<Self, DataError> {
        let (mut entries, mut warnings) = (Vec::new(), Vec::new());
        let mut memory = stream::Memory::new(options.memory_mib);
        for source in &options.sources {
            let path = &source.path;
            let before = entries.len();
            if Dataset::is_at(path) {
                entries.extend(labelled::open(source, classes, &mut warnings)?);
            } else if is_image_file(path) && path.is_file() || path.is_dir() && !source::is_bag(path) {
                entries.extend(files(source)?);
            } else {
                entries.extend(stream::open(source, &mut memory, &mut warnings)?);
            }
            if entries.len() == before {
                let hint = "; a folder's images end in .jpg, .jpeg or .png";
                return Err(DataError::Empty { path: path.clone(), hint });
            }
        }
        let mut hash = Sha256::new();
        let mut unreadable = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let bytes = entry.bytes().unwrap_or_else(|error| {
                unreadable.push((index, format!("{}: cannot be read: {error}", entry.name)));
                Cow::Borrowed(&[])
            });
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
        }
        let sha256 = hexadecimal(&hash.finalize());
        Ok(Self { entries, sha256, warnings, unreadable })
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// SHA-256 over the compressed images' lengths (8 bytes, little endian) and bytes, in order; hexadecimal.
    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn unreadable(&self) -> &[(usize, String)] {
        &self.unreadable
    }

    /// What names an image in messages: its file, or its frame.
    pub(super) fn name(&self, index: usize) -> &str {
        self.entries.get(index).map_or("", |entry| &entry.name)
    }

    /// What is labelled in an image.
    pub(super) fn objects(&self, index: usize) -> Option<&[Object]> {
        self.entries.get(index)?.objects.as_deref()
    }

    /// Decodes an image.
    ///
    /// # Errors
    /// [`DataError::Image`] where it cannot be, [`DataError::NoImage`] where there is none of this number.
    pub(super) fn decode<'a>(
        &self,
        index: usize,
        decoder: &'a mut CompressedDecoder,
    ) -> Result<PixelView<'a>, DataError> {
        let entry = self.entries.get(index).ok_or(DataError::NoImage { found: index, images: self.len() })?;
        let wrong = |problem: String| DataError::Image { name: entry.name.clone(), problem };
        let format = match &entry.content {
            Content::File(_) => "",
            Content::Memory { format, .. } => format,
        };
        let bytes = entry.bytes().map_err(|error| wrong(format!("cannot be read: {error}")))?;
        decoder.decode(format, &bytes).map_err(|error| wrong(error.to_string()))
    }
}

impl Entry {
    fn of_file(path: &Path, objects: Option<Vec<Object>>) -> Self {
        Self { name: path.display().to_string(), content: Content::File(path.to_owned()), objects }
    }

    fn bytes(&self) -> std::io::Result<Cow<'_, [u8]>> {
        match &self.content {
            Content::File(path) => std::fs::read(path).map(Cow::Owned),
            Content::Memory { data, .. } => Ok(Cow::Borrowed(data)),
        }
    }
}

/// The images of a folder in the order of their names, or a single one.
fn files(source: &SourceOptions) -> Result<Vec<Entry>, DataError> {
    let folder = &source.path;
    if folder.is_file() {
        return Ok(vec![Entry::of_file(folder, None)]);
    }
    let wrong = |error| DataError::Read { path: folder.clone(), source: error };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if is_image_file(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(source.pick(paths).iter().map(|path| Entry::of_file(path, None)).collect())
}

#[cfg(test)]
mod tests;
