//! Writing of bags: MCAP, as rosbag2 reads it.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use mcap::records::MessageHeader;
use mcap::{Compression, WriteOptions};

use super::definitions::find_definition;
use super::metadata::{Duration, FileEntry, Metadata, StartingTime, TopicEntry, TopicMetadata};
use super::{BagError, Topic};

/// Messages are collected up to this size and compressed together.
const CHUNK_BYTES: u64 = 4 << 20;

/// Reliable, volatile, the last 10 messages: what most publishers offer.
const DEFAULT_QOS: &str = "- history: 1
  depth: 10
  reliability: 1
  durability: 2
  deadline:
    sec: 9223372036
    nsec: 854775807
  lifespan:
    sec: 9223372036
    nsec: 854775807
  liveliness: 1
  liveliness_lease_duration:
    sec: 9223372036
    nsec: 854775807
  avoid_ros_namespace_conventions: false
";

/// A topic of a [`BagWriter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicId(usize);

struct Written {
    channel_id: u16,
    name: String,
    type_name: String,
    serialization_format: String,
    qos: String,
    sequence: u32,
    message_count: u64,
}

/// Writes a bag. Until [`Self::finish`] it has a name that ends in `.partial`; a writer that is dropped before, or
/// cannot finish, removes it, unless [`Self::keep_partial`] says otherwise.
pub struct BagWriter {
    /// None once finished.
    mcap: Option<mcap::Writer<BufWriter<File>>>,
    target: PathBuf,
    partial: PathBuf,
    /// Name of the file in the folder, where a folder is written.
    in_folder: Option<String>,
    topics: Vec<Written>,
    by_name: HashMap<String, usize>,
    range_ns: Option<(i64, i64)>,
    warnings: Vec<String>,
    keeps_partial: bool,
}

impl BagWriter {
    /// Begins a bag. A `path` that ends in `.mcap` becomes that file, any other a folder with `metadata.yaml`
    /// as rosbag2 lays it out. The folders above it are made.
    ///
    /// # Errors
    ///
    /// [`BagError::Exists`] where there is something already, [`BagError::Io`] where nothing can be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, BagError> {
        // Without a slash at the end, which would put the unfinished bag inside.
        let target: PathBuf = path.as_ref().components().collect();
        if target.symlink_metadata().is_ok() {
            return Err(BagError::Exists { path: target });
        }
        let mut partial = target.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        if partial.symlink_metadata().is_ok() {
            return Err(BagError::Exists { path: partial });
        }
        if let Some(parent) = target.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(BagError::io(parent))?;
        }
        let in_folder = if target.extension().is_some_and(|extension| extension == "mcap") {
            None
        } else {
            let name = target.file_name().map_or("bag".into(), |name| name.to_string_lossy().into_owned());
            std::fs::create_dir(&partial).map_err(BagError::io(&partial))?;
            Some(format!("{name}_0.mcap"))
        };
        let path = in_folder.as_ref().map_or_else(|| partial.clone(), |name| partial.join(name));
        let file = File::create_new(&path).map_err(BagError::io(&path))?;
        let options = WriteOptions::new()
            .compression(Some(Compression::Zstd))
            .compression_threads(0)
            .chunk_size(Some(CHUNK_BYTES))
            .profile("ros2")
            .library(concat!("roadproof ", env!("CARGO_PKG_VERSION")));
        let mcap = options.create(BufWriter::new(file)).map_err(BagError::mcap(&path))?;
        Ok(Self {
            mcap: Some(mcap),
            target,
            partial,
            in_folder,
            topics: Vec::new(),
            by_name: HashMap::new(),
            range_ns: None,
            warnings: Vec::new(),
            keeps_partial: false,
        })
    }

    /// Keeps what was written where the bag cannot be finished: what cannot be made again, such as a recording of live
    /// topics, is worth more unfinished than not at all. [`BagReader`](super::BagReader) reads it up to the break.
    #[must_use]
    pub fn keep_partial(mut self) -> Self {
        self.keeps_partial = true;
        self
    }

    /// Where the bag is as long as it is not finished.
    #[must_use]
    pub fn partial(&self) -> &Path {
        &self.partial
    }

    /// Declares a topic of CDR messages of a known type, offered reliably.
    ///
    /// # Errors
    ///
    /// As [`Self::add_topic_raw`].
    pub fn add_topic(&mut self, name: &str, type_name: &str) -> Result<TopicId, BagError> {
        let metadata = BTreeMap::from([("offered_qos_profiles".to_owned(), DEFAULT_QOS.to_owned())]);
        let definition = self.definition(type_name);
        self.add_topic_raw(name, type_name, definition.0, definition.1.as_bytes(), &metadata)
    }

    /// Declares a topic as another bag has it: the same schema, or the type's definition where that bag has
    /// none, and the same quality of service.
    ///
    /// # Errors
    ///
    /// As [`Self::add_topic_raw`]; [`BagError::Serialization`] where its messages are not CDR.
    pub fn add_topic_like(&mut self, topic: &Topic) -> Result<TopicId, BagError> {
        if topic.serialization_format != "cdr" {
            let found = topic.serialization_format.clone();
            return Err(BagError::Serialization { topic: topic.name.to_string(), found });
        }
        let qos = topic.offered_qos_profiles.clone();
        let metadata = BTreeMap::from([("offered_qos_profiles".to_owned(), qos)]);
        match &topic.schema {
            Some(schema) if !schema.data.is_empty() => {
                self.add_topic_raw(&topic.name, &topic.type_name, &schema.encoding, &schema.data, &metadata)
            }
            _ => {
                let (encoding, text) = self.definition(&topic.type_name);
                self.add_topic_raw(&topic.name, &topic.type_name, encoding, text.as_bytes(), &metadata)
            }
        }
    }

    fn definition(&mut self, type_name: &str) -> (&'static str, String) {
        if let Some(definition) = find_definition(type_name) {
            return (definition.encoding, definition.text);
        }
        let warning = format!(
            "no definition of {type_name} found, its schema is left empty: source the ROS environment that has it"
        );
        tracing::warn!("{warning}");
        self.warnings.push(warning);
        ("ros2msg", String::new())
    }

    /// Declares a topic of CDR messages with a schema as it is. The same topic may be declared again.
    ///
    /// # Errors
    ///
    /// [`BagError::Redeclared`] with another type, [`BagError::Mcap`] where the file refuses.
    pub fn add_topic_raw(
        &mut self,
        name: &str,
        type_name: &str,
        schema_encoding: &str,
        schema_data: &[u8],
        metadata: &BTreeMap<String, String>,
    ) -> Result<TopicId, BagError> {
        if let Some(&known) = self.by_name.get(name) {
            let first = self.topics.get(known).map_or("", |topic| topic.type_name.as_str());
            if first != type_name {
                let (first, second) = (first.to_owned(), type_name.to_owned());
                return Err(BagError::Redeclared { topic: name.to_owned(), first, second });
            }
            return Ok(TopicId(known));
        }
        let path = &self.partial;
        let mcap = self.mcap.as_mut().ok_or_else(|| finished(path))?;
        let schema =
            mcap.add_schema(type_name, schema_encoding, schema_data).map_err(BagError::mcap(path))?;
        let channel_id = mcap.add_channel(schema, name, "cdr", metadata).map_err(BagError::mcap(path))?;
        let id = self.topics.len();
        self.topics.push(Written {
            channel_id,
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            serialization_format: "cdr".to_owned(),
            qos: metadata.get("offered_qos_profiles").cloned().unwrap_or_default(),
            sequence: 0,
            message_count: 0,
        });
        self.by_name.insert(name.to_owned(), id);
        Ok(TopicId(id))
    }

    /// Writes a message, CDR with its header. Times before 1970 become that year.
    ///
    /// # Errors
    ///
    /// [`BagError::Mcap`] where the file refuses.
    pub fn write(
        &mut self,
        topic: TopicId,
        log_time_ns: i64,
        publish_time_ns: i64,
        data: &[u8],
    ) -> Result<(), BagError> {
        let path = &self.partial;
        let mcap = self.mcap.as_mut().ok_or_else(|| finished(path))?;
        let Some(written) = self.topics.get_mut(topic.0) else {
            let source = mcap::McapError::UnknownChannel(0, u16::MAX);
            return Err(BagError::Mcap { path: path.clone(), source });
        };
        let log_time_ns = log_time_ns.max(0);
        let header = MessageHeader {
            channel_id: written.channel_id,
            sequence: written.sequence,
            log_time: log_time_ns as u64,
            publish_time: publish_time_ns.max(0) as u64,
        };
        mcap.write_to_known_channel(&header, data).map_err(BagError::mcap(path))?;
        written.sequence = written.sequence.wrapping_add(1);
        written.message_count += 1;
        let (start_ns, end_ns) = self.range_ns.unwrap_or((log_time_ns, log_time_ns));
        self.range_ns = Some((start_ns.min(log_time_ns), end_ns.max(log_time_ns)));
        Ok(())
    }

    /// What is odd about the bag, such as types without a definition.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Completes the bag and gives it its name.
    ///
    /// # Errors
    ///
    /// [`BagError::Io`] or [`BagError::Mcap`] where something cannot be written, [`BagError::Exists`] where
    /// another bag took the name meanwhile.
    pub fn finish(mut self) -> Result<(), BagError> {
        let path = self.partial.clone();
        let mut mcap = self.mcap.take().ok_or_else(|| finished(&path))?;
        let result = (|| {
            mcap.finish().map_err(BagError::mcap(&path))?;
            let buffered = mcap.into_inner();
            let file = buffered.into_inner().map_err(|error| BagError::io(&path)(error.into_error()))?;
            file.sync_all().map_err(BagError::io(&path))?;
            if let Some(name) = &self.in_folder {
                self.metadata(name).save(&path.join("metadata.yaml"))?;
            }
            if self.target.symlink_metadata().is_ok() {
                return Err(BagError::Exists { path: self.target.clone() });
            }
            std::fs::rename(&path, &self.target).map_err(BagError::io(&self.target))
        })();
        if result.is_err() {
            self.remove();
        }
        result
    }

    fn metadata(&self, file: &str) -> Metadata {
        let (start_ns, end_ns) = self.range_ns.unwrap_or((0, 0));
        let duration = Duration { nanoseconds: end_ns - start_ns };
        let starting_time = StartingTime { nanoseconds_since_epoch: start_ns };
        let message_count = self.topics.iter().map(|topic| topic.message_count).sum();
        let entry = |topic: &Written| TopicEntry {
            topic_metadata: TopicMetadata {
                name: topic.name.clone(),
                type_name: topic.type_name.clone(),
                serialization_format: topic.serialization_format.clone(),
                offered_qos_profiles: topic.qos.clone().into(),
            },
            message_count: topic.message_count,
        };
        Metadata {
            version: 5,
            storage_identifier: "mcap".to_owned(),
            duration,
            starting_time,
            message_count,
            topics_with_message_count: self.topics.iter().map(entry).collect(),
            compression_format: String::new(),
            compression_mode: String::new(),
            relative_file_paths: vec![file.to_owned()],
            files: vec![FileEntry { path: file.to_owned(), starting_time, duration, message_count }],
        }
    }

    fn remove(&self) {
        if self.keeps_partial {
            return;
        }
        if self.in_folder.is_some() {
            // The folder is ours: it was made by `create`.
            _ = std::fs::remove_dir_all(&self.partial);
        } else {
            _ = std::fs::remove_file(&self.partial);
        }
    }
}

fn finished(path: &Path) -> BagError {
    BagError::Mcap { path: path.to_owned(), source: mcap::McapError::AttemptedWriteAfterFailure }
}

impl Drop for BagWriter {
    fn drop(&mut self) {
        if let Some(mcap) = self.mcap.take() {
            drop(mcap);
            self.remove();
        }
    }
}
