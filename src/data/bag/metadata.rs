//! `metadata.yaml`: what rosbag2 says about the files of a bag.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::BagError;

/// A `metadata.yaml` above this size is not one.
const MAX_BYTES: u64 = 64 << 20;

#[derive(Debug, Deserialize, Serialize)]
struct Document {
    rosbag2_bagfile_information: Metadata,
}

/// What is read of it; versions 1 to 9 share these names.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct Metadata {
    pub(super) version: u32,
    pub(super) storage_identifier: String,
    #[serde(default)]
    pub(super) duration: Duration,
    #[serde(default)]
    pub(super) starting_time: StartingTime,
    #[serde(default)]
    pub(super) message_count: u64,
    #[serde(default)]
    pub(super) topics_with_message_count: Vec<TopicEntry>,
    #[serde(default)]
    pub(super) compression_format: String,
    #[serde(default)]
    pub(super) compression_mode: String,
    pub(super) relative_file_paths: Vec<String>,
    #[serde(default)]
    pub(super) files: Vec<FileEntry>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
pub(super) struct Duration {
    pub(super) nanoseconds: i64,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, Serialize)]
pub(super) struct StartingTime {
    pub(super) nanoseconds_since_epoch: i64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct TopicEntry {
    pub(super) topic_metadata: TopicMetadata,
    pub(super) message_count: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct TopicMetadata {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    #[serde(default)]
    pub(super) serialization_format: String,
    /// A text up to version 8, a list since.
    #[serde(default)]
    pub(super) offered_qos_profiles: serde_norway::Value,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
pub(super) struct FileEntry {
    pub(super) path: String,
    pub(super) starting_time: StartingTime,
    pub(super) duration: Duration,
    pub(super) message_count: u64,
}

impl TopicMetadata {
    pub(super) fn qos(&self) -> String {
        match &self.offered_qos_profiles {
            serde_norway::Value::Null => String::new(),
            serde_norway::Value::String(text) => text.clone(),
            list => serde_norway::to_string(list).unwrap_or_default(),
        }
    }
}

impl Metadata {
    pub(super) fn load(path: &Path) -> Result<Self, BagError> {
        let length = std::fs::metadata(path).map_err(BagError::io(path))?.len();
        let wrong = |reason: String| BagError::Metadata { path: path.to_owned(), reason };
        if length > MAX_BYTES {
            return Err(wrong(format!("expected at most {MAX_BYTES} bytes, found {length}")));
        }
        let text = std::fs::read_to_string(path).map_err(BagError::io(path))?;
        let document: Document = serde_norway::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let metadata = document.rosbag2_bagfile_information;
        if !matches!(metadata.storage_identifier.as_str(), "mcap" | "sqlite3") {
            return Err(BagError::Storage { path: path.to_owned(), found: metadata.storage_identifier });
        }
        if !metadata.compression_mode.is_empty()
            && !metadata.compression_mode.eq_ignore_ascii_case("none")
            && metadata.compression_format != "zstd"
        {
            let found = format!("{:?}", metadata.compression_format);
            return Err(BagError::Compression { path: path.to_owned(), found, expected: "\"zstd\"" });
        }
        if metadata.relative_file_paths.is_empty() {
            return Err(wrong("relative_file_paths names no file".to_owned()));
        }
        Ok(metadata)
    }

    /// Whether each message is compressed by itself.
    pub(super) fn compresses_messages(&self) -> bool {
        self.compression_mode.eq_ignore_ascii_case("message")
    }

    /// The files in order. Old versions name them from the folder that the bag's own folder lies in; whether a
    /// file is compressed may have changed after it was named.
    pub(super) fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, BagError> {
        let find = |relative: &String| {
            let path = folder.join(relative);
            let by_name = Path::new(relative).file_name().map(|name| folder.join(name));
            let mut candidates: Vec<PathBuf> = [Some(path.clone()), by_name].into_iter().flatten().collect();
            for other in candidates.clone() {
                let text = other.to_string_lossy();
                candidates.push(
                    text.strip_suffix(".zstd").map_or_else(|| format!("{text}.zstd").into(), PathBuf::from),
                );
            }
            let missing = || BagError::MissingFile { path, metadata: folder.join("metadata.yaml") };
            candidates.into_iter().find(|path| path.is_file()).ok_or_else(missing)
        };
        self.relative_file_paths.iter().map(find).collect()
    }

    pub(super) fn save(&self, path: &Path) -> Result<(), BagError> {
        let document = Document { rosbag2_bagfile_information: self.clone() };
        let text = serde_norway::to_string(&document)
            .map_err(|error| BagError::Metadata { path: path.to_owned(), reason: error.to_string() })?;
        std::fs::write(path, text).map_err(BagError::io(path))
    }
}
