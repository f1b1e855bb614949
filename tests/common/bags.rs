//! Small bags, whole and damaged.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

use mcap::records::MessageHeader;
use mcap::{Compression, WriteOptions};
use proptest::sample::Index;
use roadproof::data::bag::{BagError, BagMessage, BagReader, Loss, TopicFilter};

pub(crate) const TOPIC: &str = "/camera/image_raw";
pub(crate) const TYPE: &str = "sensor_msgs/msg/Image";

/// A message that was written.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) time_ns: i64,
    pub(crate) data: Vec<u8>,
}

/// Messages in the order of time; the data of each is its number, again and again.
pub(crate) fn messages(count: u8) -> Vec<Made> {
    let made =
        |n| Made { time_ns: 1_000_000_000 + i64::from(n) * 1000, data: vec![n; 150 + 5 * usize::from(n)] };
    (0..count).map(made).collect()
}

/// An MCAP file.
pub(crate) fn mcap(made: &[Made], options: impl FnOnce(WriteOptions) -> WriteOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    let base = WriteOptions::new().compression_threads(0).profile("ros2");
    let mut writer = options(base).create(Cursor::new(&mut bytes)).unwrap();
    let schema = writer.add_schema(TYPE, "ros2msg", b"uint8 data\n").unwrap();
    let channel = writer.add_channel(schema, TOPIC, "cdr", &BTreeMap::new()).unwrap();
    for message in made {
        let time = message.time_ns as u64;
        let header = MessageHeader { channel_id: channel, sequence: 0, log_time: time, publish_time: time };
        writer.write_to_known_channel(&header, &message.data).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    bytes
}

pub(crate) fn write_mcap(path: &Path, made: &[Made], options: impl FnOnce(WriteOptions) -> WriteOptions) {
    std::fs::write(path, mcap(made, options)).unwrap();
}

/// A database as rosbag2 lays it out.
pub(crate) fn sqlite(path: &Path, made: &[Made]) {
    _ = std::fs::remove_file(path);
    let mut connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, \
               serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL); \
             CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, timestamp INTEGER NOT NULL, \
               data BLOB NOT NULL); \
             CREATE TABLE message_definitions(id INTEGER PRIMARY KEY, topic_type TEXT, encoding TEXT, \
               encoded_message_definition TEXT, type_description_hash TEXT); \
             CREATE INDEX timestamp_idx ON messages (timestamp ASC);",
        )
        .unwrap();
    let transaction = connection.transaction().unwrap();
    transaction.execute("INSERT INTO topics VALUES (7, ?1, ?2, 'cdr', '- depth: 5')", [TOPIC, TYPE]).unwrap();
    transaction
        .execute("INSERT INTO message_definitions VALUES (1, ?1, 'ros2msg', 'uint8 data', '')", [TYPE])
        .unwrap();
    for message in made {
        transaction
            .execute(
                "INSERT INTO messages (topic_id, timestamp, data) VALUES (7, ?1, ?2)",
                (message.time_ns, &message.data),
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

pub(crate) fn try_read(path: &Path) -> Result<(Vec<BagMessage>, Loss), BagError> {
    let bag = BagReader::open(path)?;
    let mut messages = bag.messages(TopicFilter::All);
    let mut seen = Vec::new();
    for message in &mut messages {
        seen.push(message?);
    }
    Ok((seen, messages.loss().clone()))
}

pub(crate) fn read(path: &Path) -> (Vec<BagMessage>, Loss) {
    try_read(path).unwrap()
}

/// How many kinds of bag `corrupted` makes.
pub(crate) const LAYOUTS: usize = 6;

/// Valid bags: chunked MCAP in each compression, without chunks, without checksums, a database.
fn layouts() -> &'static [Vec<u8>; LAYOUTS] {
    static MADE: OnceLock<[Vec<u8>; LAYOUTS]> = OnceLock::new();
    MADE.get_or_init(|| {
        let made = messages(8);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bag.db3");
        sqlite(&path, &made);
        let chunked = |compression| mcap(&made, |o| o.compression(compression).chunk_size(Some(600)));
        [
            chunked(None),
            chunked(Some(Compression::Zstd)),
            chunked(Some(Compression::Lz4)),
            mcap(&made, |options| options.use_chunks(false)),
            mcap(&made, |options| {
                let options = options.compression(None).chunk_size(Some(600));
                options.calculate_chunk_crcs(false).calculate_summary_section_crc(false)
            }),
            std::fs::read(&path).unwrap(),
        ]
    })
}

/// A bag with bytes changed, its end cut off, or a part of it repeated.
pub(crate) fn corrupted(
    layout: usize,
    edits: &[(Index, u8)],
    cut: Option<Index>,
    doubled: Option<(Index, Index)>,
) -> Vec<u8> {
    let mut bytes = layouts()[layout].clone();
    for (at, value) in edits {
        let at = at.index(bytes.len());
        bytes[at] = *value;
    }
    if let Some((from, to)) = doubled {
        let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
        let part = bytes[from.min(to)..from.max(to)].to_vec();
        let end = from.max(to);
        bytes.splice(end..end, part);
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
    bytes
}
