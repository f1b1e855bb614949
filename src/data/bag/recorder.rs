//! Recording while something else must not wait: a bag that is written in a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::{BagError, BagWriter, TopicId};

/// Most messages that wait to be written, beside the bound in bytes.
const MAX_WAITING: usize = 4096;

/// Most bags of one name: `drive.mcap`, `drive_2.mcap` … .
const MAX_NUMBER: u32 = 9999;

/// A topic that is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedTopic {
    /// Its name.
    pub name: String,
    /// Type of its messages, as `package/msg/Type`.
    pub type_name: &'static str,
}

/// How a recording goes. `offered` = `written` + `dropped_full` + `dropped_unwritable` + those that wait.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecorderState {
    /// Where the bag is or will be once it is finished.
    pub path: PathBuf,
    /// Messages that were to be recorded.
    pub offered: u64,
    /// Messages in the bag.
    pub written: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Messages left out because too many waited to be written.
    pub dropped_full: u64,
    /// Messages left out because the bag cannot be written any more, or the message not at all.
    pub dropped_unwritable: u64,
    /// Bytes that wait to be written.
    pub waiting_bytes: usize,
    /// Why the recording ended early.
    pub failure: Option<String>,
}

struct Message {
    topic: usize,
    log_time_ns: i64,
    data: Vec<u8>,
}

#[derive(Debug, Default)]
struct Shared {
    path: PathBuf,
    offered: AtomicU64,
    written: AtomicU64,
    written_bytes: AtomicU64,
    dropped_full: AtomicU64,
    dropped_unwritable: AtomicU64,
    waiting_bytes: AtomicUsize,
    failure: Mutex<Option<String>>,
}

/// Records messages into a bag. Whoever offers one never waits: where the disk is slower than the messages come, they
/// are left out and counted; where it is full, the recording ends, what is written stays, and further messages are
/// counted.
#[derive(Debug)]
pub struct Recorder {
    sender: SyncSender<Message>,
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
    buffer_bytes: usize,
}

impl Recorder {
    /// Begins a bag as [`BagWriter::create`] does, with `topics` by their index. A name that is taken, by a bag or by
    /// the beginning of one, gets a number. At most `buffer_bytes` of messages wait to be written.
    ///
    /// # Errors
    /// [`BagError`]: the bag cannot be begun.
    pub fn start(path: &Path, topics: &[RecordedTopic], buffer_bytes: usize) -> Result<Self, BagError> {
        let path = free_path(path);
        let mut writer = BagWriter::create(&path)?;
        let ids: Vec<TopicId> = topics
            .iter()
            .map(|topic| writer.add_topic(&topic.name, topic.type_name))
            .collect::<Result<_, _>>()?;
        let writer = writer.keep_partial();
        let shared = Arc::new(Shared { path: path.clone(), ..Shared::default() });
        let (sender, receiver) = sync_channel(MAX_WAITING);
        let state = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("roadproof-recorder".into())
            .spawn(move || write(writer, &ids, &receiver, &state))
            .map_err(BagError::io(&path))?;
        Ok(Self { sender, thread, shared, buffer_bytes })
    }

    /// Offers a message of about `size` bytes to the topic with an index; it is only made if there is room for it.
    /// `None` from `message` means that it cannot be made.
    pub fn offer(
        &self,
        topic: usize,
        log_time_ns: i64,
        size: usize,
        message: impl FnOnce() -> Option<Vec<u8>>,
    ) {
        let shared = &self.shared;
        shared.offered.fetch_add(1, Ordering::Relaxed);
        if self.failed() {
            shared.dropped_unwritable.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Several threads may pass here at once and go beyond the bound by one message each.
        if shared.waiting_bytes.load(Ordering::Relaxed).saturating_add(size) > self.buffer_bytes {
            shared.dropped_full.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some(data) = message() else {
            shared.dropped_unwritable.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let size = data.len();
        shared.waiting_bytes.fetch_add(size, Ordering::Relaxed);
        if self.sender.try_send(Message { topic, log_time_ns, data }).is_err() {
            shared.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
            shared.dropped_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How it goes.
    #[must_use]
    pub fn state(&self) -> RecorderState {
        self.shared.state()
    }

    /// Writes what still waits, completes the bag and gives it its name.
    #[must_use]
    pub fn finish(self) -> RecorderState {
        let Self { sender, thread, shared, .. } = self;
        drop(sender);
        let panicked = thread.join().is_err();
        let mut state = shared.state();
        if panicked {
            state.failure = Some("the recorder's thread ended unexpectedly".into());
        }
        state
    }

    fn failed(&self) -> bool {
        self.shared.failure.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl Shared {
    fn state(&self) -> RecorderState {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        RecorderState {
            path: self.path.clone(),
            offered: get(&self.offered),
            written: get(&self.written),
            written_bytes: get(&self.written_bytes),
            dropped_full: get(&self.dropped_full),
            dropped_unwritable: get(&self.dropped_unwritable),
            waiting_bytes: self.waiting_bytes.load(Ordering::Relaxed),
            failure: self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The recorder's thread.
fn write(mut writer: BagWriter, topics: &[TopicId], receiver: &Receiver<Message>, shared: &Shared) {
    let fail = |error: &BagError, partial: &Path| {
        let failure = format!("{error}; what was recorded before is in {}", partial.display());
        tracing::error!("the recording has ended: {failure}");
        *shared.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(failure);
    };
    let mut is_over = false;
    while let Ok(Message { topic, log_time_ns, data }) = receiver.recv() {
        let size = data.len();
        let written = match topics.get(topic).filter(|_| !is_over) {
            Some(id) => writer.write(*id, log_time_ns, log_time_ns, &data).map_err(|error| {
                fail(&error, writer.partial());
                is_over = true;
            }),
            None => Err(()),
        };
        shared.waiting_bytes.fetch_sub(size, Ordering::Relaxed);
        if written.is_ok() {
            shared.written.fetch_add(1, Ordering::Relaxed);
            shared.written_bytes.fetch_add(size as u64, Ordering::Relaxed);
        } else {
            shared.dropped_unwritable.fetch_add(1, Ordering::Relaxed);
        }
    }
    if !is_over {
        let partial = writer.partial().to_owned();
        if let Err(error) = writer.finish() {
            fail(&error, &partial);
        }
    }
}

/// `path`, or with the first number that makes it a new name.
fn free_path(path: &Path) -> PathBuf {
    let is_taken = |path: &Path| {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        path.symlink_metadata().is_ok() || Path::new(&partial).symlink_metadata().is_ok()
    };
    let path: PathBuf = path.components().collect();
    let numbered = |number: u32| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = match path.extension().filter(|extension| *extension == "mcap") {
            Some(_) => format!("{stem}_{number}.mcap"),
            None => format!("{}_{number}", path.file_name().unwrap_or_default().to_string_lossy()),
        };
        path.with_file_name(name)
    };
    if !is_taken(&path) {
        return path;
    }
    (2..=MAX_NUMBER).map(numbered).find(|path| !is_taken(path)).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::bag::{BagReader, TopicFilter};

    fn topics() -> Vec<RecordedTopic> {
        ["/a", "/b"]
            .map(|name| RecordedTopic { name: name.into(), type_name: "sensor_msgs/msg/CompressedImage" })
            .to_vec()
    }

    #[test]
    fn what_is_offered_is_in_the_bag_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drive.mcap");
        let recorder = Recorder::start(&path, &topics(), 1 << 20).unwrap();
        for i in 0..50_u8 {
            recorder.offer(usize::from(i % 2), i64::from(i), 100, || Some(vec![i; 100]));
        }
        let state = recorder.finish();
        assert_eq!((state.offered, state.written, state.written_bytes), (50, 50, 5000));
        assert_eq!((state.waiting_bytes, state.failure), (0, None));
        let bag = BagReader::open(&path).unwrap();
        let read: Vec<_> = bag.messages(TopicFilter::All).map(Result::unwrap).collect();
        assert_eq!(read.len(), 50);
        for (i, message) in (0_u8..).zip(&read) {
            assert_eq!(&*message.topic, ["/a", "/b"][usize::from(i % 2)]);
            assert_eq!(message.log_time_ns, i64::from(i));
            assert!(message.data.iter().all(|byte| *byte == i));
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_not_even_made() {
        let folder = tempfile::tempdir().unwrap();
        let recorder = Recorder::start(&folder.path().join("drive"), &topics(), 1000).unwrap();
        recorder.offer(0, 0, 2000, || unreachable!("there is no room for it"));
        recorder.offer(0, 0, 10, || None);
        recorder.offer(7, 0, 10, || Some(vec![0; 10]));
        let state = recorder.finish();
        assert_eq!((state.offered, state.written), (3, 0));
        assert_eq!((state.dropped_full, state.dropped_unwritable), (1, 2));
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let (path, plain) = (folder.path().join("drive.mcap"), folder.path().join("drive"));
        for (path, expected) in
            [(&path, "drive.mcap"), (&path, "drive_2.mcap"), (&plain, "drive"), (&plain, "drive_2")]
        {
            let state = Recorder::start(path, &topics(), 1000).unwrap().finish();
            assert_eq!(state.path, folder.path().join(expected));
        }
        // The beginning of a bag whose recorder was killed is not touched.
        std::fs::write(folder.path().join("drive_3.mcap.partial"), "x").unwrap();
        let state = Recorder::start(&path, &topics(), 1000).unwrap().finish();
        assert_eq!(state.path, folder.path().join("drive_4.mcap"));
    }

    #[test]
    fn a_bag_that_cannot_be_begun_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "x").unwrap();
        let error = Recorder::start(&folder.path().join("file/drive.mcap"), &topics(), 1000).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }
}
