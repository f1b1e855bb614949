//! Reading of bags.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::compressed::{ZSTD_MAGIC, decompress_file, decompress_message};
use super::mcap_file::McapFile;
use super::mcap_merge::{McapCursor, RawMessage};
use super::mcap_records::MAGIC;
use super::metadata::Metadata;
use super::sqlite::{SqliteCursor, SqliteFile};
use super::{BagError, Loss, Topic, TopicFilter};

const SQLITE_MAGIC: &[u8] = b"SQLite format 3\0";

/// A message of a bag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagMessage {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its type, as `package/msg/Type`.
    pub type_name: Arc<str>,
    /// When it was recorded, nanoseconds since 1970.
    pub log_time_ns: i64,
    /// When it was published; the same where the bag doesn't say.
    pub publish_time_ns: i64,
    /// The message itself, CDR with its header.
    pub data: Vec<u8>,
}

enum Storage {
    Mcap(McapFile),
    Sqlite(SqliteFile),
}

struct BagFile {
    storage: Storage,
    /// Keeps a decompressed file as long as it is read.
    _decompressed: Option<NamedTempFile>,
}

impl BagFile {
    fn topics(&self) -> &[Topic] {
        match &self.storage {
            Storage::Mcap(file) => &file.topics,
            Storage::Sqlite(file) => &file.topics,
        }
    }

    fn name(&self) -> &str {
        match &self.storage {
            Storage::Mcap(file) => &file.name,
            Storage::Sqlite(file) => &file.name,
        }
    }
}

/// An opened bag.
///
/// Files of a split bag are read one after the other, in the order of `metadata.yaml` (by name without one).
/// Within a file, messages come in the order of their log time, equal times in the order of the file.
pub struct BagReader {
    path: PathBuf,
    files: Vec<BagFile>,
    topics: Vec<Topic>,
    loss: Loss,
    warnings: Vec<String>,
    compressed_messages: bool,
}

impl BagReader {
    /// Opens a folder of rosbag2, or one `.mcap` or `.db3` file, also zstd-compressed. What a file is goes by its
    /// content, not by its name.
    ///
    /// An MCAP file without a usable summary (an interrupted recording, a damaged file) is read once from end to
    /// end here, to know what is in it. A file that is compressed as a whole is decompressed into a temporary
    /// file first.
    ///
    /// # Errors
    ///
    /// [`BagError`] where nothing can be read: no bag, files that are missing, a storage or compression that
    /// Roadproof doesn't know. Damage further inside is no error, see [`Self::loss`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BagError> {
        let path = path.as_ref();
        let (paths, metadata) = if path.is_dir() { files_of(path)? } else { (vec![path.to_owned()], None) };
        let mut bag = Self {
            path: path.to_owned(),
            files: Vec::new(),
            topics: Vec::new(),
            loss: Loss::default(),
            warnings: Vec::new(),
            compressed_messages: metadata.as_ref().is_some_and(Metadata::compresses_messages),
        };
        for path in paths {
            let file = bag.open_file(&path)?;
            bag.files.push(file);
        }
        bag.merge_topics(metadata.as_ref());
        Ok(bag)
    }

    fn open_file(&mut self, path: &Path) -> Result<BagFile, BagError> {
        let name = path.display().to_string();
        let mut magic = magic(path)?;
        let decompressed = if magic.starts_with(&ZSTD_MAGIC) {
            let file = decompress_file(path, &mut self.loss)?;
            magic = self::magic(file.path())?;
            Some(file)
        } else {
            None
        };
        let content = decompressed.as_ref().map_or(path, NamedTempFile::path);
        let storage = if magic.starts_with(MAGIC) {
            let mut file = McapFile::open(content, name)?;
            self.loss.merge(file.loss().clone());
            self.warnings.append(&mut file.index.warnings);
            Storage::Mcap(file)
        } else if magic.starts_with(SQLITE_MAGIC) {
            let file = SqliteFile::open(content, name)?;
            self.loss.merge(file.loss.clone());
            Storage::Sqlite(file)
        } else {
            let found = if magic.is_empty() { "an empty file".to_owned() } else { format!("{magic:02x?}") };
            return Err(BagError::NotABag { path: path.to_owned(), found });
        };
        Ok(BagFile { storage, _decompressed: decompressed })
    }

    /// Topics by name, counts from `metadata.yaml` where it has them: it knows what damaged files have lost.
    fn merge_topics(&mut self, metadata: Option<&Metadata>) {
        let mut positions: HashMap<Arc<str>, usize> = HashMap::new();
        for topic in self.files.iter().flat_map(BagFile::topics) {
            if let Some(known) =
                positions.get(&topic.name).and_then(|&position| self.topics.get_mut(position))
            {
                known.message_count =
                    known.message_count.zip(topic.message_count).map(|(a, b)| a.saturating_add(b));
                if known.schema.is_none() {
                    known.schema.clone_from(&topic.schema);
                }
            } else {
                positions.insert(Arc::clone(&topic.name), self.topics.len());
                self.topics.push(topic.clone());
            }
        }
        for entry in metadata.into_iter().flat_map(|metadata| &metadata.topics_with_message_count) {
            let listed = &entry.topic_metadata;
            match positions.get(listed.name.as_str()).and_then(|&position| self.topics.get_mut(position)) {
                // An interrupted recording's metadata may say less than its files.
                Some(known) => known.message_count = known.message_count.max(Some(entry.message_count)),
                None => self.topics.push(Topic {
                    name: listed.name.as_str().into(),
                    type_name: listed.type_name.as_str().into(),
                    serialization_format: listed.serialization_format.clone(),
                    message_count: Some(entry.message_count),
                    offered_qos_profiles: listed.qos(),
                    schema: None,
                }),
            }
        }
    }

    /// What was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The topics, each once, in the order of the files.
    #[must_use]
    pub fn topics(&self) -> &[Topic] {
        &self.topics
    }

    /// The topic of this name, which has to be of type `type_name` and serialised as CDR.
    ///
    /// # Errors
    ///
    /// [`BagError::UnknownTopic`], [`BagError::WrongType`] or [`BagError::Serialization`].
    pub fn topic(&self, name: &str, type_name: &str) -> Result<&Topic, BagError> {
        let topic = self.topics.iter().find(|topic| &*topic.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.topics.iter().map(|topic| &*topic.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            BagError::UnknownTopic { topic: name.to_owned(), known }
        })?;
        let topic_name = name.to_owned();
        if &*topic.type_name != type_name {
            let (found, expected) = (topic.type_name.to_string(), type_name.to_owned());
            return Err(BagError::WrongType { topic: topic_name, found, expected });
        }
        if topic.serialization_format != "cdr" {
            let found = topic.serialization_format.clone();
            return Err(BagError::Serialization { topic: topic_name, found });
        }
        Ok(topic)
    }

    /// First and last log time, nanoseconds since 1970; none without messages.
    #[must_use]
    pub fn time_range_ns(&self) -> Option<(i64, i64)> {
        let ranges = self.files.iter().filter_map(|file| match &file.storage {
            Storage::Mcap(file) => file.time_range_ns(),
            Storage::Sqlite(file) => file.time_range_ns,
        });
        ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// What opening the bag has shown to be lost. Reading may find more: see [`Messages::loss`].
    #[must_use]
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// What is odd about the bag without anything being lost.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The messages of the topics that `filter` accepts. Held in memory are one message, and of an MCAP file the
    /// chunks that overlap in time (at most 256 MiB of messages, beyond which they come out of order).
    #[must_use]
    pub fn messages(&self, filter: TopicFilter) -> Messages<'_> {
        Messages {
            bag: self,
            filter,
            file: 0,
            cursor: None,
            loss: self.loss.clone(),
            delivered: 0,
            last_ns: i64::MIN,
            out_of_order: 0,
            ended: false,
        }
    }
}

fn magic(path: &Path) -> Result<Vec<u8>, BagError> {
    let mut magic = Vec::new();
    let file = std::fs::File::open(path).map_err(BagError::io(path))?;
    file.take(SQLITE_MAGIC.len() as u64).read_to_end(&mut magic).map_err(BagError::io(path))?;
    Ok(magic)
}

fn files_of(folder: &Path) -> Result<(Vec<PathBuf>, Option<Metadata>), BagError> {
    let path = folder.join("metadata.yaml");
    if path.is_file() {
        let metadata = Metadata::load(&path)?;
        return Ok((metadata.files(folder)?, Some(metadata)));
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(BagError::io(folder))? {
        let path = entry.map_err(BagError::io(folder))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = name.strip_suffix(".zstd").unwrap_or(&name);
        if path.is_file() && [".mcap", ".db3"].iter().any(|suffix| name.ends_with(suffix)) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(BagError::EmptyFolder { path: folder.to_owned() });
    }
    // rosbag2 numbers them: name_2 comes before name_10.
    files.sort_by_key(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let stem = name.split('.').next().unwrap_or_default();
        let number = stem.rsplit('_').next().and_then(|number| number.parse::<u64>().ok());
        (number, name)
    });
    Ok((files, None))
}

enum Cursor {
    Mcap(McapCursor),
    Sqlite(SqliteCursor),
}

/// The messages of a bag, one after the other.
///
/// Damage ends no iteration by an error: what can be read is delivered, and [`Self::loss`] says what could not.
/// An `Err` is a device that fails, and the last item.
pub struct Messages<'a> {
    bag: &'a BagReader,
    filter: TopicFilter,
    file: usize,
    cursor: Option<Cursor>,
    loss: Loss,
    delivered: u64,
    last_ns: i64,
    out_of_order: u64,
    ended: bool,
}

impl Messages<'_> {
    /// What could not be read so far; complete once the iteration has ended.
    #[must_use]
    pub fn loss(&self) -> &Loss {
        &self.loss
    }

    /// Messages so far whose log time lies before that of the message before them: files of a split bag that
    /// overlap, or more overlap inside a file than is held in memory.
    #[must_use]
    pub fn out_of_order(&self) -> u64 {
        self.out_of_order
    }

    fn read(&mut self) -> Result<Option<BagMessage>, BagError> {
        loop {
            let Some(file) = self.bag.files.get(self.file) else { return Ok(None) };
            let cursor = self.cursor.get_or_insert_with(|| match &file.storage {
                Storage::Mcap(file) => Cursor::Mcap(McapCursor::new(file, &self.filter)),
                Storage::Sqlite(_) => Cursor::Sqlite(SqliteCursor::new()),
            });
            let message = match (cursor, &file.storage) {
                (Cursor::Mcap(cursor), Storage::Mcap(file)) => {
                    cursor.next(file, &self.filter, &mut self.loss)?
                }
                (Cursor::Sqlite(cursor), Storage::Sqlite(file)) => {
                    cursor.next(file, &self.filter, &mut self.loss)
                }
                _ => None,
            };
            match message {
                None => {
                    self.file += 1;
                    self.cursor = None;
                }
                Some(message) => {
                    if let Some(message) = self.finish(file, message) {
                        return Ok(Some(message));
                    }
                }
            }
        }
    }

    fn finish(&mut self, file: &BagFile, message: RawMessage) -> Option<BagMessage> {
        let topic = file.topics().get(message.topic)?;
        let (name, type_name) = (Arc::clone(&topic.name), Arc::clone(&topic.type_name));
        // CDR never begins like zstd: a file that lost its metadata is recognised by its messages.
        let zstd = message.data.starts_with(&ZSTD_MAGIC) && topic.serialization_format == "cdr";
        let data = if zstd || self.bag.compressed_messages {
            match decompress_message(&message.data) {
                Ok(data) => data,
                Err(reason) => {
                    let (bytes, time_ns) = (message.data.len() as u64, message.log_time_ns);
                    let file = file.name();
                    self.loss.add(bytes, format!("{file}: message of {name} at {time_ns} ns: {reason}"));
                    return None;
                }
            }
        } else {
            message.data
        };
        self.delivered += 1;
        if message.log_time_ns < self.last_ns {
            if self.out_of_order == 0 {
                tracing::warn!("{}: messages out of the order of time from {name} on", file.name());
            }
            self.out_of_order += 1;
        }
        self.last_ns = message.log_time_ns;
        let (log_time_ns, publish_time_ns) = (message.log_time_ns, message.publish_time_ns);
        Some(BagMessage { topic: name, type_name, log_time_ns, publish_time_ns, data })
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<BagMessage, BagError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let message = self.read().transpose();
        if !matches!(message, Some(Ok(_))) {
            self.ended = true;
            let wanted = self.bag.topics.iter().filter(|topic| self.filter.accepts(&topic.name));
            let expected = wanted
                .map(|topic| topic.message_count)
                .try_fold(0_u64, |sum, count| count.map(|count| sum.saturating_add(count)));
            self.loss.compare(expected, self.delivered);
        }
        message
    }
}
