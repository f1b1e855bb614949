//! Who may write where: locks on files, which end with the process that has them.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

const PREFIX: &str = ".in-use-";
const SUFFIX: &str = ".lock";

/// The right to build and replace the engines of one key.
#[derive(Debug)]
pub(super) struct KeyLock {
    _file: File,
}

impl KeyLock {
    /// Waits for it; `waiting` is called where another has it.
    pub(super) fn take(path: &Path, waiting: &mut dyn FnMut()) -> io::Result<Self> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Self { _file: file })
    }

    /// Takes it unless another has it.
    pub(super) fn try_take(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

/// In a cache that cannot be written, a lock that is there will do.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .or_else(|error| File::open(path).map_err(|_| error))
}

/// A folder of the cache that only its owner writes to. It goes with its owner.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: PathBuf,
    /// Locked: says that the folder has an owner.
    lock: NamedTempFile,
}

impl Scratch {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        for _ in 0..8 {
            let lock = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(root)?;
            // unless somebody took it for abandoned in this instant
            if lock.as_file().try_lock().is_ok() && lock.path().exists() {
                let folder = lock.path().with_extension("");
                std::fs::create_dir(&folder)?;
                return Ok(Self { folder, lock });
            }
        }
        Err(io::Error::other("others remove its folders at once"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // it may have become an entry, or the cache may have gone
        let _ = std::fs::remove_dir_all(&self.folder);
        let _ = self.lock.as_file().unlock();
    }
}

/// Removes what processes that ended early have left.
pub(super) fn sweep(root: &Path) {
    let Ok(entries) = root.read_dir() else { return };
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(PREFIX)
            && name.ends_with(SUFFIX)
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_dir_all(path.with_extension(""));
            let _ = std::fs::remove_file(&path);
        }
    }
}
