//! An `SQLite` database of rosbag2 as a part of a bag.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};

use super::compressed::MAX_MESSAGE_BYTES;
use super::mcap_merge::RawMessage;
use super::{BagError, Loss, Schema, Topic, TopicFilter};

/// Rows listed at once, without their data.
const PAGE_ROWS: i64 = 1024;

pub(super) struct SqliteFile {
    connection: Connection,
    pub(super) name: String,
    pub(super) topics: Vec<Topic>,
    by_id: HashMap<i64, usize>,
    pub(super) time_range_ns: Option<(i64, i64)>,
    pub(super) loss: Loss,
}

impl SqliteFile {
    pub(super) fn open(path: &Path, name: String) -> Result<Self, BagError> {
        let mut loss = Loss::default();
        let connection = connect(path, &name, &mut loss)?;
        let error = |what| BagError::sqlite(path, what);
        let tables = names(&connection, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            .map_err(error("its tables cannot be listed"))?;
        if !["topics", "messages"].iter().all(|wanted| tables.iter().any(|table| table == wanted)) {
            let found = if tables.is_empty() { "none".to_owned() } else { tables.join(", ") };
            return Err(BagError::Tables { path: path.to_owned(), found });
        }
        let definitions = if tables.iter().any(|table| table == "message_definitions") {
            definitions(&connection).unwrap_or_else(|error| {
                loss.add(0, format!("{name}: its message definitions cannot be read: {error}"));
                HashMap::new()
            })
        } else {
            HashMap::new()
        };
        let columns = names(&connection, "SELECT name FROM pragma_table_info('topics')")
            .map_err(error("the columns of its topics cannot be listed"))?;
        let qos = columns.iter().any(|column| column == "offered_qos_profiles");
        let rows = topics(&connection, qos).map_err(error("its topics cannot be read"))?;
        let counts = counts(&connection);
        let mut file = Self {
            time_range_ns: time_range(&connection),
            connection,
            name,
            topics: Vec::new(),
            by_id: HashMap::new(),
            loss,
        };
        for (id, mut topic) in rows {
            topic.schema = definitions.get(&*topic.type_name).cloned();
            topic.message_count = counts.as_ref().ok().map(|counts| counts.get(&id).copied().unwrap_or(0));
            file.by_id.insert(id, file.topics.len());
            file.topics.push(topic);
        }
        Ok(file)
    }
}

fn connect(path: &Path, name: &str, loss: &mut Loss) -> Result<Connection, BagError> {
    let error = |what| BagError::sqlite(path, what);
    let mut flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let pending = Path::new(&log).exists();
    let connection = if pending {
        Connection::open_with_flags(path, flags)
    } else {
        // Nothing is pending: opened so that it also works where nothing can be written.
        flags |= OpenFlags::SQLITE_OPEN_URI;
        let absolute = std::path::absolute(path).map_err(BagError::io(path))?;
        let escaped = absolute.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
    };
    let connection = connection.map_err(error("cannot be opened"))?;
    connection
        .set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_MESSAGE_BYTES as i32)
        .map_err(error("cannot be opened"))?;
    // What the database's schema brings along is not run, and damage is found before it is followed.
    for (pragma, value) in [("trusted_schema", false), ("cell_size_check", true)] {
        connection.pragma_update(None, pragma, value).map_err(error("cannot be opened"))?;
    }
    let found = std::fs::metadata(path).map_err(BagError::io(path))?.len();
    let claimed = if pending { 0 } else { claimed_bytes(path).map_err(BagError::io(path))? };
    let missing = claimed.saturating_sub(found);
    if missing > 0 {
        loss.add(missing, format!("{name}: database cut off, it has {found} bytes, expected {claimed}"));
    }
    if let Err(damage) = names(&connection, "SELECT name FROM sqlite_master") {
        if damage.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseCorrupt) {
            return Err(error("cannot be read")(damage));
        }
        // SQLite refuses a file shorter than its header says, unless the schema may be repaired.
        connection.pragma_update(None, "writable_schema", true).map_err(error("cannot be read"))?;
        if missing == 0 {
            loss.add(0, format!("{name}: {damage}"));
        }
    }
    Ok(connection)
}

/// The database's size by its header, 0 where the header does not say. `SQLite` itself only says the size of
/// what is there of a file that is cut off, and fills up the last page with zeros.
fn claimed_bytes(path: &Path) -> std::io::Result<u64> {
    let mut header = Vec::new();
    File::open(path)?.take(100).read_to_end(&mut header)?;
    let number = |at: usize| {
        let bytes = header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    // The number of pages counts where the change counter is that of the version that wrote it.
    if number(24) != number(92) {
        return Ok(0);
    }
    let page_bytes = match number(16) >> 16 {
        1 => 1 << 16,
        bytes => u64::from(bytes),
    };
    Ok(page_bytes * u64::from(number(28)))
}

fn names(connection: &Connection, query: &str) -> rusqlite::Result<Vec<String>> {
    connection.prepare(query)?.query_map([], |row| row.get(0))?.collect()
}

fn definitions(connection: &Connection) -> rusqlite::Result<HashMap<String, Schema>> {
    let query = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions";
    let mut statement = connection.prepare(query)?;
    let rows = statement.query_map([], |row| {
        let text: String = row.get(2)?;
        Ok((row.get(0)?, Schema { encoding: row.get(1)?, data: Arc::from(text.into_bytes()) }))
    })?;
    rows.collect()
}

fn topics(connection: &Connection, qos: bool) -> rusqlite::Result<Vec<(i64, Topic)>> {
    let qos = if qos { "offered_qos_profiles" } else { "''" };
    let query = format!("SELECT id, name, type, serialization_format, {qos} FROM topics ORDER BY id");
    let mut statement = connection.prepare(&query)?;
    let rows = statement.query_map([], |row| {
        let topic = Topic {
            name: row.get::<_, String>(1)?.into(),
            type_name: row.get::<_, String>(2)?.into(),
            serialization_format: row.get(3)?,
            message_count: None,
            offered_qos_profiles: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
            schema: None,
        };
        Ok((row.get(0)?, topic))
    })?;
    rows.collect()
}

fn counts(connection: &Connection) -> rusqlite::Result<HashMap<i64, u64>> {
    let mut statement = connection.prepare("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?;
    rows.collect()
}

fn time_range(connection: &Connection) -> Option<(i64, i64)> {
    let query = "SELECT MIN(timestamp), MAX(timestamp) FROM messages";
    connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?))).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Time,
    /// By row, where the database cannot be walked by time.
    Row,
}

/// A row without its data.
#[derive(Debug, Clone, Copy)]
struct Row {
    time_ns: i64,
    id: i64,
    topic_id: i64,
}

/// Where the reading of a database is.
pub(super) struct SqliteCursor {
    order: Order,
    /// Listed rows, the next one last.
    rows: Vec<Row>,
    /// The last row listed by time, and by row.
    listed: Option<(i64, i64)>,
    listed_row: i64,
    ended: bool,
}

impl SqliteCursor {
    pub(super) fn new() -> Self {
        Self { order: Order::Time, rows: Vec::new(), listed: None, listed_row: i64::MIN, ended: false }
    }

    pub(super) fn next(
        &mut self,
        file: &SqliteFile,
        filter: &TopicFilter,
        loss: &mut Loss,
    ) -> Option<RawMessage> {
        loop {
            let Some(row) = self.rows.pop() else {
                if self.ended {
                    return None;
                }
                self.list(file, loss);
                continue;
            };
            let Some(&topic) = file.by_id.get(&row.topic_id) else {
                loss.add(
                    0,
                    format!(
                        "{}: message {} of topic {}, which is not declared",
                        file.name, row.id, row.topic_id
                    ),
                );
                continue;
            };
            if !file.topics.get(topic).is_some_and(|topic| filter.accepts(&topic.name)) {
                continue;
            }
            match data(&file.connection, row.id) {
                Ok(data) => {
                    return Some(RawMessage {
                        topic,
                        log_time_ns: row.time_ns,
                        publish_time_ns: row.time_ns,
                        data,
                    });
                }
                Err(error) => loss.add(0, format!("{}: message {}: {error}", file.name, row.id)),
            }
        }
    }

    fn list(&mut self, file: &SqliteFile, loss: &mut Loss) {
        let (rows, error) = match self.order {
            Order::Time => {
                let (time_ns, id) = self.listed.unwrap_or((i64::MIN, i64::MIN));
                page(&file.connection, BY_TIME, &[time_ns, id])
            }
            Order::Row => page(&file.connection, BY_ROW, &[self.listed_row]),
        };
        let full = rows.len() as i64 == PAGE_ROWS;
        let before = self.listed;
        if let Some(last) = rows.last() {
            match self.order {
                Order::Time => self.listed = Some((last.time_ns, last.id)),
                Order::Row => self.listed_row = last.id,
            }
        }
        self.rows = match self.order {
            Order::Time => rows,
            // Those that came by time are not repeated.
            Order::Row => {
                rows.into_iter().filter(|row| before.is_none_or(|l| (row.time_ns, row.id) > l)).collect()
            }
        };
        self.rows.reverse();
        match (error, self.order) {
            (None, _) => self.ended = !full,
            (Some(error), Order::Time) => {
                loss.add(
                    0,
                    format!(
                        "{}: the index by time is damaged, read in the order of recording: {error}",
                        file.name
                    ),
                );
                self.order = Order::Row;
            }
            (Some(error), Order::Row) => {
                loss.add(0, format!("{}: damaged after message {}: {error}", file.name, self.listed_row));
                self.ended = true;
            }
        }
    }
}

const BY_TIME: &str = "SELECT timestamp, id, topic_id FROM messages WHERE (timestamp, id) > (?1, ?2) \
                       ORDER BY timestamp, id LIMIT 1024";
const BY_ROW: &str = "SELECT timestamp, id, topic_id FROM messages WHERE id > ?1 ORDER BY id LIMIT 1024";

/// The rows that come before an error, and the error.
fn page(connection: &Connection, query: &str, after: &[i64]) -> (Vec<Row>, Option<rusqlite::Error>) {
    let mut found = Vec::new();
    let mut list = || -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(query)?;
        let mut rows = statement.query(rusqlite::params_from_iter(after))?;
        while let Some(row) = rows.next()? {
            found.push(Row { time_ns: row.get(0)?, id: row.get(1)?, topic_id: row.get(2)? });
        }
        Ok(())
    };
    let error = list().err();
    (found, error)
}

fn data(connection: &Connection, id: i64) -> rusqlite::Result<Vec<u8>> {
    connection.prepare_cached("SELECT data FROM messages WHERE id = ?1")?.query_row([id], |row| row.get(0))
}
