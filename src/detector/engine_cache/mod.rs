//! Engines that a provider built, kept for the next start.
//!
//! The cache's folder has a folder for every key (what an engine was built from and for), with a manifest that names every
//! file in it with its hash. It is checked before a provider may see what is in it, and the provider only ever sees a
//! copy, its *working folder*: what it writes there gets into the cache when the model has run once, as a whole or not at
//! all. Whatever is wrong with the cache costs the time of a build, never a wrong engine and never a start.
//!
//! The hashes tell damage and mix-ups. They do not tell intent: who may write into the cache may also write a manifest.

mod entry;
mod key;
mod lock;
mod machine;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use entry::StoredFile;
use entry::{Disk, EntryManifest, MANIFEST, Storage};
pub use key::Gpu;
pub(crate) use key::{EngineKey, MachineFacts};
use lock::{KeyLock, Scratch};
pub(crate) use machine::{provider_library, tensorrt_version};

/// What a model's engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its folder in the cache.
    pub folder: PathBuf,
    /// Whether it was there already.
    pub reused: bool,
    /// What it is for.
    pub gpu: Gpu,
    /// Version of the driver that it is for.
    pub driver: String,
}

/// The files of an engine's folder in the cache; `None` where it is not in the cache.
#[must_use]
pub fn stored(folder: &Path) -> Option<Vec<StoredFile>> {
    EntryManifest::read(folder).ok().map(|manifest| manifest.files)
}

/// A folder of engines.
pub(crate) struct EngineCache {
    root: PathBuf,
    storage: Arc<dyn Storage>,
}

/// What a provider may use of the cache, until the model is gone.
pub(crate) struct Lease {
    key: EngineKey,
    root: PathBuf,
    entry: PathBuf,
    /// What the provider sees. Never the entry itself, unless there is no place for a copy.
    working: Working,
    /// What is in the cache, where that is good.
    good: Option<EntryManifest>,
    /// Whether that was so from the start.
    reused: bool,
    lock: Option<KeyLock>,
    storage: Arc<dyn Storage>,
    /// Whether the model has run: only then may what the provider wrote be kept.
    has_run: bool,
    warnings: Vec<String>,
}

enum Working {
    Copy(Scratch),
    InPlace(PathBuf),
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("entry", &self.entry)
            .field("reused", &self.reused)
            .finish_non_exhaustive()
    }
}

impl EngineCache {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), storage: Arc::new(Disk) }
    }

    /// Looks for the engines of `key`, and makes a working folder with them, or an empty one. Where another process is
    /// building them, `waiting` is called once, and its result is waited for. Trouble becomes warnings: without a working
    /// folder the provider is to build without a cache.
    pub(crate) fn lease(&self, key: EngineKey, waiting: &mut dyn FnMut()) -> Result<Lease, String> {
        let root = std::path::absolute(&self.root).map_err(|error| error.to_string())?;
        let mut warnings = Vec::new();
        if let Err(error) = std::fs::create_dir_all(&root) {
            return Err(format!("the engine cache {} cannot be made: {error}", root.display()));
        }
        let id = key.id();
        let entry = root.join(&id);
        let lock = match KeyLock::take(&root.join(format!("{id}.lock")), waiting) {
            Ok(lock) => Some(lock),
            Err(error) => {
                warnings.push(format!("the engine cache {} cannot be locked: {error}", root.display()));
                None
            }
        };
        lock::sweep(&root);
        let mut good = None;
        if entry.symlink_metadata().is_ok() {
            match entry::check(&entry, &key) {
                Ok(manifest) => good = Some(manifest),
                Err(reason) => set_aside(&entry, &reason),
            }
        } else if let Some(difference) = nearest(&root, &key) {
            tracing::info!("the engine cache has none for this; the nearest one differs in {difference}");
        }
        let working = working(&root, &entry, good.as_ref(), &*self.storage);
        let working = match working {
            Ok(folder) => Working::Copy(folder),
            Err(error) if good.is_some() => {
                warnings.push(format!(
                    "the engine cache {} cannot be written ({error}); its engine is used as it is",
                    root.display()
                ));
                Working::InPlace(entry.clone())
            }
            Err(error) => {
                return Err(format!(
                    "the engine cache {} cannot be written ({error}); the engine is built at every start",
                    root.display()
                ));
            }
        };
        Ok(Lease {
            key,
            root,
            entry,
            working,
            reused: good.is_some(),
            good,
            lock,
            storage: Arc::clone(&self.storage),
            has_run: false,
            warnings,
        })
    }
}

impl Lease {
    /// Where the provider finds its engines, and where it is to write them.
    pub(crate) fn folder(&self) -> &Path {
        match &self.working {
            Working::Copy(folder) => folder.path(),
            Working::InPlace(folder) => folder,
        }
    }

    /// Where TensorRT keeps its measurements of kernels, for every model on this machine; `None` where there is no place.
    pub(crate) fn timing_folder(&self) -> Option<PathBuf> {
        let folder = self.root.join(format!("timing-{}", self.key.machine_id()));
        std::fs::create_dir_all(&folder).ok().map(|()| folder)
    }

    /// Whether the engines were in the cache.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(crate) fn info(&self) -> EngineInfo {
        EngineInfo {
            folder: self.entry.clone(),
            reused: self.reused,
            gpu: self.key.gpu.clone(),
            driver: self.key.driver.clone(),
        }
    }

    /// To be called when the model has run once: what the provider wrote is kept, and others may have the cache. Returns
    /// what an operator should know.
    pub(crate) fn model_has_run(&mut self) -> Vec<String> {
        self.has_run = true;
        self.keep();
        self.lock = None;
        std::mem::take(&mut self.warnings)
    }

    /// Brings what is new in the working folder into the cache.
    fn keep(&mut self) {
        let Working::Copy(folder) = &self.working else { return };
        let result = entry::files_in(folder.path()).and_then(|files| {
            let known = self.good.as_ref().is_some_and(|manifest| manifest.files == files);
            if known || files.is_empty() {
                return Ok(None);
            }
            let manifest = EntryManifest::new(self.key.clone(), files);
            publish(folder.path(), &self.root, &self.entry, &manifest, &*self.storage)
                .map(|()| Some(manifest))
        });
        match result {
            Ok(None) => {}
            Ok(Some(manifest)) => {
                let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
                tracing::info!(folder = %self.entry.display(), bytes, "kept the engine in the cache");
                self.good = Some(manifest);
            }
            Err(reason) => {
                self.warnings.push(format!(
                    "the engine cannot be kept in the cache {}: {reason}; the next start builds it again",
                    self.root.display()
                ));
            }
        }
    }
}

/// A provider may write its engines only when its session ends, as TensorRT for RTX does; the lease outlives the session.
impl Drop for Lease {
    fn drop(&mut self) {
        if !self.has_run || !matches!(self.working, Working::Copy(_)) {
            return;
        }
        // who has the lock now builds the same, and this is no time to wait
        let lock = KeyLock::try_take(&self.root.join(format!("{}.lock", self.key.id())));
        if let Ok(Some(_lock)) = lock {
            self.keep();
        }
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// A working folder with what is in the entry.
fn working(
    root: &Path,
    entry: &Path,
    good: Option<&EntryManifest>,
    storage: &dyn Storage,
) -> Result<Scratch, String> {
    let folder = storage.scratch(root).map_err(|error| error.to_string())?;
    if let Some(manifest) = good {
        for file in &manifest.files {
            storage
                .copy(&entry.join(&file.name), &folder.path().join(&file.name))
                .map_err(|error| error.to_string())?;
        }
        // what is used is what was checked
        entry::same(&manifest.files, &entry::files_in(folder.path())?)?;
    }
    Ok(folder)
}

/// Makes an entry of a working folder: all of it, or nothing.
fn publish(
    working: &Path,
    root: &Path,
    entry: &Path,
    manifest: &EntryManifest,
    storage: &dyn Storage,
) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let new = storage.scratch(root).map_err(text)?;
    for file in &manifest.files {
        storage.copy(&working.join(&file.name), &new.path().join(&file.name)).map_err(text)?;
    }
    entry::same(&manifest.files, &entry::files_in(new.path())?)?;
    let json = serde_json::to_vec_pretty(manifest).map_err(|error| error.to_string())?;
    storage.write(&new.path().join(MANIFEST), &json).map_err(text)?;
    if entry.symlink_metadata().is_ok() {
        let old = storage.scratch(root).map_err(text)?;
        std::fs::rename(entry, old.path().join("entry")).map_err(text)?;
    }
    std::fs::rename(new.path(), entry).map_err(text)
}

/// Takes what must not be used out of the way; it stays there to be looked at, until the next one.
fn set_aside(entry: &Path, reason: &str) {
    let mut name = entry.file_name().unwrap_or_default().to_owned();
    name.push(".rejected");
    let rejected = entry.with_file_name(name);
    let _ = std::fs::remove_dir_all(&rejected);
    match std::fs::rename(entry, &rejected) {
        Ok(()) => tracing::warn!(
            "the engine cache's folder {} is not used: {reason}. It is kept as {}, and the engine is built anew",
            entry.display(),
            rejected.display()
        ),
        Err(error) => tracing::warn!(
            "the engine cache's folder {} is not used: {reason}. The engine is built anew. (It cannot be moved out of the \
             way: {error})",
            entry.display()
        ),
    }
}

/// How the entry that is most like `key`, for the same model, differs from it.
fn nearest(root: &Path, key: &EngineKey) -> Option<String> {
    let entries = root.read_dir().ok()?.filter_map(Result::ok);
    let manifests = entries.filter_map(|entry| EntryManifest::read(&entry.path()).ok());
    manifests
        .filter(|manifest| manifest.key.model_sha256 == key.model_sha256)
        .map(|manifest| key.differences(&manifest.key))
        .min_by_key(Vec::len)
        .map(|differences| differences.join("; "))
}
