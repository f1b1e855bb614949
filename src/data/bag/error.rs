//! What can be wrong with a bag.

use std::path::{Path, PathBuf};

use super::cdr::CdrError;
use super::mcap_records::explain;

/// A bag that can't be read or written, and why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BagError {
    /// A file or folder cannot be opened, read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder that holds no bag.
    #[error("{}: no bag in this folder: expected metadata.yaml, or files that end in {}", .path.display(), SUFFIXES)]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A file that is neither MCAP nor `SQLite`.
    #[error("{}: not a bag: expected an MCAP file or an SQLite database, found {found}", .path.display())]
    NotABag {
        /// The file.
        path: PathBuf,
        /// How it begins.
        found: String,
    },
    /// `metadata.yaml` cannot be understood.
    #[error("{}: {reason}", .path.display())]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The bag was recorded with a storage plugin that Roadproof doesn't read.
    #[error("{}: storage {found:?} isn't supported, expected \"mcap\" or \"sqlite3\"", .path.display())]
    Storage {
        /// The file that says so.
        path: PathBuf,
        /// The identifier found.
        found: String,
    },
    /// Compression that Roadproof doesn't read.
    #[error("{}: compression {found} isn't supported, expected {expected}", .path.display())]
    Compression {
        /// The file.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What is read.
        expected: &'static str,
    },
    /// A file that `metadata.yaml` names is not there.
    #[error("{}: named in {} but not there: copy the whole folder, or open the files one by one", .path.display(), .metadata.display())]
    MissingFile {
        /// The missing file.
        path: PathBuf,
        /// The file that names it.
        metadata: PathBuf,
    },
    /// The database is damaged, or not one of rosbag2.
    #[error("{}: {what}: {source}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// `SQLite`'s words.
        source: rusqlite::Error,
    },
    /// A database without the tables of rosbag2.
    #[error("{}: an SQLite database, but not of rosbag2: expected tables `topics` and `messages`, found {found}", .path.display())]
    Tables {
        /// The file.
        path: PathBuf,
        /// The tables found.
        found: String,
    },
    /// No such topic.
    #[error("topic {topic} isn't in the bag, it has {known}")]
    UnknownTopic {
        /// The topic asked for.
        topic: String,
        /// The topics there are.
        known: String,
    },
    /// A topic of another type.
    #[error("topic {topic} is of type {found}, expected {expected}")]
    WrongType {
        /// The topic.
        topic: String,
        /// Its type.
        found: String,
        /// The type asked for.
        expected: String,
    },
    /// A topic whose messages are not CDR.
    #[error("topic {topic} is serialised as {found:?}, expected \"cdr\"")]
    Serialization {
        /// The topic.
        topic: String,
        /// The format found.
        found: String,
    },
    /// A message cannot be encoded or decoded.
    #[error("topic {topic}: {source}")]
    Message {
        /// The topic.
        topic: String,
        /// Why.
        source: CdrError,
    },
    /// The MCAP writer refuses.
    #[error("{}: {}", .path.display(), explain(.source))]
    Mcap {
        /// The file.
        path: PathBuf,
        /// Its words.
        source: mcap::McapError,
    },
    /// Something that lies in the way of an output.
    #[error("{}: already exists; remove it, or write elsewhere", .path.display())]
    Exists {
        /// The file or folder.
        path: PathBuf,
    },
    /// A topic was declared twice with different types.
    #[error("topic {topic}: declared as {first} and as {second}")]
    Redeclared {
        /// The topic.
        topic: String,
        /// Its first type.
        first: String,
        /// Its second type.
        second: String,
    },
}

/// The names that are looked for in a folder without `metadata.yaml`.
const SUFFIXES: &str = ".mcap, .db3, .mcap.zstd or .db3.zstd";

impl BagError {
    pub(super) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(super) fn mcap(path: &Path) -> impl FnOnce(mcap::McapError) -> Self {
        move |source| Self::Mcap { path: path.to_owned(), source }
    }

    pub(super) fn sqlite(path: &Path, what: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Sqlite { path: path.to_owned(), what, source }
    }
}
