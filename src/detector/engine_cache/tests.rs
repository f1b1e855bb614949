//! The cache with a builder that needs no GPU: its engines are text.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::entry::{Disk, EntryManifest, MANIFEST, Storage};
use super::*;
use crate::detector::Provider;

fn key() -> EngineKey {
    EngineKey {
        model_sha256: "ab".repeat(32),
        provider: Provider::TensorRt,
        trt_fp16: true,
        options: String::new(),
        input_shape: vec![1, 3, 416, 416],
        runtime: "1.31.1".to_owned(),
        provider_library: "cd".repeat(32),
        tensorrt: "10.9.0.34".to_owned(),
        driver: "580.65.06".to_owned(),
        gpu: Gpu { name: "NVIDIA Test".to_owned(), compute_capability: "9.0".to_owned() },
    }
}

fn lease(root: &Path, key: &EngineKey) -> Result<Lease, String> {
    EngineCache::new(root).lease(key.clone(), &mut || panic!("nobody else builds"))
}

/// What a provider does: takes the engine that is there, or builds one. Says whether it built.
fn open_model(lease: &mut Lease, engine: &str) -> (bool, Vec<String>) {
    let path = lease.folder().join("model_sm90.engine");
    let found = std::fs::read_to_string(&path).ok();
    let built = found.is_none();
    if let Some(found) = found {
        assert_eq!(found, engine, "a wrong engine was used");
    } else {
        std::fs::write(&path, engine).unwrap();
        std::fs::write(lease.folder().join("model.profile"), "shapes").unwrap();
    }
    (built, lease.model_has_run())
}

/// Builds the engine into the cache; returns its folder there.
fn built(root: &Path, key: &EngineKey) -> PathBuf {
    let mut lease = lease(root, key).unwrap();
    assert_eq!(open_model(&mut lease, "engine"), (true, Vec::new()));
    let info = lease.info();
    assert!(!info.reused && info.gpu == key.gpu && info.driver == key.driver);
    assert!(info.folder.join(MANIFEST).is_file());
    info.folder
}

/// Whether a second start builds again. Nothing but the cache itself may be left behind.
fn builds_again(root: &Path, key: &EngineKey) -> bool {
    let mut leased = lease(root, key).unwrap();
    let reused = leased.is_reused();
    let (built, warnings) = open_model(&mut leased, "engine");
    assert_eq!((built, warnings), (!reused, Vec::new()));
    assert_eq!(leased.info().reused, reused);
    drop(leased);
    let names = |entry: io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let left: Vec<String> =
        root.read_dir().unwrap().map(names).filter(|name| name.starts_with('.')).collect();
    assert_eq!(left, Vec::<String>::new());
    built
}

#[test]
fn a_second_start_uses_the_engine() {
    let root = tempfile::tempdir().unwrap();
    let folder = built(root.path(), &key());
    assert!(!builds_again(root.path(), &key()));
    let files = stored(&folder).unwrap();
    let names: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.bytes)).collect();
    assert_eq!(names, [("model.profile", 6), ("model_sm90.engine", 6)]);
    assert_eq!(stored(root.path()), None);
}

#[test]
fn whatever_is_wrong_with_the_folder_is_told_and_built_anew() {
    type Damage = fn(&Path);
    let cases: [(&str, Damage); 9] = [
        ("a flipped byte", |folder| {
            let path = folder.join("model_sm90.engine");
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[2] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("cut off", |folder| std::fs::write(folder.join("model_sm90.engine"), "eng").unwrap()),
        ("a missing file", |folder| std::fs::remove_file(folder.join("model.profile")).unwrap()),
        ("a foreign file", |folder| std::fs::write(folder.join("other.engine"), "x").unwrap()),
        ("a foreign folder", |folder| std::fs::create_dir(folder.join("more")).unwrap()),
        ("a link", |folder| {
            std::fs::rename(folder.join("model.profile"), folder.with_extension("moved")).unwrap();
            std::os::unix::fs::symlink(folder.with_extension("moved"), folder.join("model.profile")).unwrap();
        }),
        ("no manifest", |folder| std::fs::remove_file(folder.join(MANIFEST)).unwrap()),
        ("a broken manifest", |folder| {
            let text = std::fs::read_to_string(folder.join(MANIFEST)).unwrap();
            std::fs::write(folder.join(MANIFEST), &text[..text.len() / 2]).unwrap();
        }),
        ("a file in its place", |folder| {
            std::fs::remove_dir_all(folder).unwrap();
            std::fs::write(folder, "x").unwrap();
        }),
    ];
    for (what, damage) in cases {
        let root = tempfile::tempdir().unwrap();
        let folder = built(root.path(), &key());
        damage(&folder);
        assert!(builds_again(root.path(), &key()), "{what}");
        assert!(folder.with_file_name(format!("{}.rejected", key().id())).exists(), "{what}: set aside");
        assert!(!builds_again(root.path(), &key()), "{what}: good again");
    }
}

#[test]
fn engines_for_something_else_are_not_used() {
    let others = [
        EngineKey { driver: "575.51".to_owned(), ..key() },
        EngineKey { model_sha256: "ee".repeat(32), ..key() },
        EngineKey { trt_fp16: false, ..key() },
        EngineKey { tensorrt: "10.10.0.1".to_owned(), ..key() },
        EngineKey { input_shape: vec![4, 3, 416, 416], ..key() },
        EngineKey { runtime: "1.30.0".to_owned(), ..key() },
        EngineKey { provider: Provider::NvTensorRtRtx, ..key() },
        EngineKey { gpu: Gpu { compute_capability: "8.9".to_owned(), ..key().gpu }, ..key() },
        EngineKey { provider_library: "00".repeat(32), ..key() },
    ];
    for other in others {
        let root = tempfile::tempdir().unwrap();
        let folder = built(root.path(), &other);
        assert_ne!(other.id(), key().id());
        // even where it lies under the wrong name
        std::fs::rename(&folder, root.path().join(key().id())).unwrap();
        let reason = entry::check(&root.path().join(key().id()), &key()).unwrap_err();
        assert!(reason.contains("it is for"), "{reason}");
        assert!(builds_again(root.path(), &key()), "{other:?}");
        // and it is named where it lies under its own
        let root = tempfile::tempdir().unwrap();
        built(root.path(), &other);
        assert_eq!(nearest(root.path(), &key()).is_some(), other.model_sha256 == key().model_sha256);
    }
}

#[test]
fn the_manifest_says_what_the_engine_is_for() {
    let root = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(built(root.path(), &key()).join(MANIFEST)).unwrap();
    for part in ["580.65.06", "NVIDIA Test", "\"9.0\"", "10.9.0.34", "tensorrt", "model_sm90.engine"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let folder = root.path().join(key().id());
    for (old, new) in [("\"format\": 1", "\"format\": 2"), ("\"made_by\"", "\"odd\"")] {
        std::fs::write(folder.join(MANIFEST), text.replace(old, new)).unwrap();
        assert!(EntryManifest::read(&folder).is_err(), "{new}");
    }
}

#[test]
fn an_engine_of_a_model_that_never_ran_is_not_kept() {
    let root = tempfile::tempdir().unwrap();
    let lease = lease(root.path(), &key()).unwrap();
    std::fs::write(lease.folder().join("half.engine"), "ha").unwrap();
    drop(lease);
    assert!(builds_again(root.path(), &key()));
}

#[test]
fn what_is_written_when_the_session_ends_is_kept() {
    let root = tempfile::tempdir().unwrap();
    let mut first = lease(root.path(), &key()).unwrap();
    assert_eq!(first.model_has_run(), Vec::<String>::new());
    assert!(!first.is_reused() && stored(&first.info().folder).is_none());
    std::fs::write(first.folder().join("model_sm90.engine"), "engine").unwrap();
    drop(first);
    assert!(!builds_again(root.path(), &key()));
}

#[test]
fn two_that_start_at_once_build_once() {
    let root = tempfile::tempdir().unwrap();
    let (builds, waits) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut waiting = || {
                    waits.fetch_add(1, Ordering::SeqCst);
                };
                let mut lease = EngineCache::new(root.path()).lease(key(), &mut waiting).unwrap();
                std::thread::sleep(Duration::from_millis(20)); // a build takes its time
                let (built, warnings) = open_model(&mut lease, "engine");
                assert_eq!(warnings, Vec::<String>::new());
                builds.fetch_add(usize::from(built), Ordering::SeqCst);
            });
        }
    });
    assert_eq!(builds.into_inner(), 1);
    assert!(waits.into_inner() <= 3);
}

#[test]
fn who_waits_is_told_and_gets_the_result() {
    let root = tempfile::tempdir().unwrap();
    let mut first = lease(root.path(), &key()).unwrap();
    let (said, waited) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            let mut waiting = || said.send(()).unwrap();
            let mut lease = EngineCache::new(root.path()).lease(key(), &mut waiting).unwrap();
            open_model(&mut lease, "engine")
        });
        waited.recv().unwrap();
        assert!(open_model(&mut first, "engine").0);
        assert_eq!(second.join().unwrap(), (false, Vec::new()));
    });
}

const ROOT_OF_THE_OTHER: &str = "ROADPROOF_TEST_ENGINE_CACHE";

/// What the other process of [`another_process_waits_too`] does; nothing in any other run.
#[test]
fn the_other_process() {
    let Some(root) = std::env::var_os(ROOT_OF_THE_OTHER) else { return };
    let mut waiting = || println!("it waits");
    let mut lease = EngineCache::new(Path::new(&root)).lease(key(), &mut waiting).unwrap();
    assert_eq!(open_model(&mut lease, "engine"), (false, Vec::new()));
    println!("it has the engine");
}

#[test]
fn another_process_waits_too() {
    use std::io::BufRead as _;
    let root = tempfile::tempdir().unwrap();
    let mut first = lease(root.path(), &key()).unwrap();
    let mut other = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "detector::engine_cache::tests::the_other_process", "--nocapture"])
        .env(ROOT_OF_THE_OTHER, root.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = io::BufReader::new(other.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("it waits")));
    assert!(open_model(&mut first, "engine").0);
    assert!(lines.any(|line| line.contains("it has the engine")));
    assert!(other.wait().unwrap().success());
}

/// A disk without room for more than so many files.
struct Full {
    room: AtomicUsize,
}

impl Full {
    fn take(&self) -> io::Result<()> {
        self.room
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |room| room.checked_sub(1))
            .map(drop)
            .map_err(|_| io::ErrorKind::StorageFull.into())
    }
}

impl Storage for Full {
    fn scratch(&self, root: &Path) -> io::Result<lock::Scratch> {
        Disk.scratch(root)
    }

    fn copy(&self, from: &Path, to: &Path) -> io::Result<()> {
        let room = self.take();
        // a full disk takes a part
        if room.is_err() {
            std::fs::write(to, "e")?;
        }
        room.and_then(|()| Disk.copy(from, to))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.take().and_then(|()| Disk.write(path, bytes))
    }
}

fn on_full_disk(root: &Path, room: usize) -> EngineCache {
    EngineCache { root: root.to_owned(), storage: Arc::new(Full { room: AtomicUsize::new(room) }) }
}

#[test]
fn a_full_disk_costs_the_cache_and_nothing_else() {
    // two engine files and the manifest are written: none of them, some, all but the manifest
    for room in 0..3 {
        let root = tempfile::tempdir().unwrap();
        let mut lease = on_full_disk(root.path(), room).lease(key(), &mut || ()).unwrap();
        let (built, warnings) = open_model(&mut lease, "engine");
        assert!(built && warnings.len() == 1 && warnings[0].contains("cannot be kept"), "{warnings:?}");
        drop(lease);
        assert!(!root.path().join(key().id()).exists(), "half an entry is left");
        assert!(builds_again(root.path(), &key()));
    }
}

#[test]
fn a_good_engine_on_a_full_disk_is_used_where_it_is() {
    let root = tempfile::tempdir().unwrap();
    let folder = built(root.path(), &key());
    let mut lease = on_full_disk(root.path(), 1).lease(key(), &mut || ()).unwrap();
    assert_eq!(lease.folder(), folder);
    let (built, warnings) = open_model(&mut lease, "engine");
    assert!(!built && warnings.len() == 1 && warnings[0].contains("used as it is"), "{warnings:?}");
    drop(lease);
    assert!(!builds_again(root.path(), &key()), "the entry is as it was");
}

/// A cache in an image that is mounted without the right to write.
struct ReadOnly;

impl Storage for ReadOnly {
    fn scratch(&self, _: &Path) -> io::Result<lock::Scratch> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn copy(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

#[test]
fn a_read_only_cache_is_used_where_it_is_good() {
    let root = tempfile::tempdir().unwrap();
    let folder = built(root.path(), &key());
    let cache = EngineCache { root: root.path().to_owned(), storage: Arc::new(ReadOnly) };
    let mut leased = cache.lease(key(), &mut || ()).unwrap();
    assert_eq!(leased.folder(), folder);
    let (built, warnings) = open_model(&mut leased, "engine");
    assert!(!built && warnings[0].contains("used as it is"), "{warnings:?}");
    drop(leased);
    assert!(!builds_again(root.path(), &key()), "the entry is as it was");
    let other = cache.lease(EngineKey { trt_fp16: false, ..key() }, &mut || ());
    assert!(other.unwrap_err().contains("built at every start"));
}

#[test]
fn a_cache_that_cannot_be_made_is_told() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("file"), "").unwrap();
    let error = lease(&root.path().join("file/cache"), &key()).unwrap_err();
    assert!(error.contains("cannot be made"), "{error}");
}

#[test]
fn what_a_killed_process_left_is_removed() {
    let root = tempfile::tempdir().unwrap();
    let left = root.path().join(".in-use-123");
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("half.engine"), "ha").unwrap();
    std::fs::write(root.path().join(".in-use-123.lock"), "").unwrap();
    let working = lease(root.path(), &key()).unwrap();
    assert!(!left.exists() && !root.path().join(".in-use-123.lock").exists());
    // a working folder in use stays
    lock::sweep(root.path());
    assert!(working.folder().is_dir());
}

#[test]
fn measurements_belong_to_the_machine() {
    let root = tempfile::tempdir().unwrap();
    let folder = |key: &EngineKey| lease(root.path(), key).unwrap().timing_folder().unwrap();
    let own = folder(&key());
    assert!(own.is_dir());
    assert_eq!(folder(&EngineKey { model_sha256: "ee".repeat(32), ..key() }), own);
    assert_ne!(folder(&EngineKey { driver: "1".to_owned(), ..key() }), own);
}
