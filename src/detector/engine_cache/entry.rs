//! One folder of the cache: engines, and a manifest that says what they are for and how they must look.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::key::EngineKey;
use super::lock::Scratch;
use crate::detector::model_file::hexadecimal;

pub(super) const MANIFEST: &str = "engine.json";
const FORMAT: u32 = 1;
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
const CHUNK_BYTES: usize = 1 << 20;

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredFile {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryManifest {
    format: u32,
    /// The version of Roadproof that wrote it.
    made_by: String,
    pub(super) key: EngineKey,
    /// Every file but the manifest, sorted by name.
    pub(super) files: Vec<StoredFile>,
}

impl EntryManifest {
    pub(super) fn new(key: EngineKey, files: Vec<StoredFile>) -> Self {
        Self { format: FORMAT, made_by: env!("CARGO_PKG_VERSION").to_owned(), key, files }
    }

    /// Reads the manifest of a folder.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join(MANIFEST);
        let wrong = |reason: String| format!("its manifest {MANIFEST} {reason}");
        let file = File::open(&path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let mut text = String::new();
        file.take(MAX_MANIFEST_BYTES)
            .read_to_string(&mut text)
            .map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let manifest: Self =
            serde_json::from_str(&text).map_err(|error| wrong(format!("is broken: {error}")))?;
        if manifest.format != FORMAT {
            return Err(wrong(format!(
                "is of another version: expected {FORMAT}, found {}",
                manifest.format
            )));
        }
        Ok(manifest)
    }
}

/// Writing, which tests let fail.
pub(super) trait Storage: Send + Sync {
    /// Makes a folder of one's own in the cache.
    fn scratch(&self, root: &Path) -> io::Result<Scratch>;
    /// Copies a file to where there is none, and makes sure that it is on the disk.
    fn copy(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Writes a file where there is none, and makes sure that it is on the disk.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
}

/// The file system.
pub(super) struct Disk;

impl Storage for Disk {
    fn scratch(&self, root: &Path) -> io::Result<Scratch> {
        Scratch::new(root)
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut from = File::open(from)?;
        let mut to = File::create_new(to)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }
}

/// All files of a folder but the manifest, sorted by name.
///
/// # Errors
/// A file cannot be read, or something is neither a file nor the manifest.
pub(super) fn files_in(folder: &Path) -> Result<Vec<StoredFile>, String> {
    let unreadable = |error: io::Error| format!("it cannot be read: {error}");
    let mut files = Vec::new();
    for entry in folder.read_dir().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        if name == MANIFEST {
            continue;
        }
        let Some(name) = name.to_str() else {
            return Err(format!("it holds {}, whose name is no UTF-8", name.display()));
        };
        // not what a link points to
        if !entry.file_type().map_err(unreadable)?.is_file() {
            return Err(format!("it holds {name}, which is no plain file"));
        }
        let (bytes, sha256) =
            hash(&entry.path()).map_err(|error| format!("{name} cannot be read: {error}"))?;
        files.push(StoredFile { name: name.to_owned(), bytes, sha256 });
    }
    files.sort();
    Ok(files)
}

fn hash(path: &Path) -> io::Result<(u64, String)> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let read = match file.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let Some(part) = chunk.get(..read).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        bytes += read as u64;
    }
    Ok((bytes, hexadecimal(&hash.finalize())))
}

/// Checks that the folder holds exactly what its manifest says, for exactly this key.
///
/// # Errors
/// Everything that is otherwise.
pub(super) fn check(folder: &Path, key: &EngineKey) -> Result<EntryManifest, String> {
    let manifest = EntryManifest::read(folder)?;
    let differences = key.differences(&manifest.key);
    if !differences.is_empty() {
        return Err(differences.join("; "));
    }
    if manifest.files.is_empty() {
        return Err("its manifest lists no files".to_owned());
    }
    same(&manifest.files, &files_in(folder)?)?;
    Ok(manifest)
}

/// Checks that the files found are those listed.
pub(super) fn same(listed: &[StoredFile], found: &[StoredFile]) -> Result<(), String> {
    let by_name = |files: &[StoredFile], name: &str| files.iter().find(|file| file.name == name).cloned();
    let mut problems: Vec<String> = Vec::new();
    for file in listed {
        match by_name(found, &file.name) {
            None => problems.push(format!("{} is missing", file.name)),
            Some(other) if other.bytes != file.bytes => {
                problems.push(format!("{} has {} bytes instead of {}", file.name, other.bytes, file.bytes));
            }
            Some(other) if other.sha256 != file.sha256 => {
                problems.push(format!("{} has other contents than its SHA-256 says", file.name));
            }
            Some(_) => {}
        }
    }
    let foreign = found.iter().filter(|file| by_name(listed, &file.name).is_none());
    problems.extend(foreign.map(|file| format!("{} does not belong there", file.name)));
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}
