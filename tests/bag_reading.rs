//! Bags as they come: split, damaged, in odd orders, with lengths that claim too much.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod common {
    pub(crate) mod bags;
    pub(crate) mod peak;
}

use std::path::Path;

use common::bags::{LAYOUTS, Made, corrupted, mcap, messages, read, sqlite, try_read, write_mcap};
use common::peak::peak_bytes;
use proptest::prelude::*;
use roadproof::data::bag::{BagError, BagReader, TopicFilter, convert};

/// What a damaged bag of a few kilobytes may take to read.
const MAX_PEAK_BYTES: usize = 64 << 20;

#[test]
fn messages_come_in_the_order_of_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let times = [50, 10, 40, 10, 30, 20, 60, 5];
    for chunk_bytes in [1, 100, 1 << 20] {
        for summary in [true, false] {
            let made: Vec<Made> = times
                .iter()
                .enumerate()
                .map(|(n, &time_ns)| Made { time_ns, data: vec![n as u8; 40] })
                .collect();
            write_mcap(&path, &made, |options| {
                options.chunk_size(Some(chunk_bytes)).emit_summary_records(summary)
            });
            let (seen, loss) = read(&path);
            assert!(loss.is_empty(), "{loss}");
            let seen: Vec<_> = seen.iter().map(|m| (m.log_time_ns, m.data[0])).collect();
            assert_eq!(seen, [(5, 7), (10, 1), (10, 3), (20, 5), (30, 4), (40, 2), (50, 0), (60, 6)]);
        }
    }
}

#[test]
fn every_layout_of_mcap_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let made = messages(50);
    for compression in [None, Some(::mcap::Compression::Zstd), Some(::mcap::Compression::Lz4)] {
        for chunks in [true, false] {
            for indexes in [true, false] {
                write_mcap(&path, &made, |options| {
                    let options = options.compression(compression).use_chunks(chunks);
                    options.emit_message_indexes(indexes).emit_statistics(indexes)
                });
                let (seen, loss) = read(&path);
                assert!(loss.is_empty(), "{loss}");
                assert_eq!(seen.len(), made.len());
                assert!(seen.iter().zip(&made).all(|(a, b)| a.log_time_ns == b.time_ns && a.data == b.data));
            }
        }
    }
}

/// Cut anywhere, the messages before the break are there, and the rest is reported.
#[test]
fn a_cut_mcap_is_read_up_to_the_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let made = messages(40);
    for compression in [None, Some(::mcap::Compression::Zstd), Some(::mcap::Compression::Lz4)] {
        let whole = mcap(&made, |options| options.compression(compression).chunk_size(Some(2000)));
        let (mut most, mut last) = (0, 0);
        for length in (8..whole.len()).step_by(37) {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (seen, loss) = read(&path);
            assert!(seen.iter().zip(&made).all(|(a, b)| a.log_time_ns == b.time_ns && a.data == b.data));
            assert!(seen.len() >= last, "a longer file holds no less");
            last = seen.len();
            most = most.max(seen.len());
            if seen.len() < made.len() {
                assert!(!loss.is_empty(), "cut at {length} of {}", whole.len());
            }
        }
        assert_eq!(most, made.len());
        // The break lies inside a chunk: what is whole in it is delivered.
        std::fs::write(&path, &whole[..whole.len() / 3]).unwrap();
        assert!(read(&path).0.len() >= 8);
    }
}

#[test]
fn a_damaged_chunk_costs_that_chunk_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let made = messages(40);
    for summary in [true, false] {
        let mut bytes = mcap(&made, |options| {
            options.compression(None).chunk_size(Some(2000)).emit_summary_records(summary)
        });
        // In the data of message 20.
        let at = bytes.windows(8).position(|bytes| bytes == [20; 8]).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let (seen, loss) = read(&path);
        assert!(!seen.iter().any(|message| message.log_time_ns == made[20].time_ns));
        assert!(seen.len() > 20 && seen.len() < 40, "{}", seen.len());
        assert_eq!(seen.last().unwrap().log_time_ns, made[39].time_ns);
        assert!(loss.bytes_unread > 1000, "{loss}");
        assert!(loss.reasons[0].contains("checksum"), "{loss}");
        assert_eq!(loss.messages_missing, summary.then_some(40 - seen.len() as u64));
    }
}

#[test]
fn lengths_that_claim_too_much_are_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let made = messages(10);
    let whole = mcap(&made, |options| options.chunk_size(Some(2000)));
    // The header is the first record; a chunk follows, whose length begins one byte in.
    let header = u64::from_le_bytes(whole[9..17].try_into().unwrap()) as usize;
    let chunk = 8 + 9 + header;
    assert_eq!(whole[chunk], 6);
    // Record length, uncompressed size, compressed size, number of bytes in a text.
    for (field, width) in
        [(chunk + 1, 8), (chunk + 9 + 16, 8), (chunk + 9 + 28, 4), (chunk + 9 + 36, 8), (9, 8)]
    {
        for value in [u64::MAX, 1 << 62, 1 << 40, 1 << 32, 300 << 20, 1 << 20] {
            let mut bytes = whole.clone();
            bytes[field..field + width].copy_from_slice(&value.to_le_bytes()[..width]);
            for bytes in [bytes.clone(), bytes[..bytes.len() - 20].to_vec()] {
                std::fs::write(&path, bytes).unwrap();
                let peak = peak_bytes(|| _ = try_read(&path));
                assert!(peak < MAX_PEAK_BYTES, "{peak} bytes for {value} at {field}");
            }
        }
    }
}

/// A chunk whose header says less than its record does, in a file that ends in it.
#[test]
fn a_cut_chunk_that_contradicts_itself_is_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let mut bytes = mcap(&messages(10), |options| options.compression(None));
    let header = u64::from_le_bytes(bytes[9..17].try_into().unwrap()) as usize;
    let chunk = 8 + 9 + header;
    bytes[chunk + 1..chunk + 9].copy_from_slice(&(1_u64 << 30).to_le_bytes());
    bytes[chunk + 9 + 32..chunk + 9 + 40].copy_from_slice(&10_u64.to_le_bytes());
    bytes.truncate(bytes.len() - 20);
    std::fs::write(&path, bytes).unwrap();
    let (seen, loss) = read(&path);
    assert!(seen.is_empty());
    assert!(loss.bytes_unread > 1000, "{loss}");
}

#[test]
fn a_count_that_claims_too_much_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    write_mcap(&folder.path().join("a.mcap"), &messages(3), |options| options);
    let topic = |count| {
        format!(
            "  topics_with_message_count:\n  - topic_metadata: {{name: /t{count}, type: a/msg/B}}\n    message_count: {count}\n"
        )
    };
    let topics = topic(u64::MAX) + "  - topic_metadata: {name: /u, type: a/msg/B}\n    message_count: 9\n";
    std::fs::write(folder.path().join("metadata.yaml"), metadata("mcap", &["a.mcap"], &topics)).unwrap();
    let (seen, loss) = read(folder.path());
    assert_eq!((seen.len(), loss.messages_missing), (3, Some(u64::MAX - 3)));
}

#[test]
fn a_summary_that_claims_too_much_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let made = messages(10);
    let whole = mcap(&made, |options| options.calculate_summary_section_crc(false));
    let footer = whole.len() - 8 - 20;
    let summary = u64::from_le_bytes(whole[footer..footer + 8].try_into().unwrap()) as usize;
    for at in summary..whole.len() - 8 {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x80;
        std::fs::write(&path, bytes).unwrap();
        let mut seen = 0;
        let peak = peak_bytes(|| seen = try_read(&path).map_or(0, |read| read.0.len()));
        assert!(peak < MAX_PEAK_BYTES, "{peak} bytes at {at}");
        assert!(seen <= 10);
    }
}

fn metadata(storage: &str, files: &[&str], more: &str) -> String {
    format!(
        "rosbag2_bagfile_information:\n  version: 4\n  storage_identifier: {storage}\n  relative_file_paths: {files:?}\n\
         \x20 duration: {{nanoseconds: 1}}\n  starting_time: {{nanoseconds_since_epoch: 0}}\n{more}"
    )
}

#[test]
fn split_bags_are_one_stream_in_the_order_of_the_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let made = messages(30);
    write_mcap(&path.join("z.mcap"), &made[..10], |o| o);
    write_mcap(&path.join("a.mcap"), &made[10..20], |o| o);
    write_mcap(&path.join("m.mcap"), &made[20..], |o| o);
    std::fs::write(path.join("metadata.yaml"), metadata("mcap", &["z.mcap", "a.mcap", "m.mcap"], ""))
        .unwrap();
    let bag = BagReader::open(path).unwrap();
    let mut all = bag.messages(TopicFilter::All);
    let seen: Vec<_> = all.by_ref().map(|message| message.unwrap().log_time_ns).collect();
    assert_eq!(seen, made.iter().map(|message| message.time_ns).collect::<Vec<_>>());
    assert_eq!((all.out_of_order(), bag.topics().len()), (0, 1));
    assert_eq!(bag.topics()[0].message_count, Some(30));
    // A file that was compressed since, and paths of old versions.
    let packed = zstd::encode_all(std::fs::File::open(path.join("a.mcap")).unwrap(), 1).unwrap();
    std::fs::write(path.join("a.mcap.zstd"), packed).unwrap();
    std::fs::remove_file(path.join("a.mcap")).unwrap();
    let files = ["bag/z.mcap", "bag/a.mcap", "bag/m.mcap"];
    std::fs::write(path.join("metadata.yaml"), metadata("mcap", &files, "")).unwrap();
    assert_eq!(read(path).0.len(), 30);
    // Without metadata by the number at the end of the name.
    std::fs::remove_file(path.join("metadata.yaml")).unwrap();
    for (from, to) in [("z", "bag_2"), ("a", "bag_10"), ("m", "bag_11")] {
        let suffix = if from == "a" { "mcap.zstd" } else { "mcap" };
        std::fs::rename(path.join(format!("{from}.{suffix}")), path.join(format!("{to}.{suffix}"))).unwrap();
    }
    let (again, loss) = read(path);
    assert!(loss.is_empty());
    assert_eq!(again.iter().map(|message| message.log_time_ns).collect::<Vec<_>>(), seen);
}

fn error(path: &Path) -> String {
    BagReader::open(path).map(|_| ()).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_opened_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let yaml = path.join("metadata.yaml");
    assert!(error(path).contains("no bag in this folder: expected metadata.yaml"));
    assert!(matches!(BagReader::open(path.join("none")), Err(BagError::Io { .. })));
    std::fs::write(&yaml, metadata("mcap", &["gone.mcap"], "")).unwrap();
    assert!(error(path).contains("gone.mcap: named in"));
    std::fs::write(&yaml, metadata("rosbag_v2", &["a"], "")).unwrap();
    assert!(error(path).ends_with("storage \"rosbag_v2\" isn't supported, expected \"mcap\" or \"sqlite3\""));
    let more = "  compression_mode: FILE\n  compression_format: fake_comp\n";
    std::fs::write(&yaml, metadata("mcap", &["a"], more)).unwrap();
    assert!(error(path).ends_with("compression \"fake_comp\" isn't supported, expected \"zstd\""));
    std::fs::write(&yaml, "rosbag2_bagfile_information: 3").unwrap();
    assert!(matches!(BagReader::open(path), Err(BagError::Metadata { .. })));
    std::fs::write(&yaml, metadata("mcap", &[], "")).unwrap();
    assert!(error(path).contains("names no file"));
    let file = path.join("file.mcap");
    std::fs::write(&file, b"#ROSBAG V2.0\n").unwrap();
    assert!(error(&file).contains("not a bag: expected an MCAP file or an SQLite database"));
    std::fs::write(&file, b"").unwrap();
    assert!(error(&file).ends_with("found an empty file"));
    rusqlite::Connection::open(path.join("x.db3")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(error(&path.join("x.db3")).ends_with("expected tables `topics` and `messages`, found t"));
}

#[test]
fn databases_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag?50%#.db3");
    // More than are listed at once.
    let made: Vec<Made> =
        (0..3000_i64).map(|n| Made { time_ns: (n * 7919) % 3001, data: n.to_le_bytes().to_vec() }).collect();
    sqlite(&path, &made);
    let (seen, loss) = read(&path);
    assert!(loss.is_empty(), "{loss}");
    let mut expected: Vec<_> = made.iter().map(|message| (message.time_ns, message.data.clone())).collect();
    expected.sort();
    assert_eq!(seen.into_iter().map(|m| (m.log_time_ns, m.data)).collect::<Vec<_>>(), expected);
    sqlite(&path, &[]);
    let bag = BagReader::open(&path).unwrap();
    assert_eq!((bag.time_range_ns(), bag.messages(TopicFilter::All).count()), (None, 0));
}

#[test]
fn a_cut_database_is_read_in_part_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.db3");
    let made = messages(60);
    sqlite(&path, &made);
    let whole = std::fs::read(&path).unwrap();
    let mut some = 0;
    for length in (20..whole.len()).step_by(1000) {
        std::fs::write(&path, &whole[..length]).unwrap();
        let Ok((seen, loss)) = try_read(&path) else { continue };
        assert!(
            loss.bytes_unread >= (whole.len() - length) as u64,
            "cut at {length} of {}: {loss}",
            whole.len()
        );
        assert!(seen.iter().all(|m| made.iter().any(|b| b.time_ns == m.log_time_ns && b.data == m.data)));
        some += usize::from(!seen.is_empty());
    }
    assert!(some > 0, "nothing of a cut database was read");
}

#[test]
fn files_compressed_as_a_whole_are_read_up_to_a_break() {
    let folder = tempfile::tempdir().unwrap();
    let made = messages(60);
    let (path, packed) = (folder.path().join("bag.db3"), folder.path().join("bag.db3.zstd"));
    sqlite(&path, &made);
    std::fs::write(&packed, zstd::encode_all(std::fs::File::open(&path).unwrap(), 1).unwrap()).unwrap();
    assert_eq!(read(&packed).0.len(), 60);
    let packed = folder.path().join("bag.mcap.zstd");
    let bytes = mcap(&made, |options| options.compression(None).chunk_size(Some(2000)));
    let bytes = zstd::encode_all(&*bytes, 1).unwrap();
    std::fs::write(&packed, &bytes).unwrap();
    let (seen, loss) = read(&packed);
    assert!(loss.is_empty() && seen.len() == 60);
    std::fs::write(&packed, &bytes[..bytes.len() - 100]).unwrap();
    if let Ok((_, loss)) = try_read(&packed) {
        assert!(!loss.is_empty());
    }
}

#[test]
fn a_conversion_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("bag.db3");
    let made = messages(20);
    sqlite(&source, &made);
    let target = folder.path().join("deep/copy");
    let converted = convert(&BagReader::open(&source).unwrap(), &target, TopicFilter::All).unwrap();
    assert_eq!(converted.messages, 20);
    assert!(converted.loss.is_empty());
    assert_eq!(read(&source).0, read(&target).0);
    let (from, to) = (BagReader::open(&source).unwrap(), BagReader::open(&target).unwrap());
    assert_eq!(from.topics()[0].schema, to.topics()[0].schema);
    assert_eq!(from.topics()[0].offered_qos_profiles, to.topics()[0].offered_qos_profiles);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a bag: no panic, and no absurd allocation.
    #[test]
    fn damaged_bags_are_read_or_refused(
        layout in 0..LAYOUTS,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
        doubled in proptest::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
    ) {
        let bytes = corrupted(layout, &edits, cut, doubled);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bag");
        std::fs::write(&path, &bytes).unwrap();
        let mut count = 0;
        let peak = peak_bytes(|| count = try_read(&path).map_or(0, |read| read.0.len()));
        prop_assert!(peak < MAX_PEAK_BYTES, "{} bytes allocated", peak);
        prop_assert!(count <= 1000);
    }
}
