use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Writes messages to one MCAP file: topic, log time, data.
fn write(path: &Path, messages: &[(&str, i64, Vec<u8>)]) {
    let mut writer = BagWriter::create(path).unwrap();
    for (topic, time_ns, data) in messages {
        let id = writer.add_topic_raw(topic, "a/msg/B", "ros2msg", b"uint8 c\n", &BTreeMap::new()).unwrap();
        writer.write(id, *time_ns, *time_ns + 1, data).unwrap();
    }
    writer.finish().unwrap();
}

fn read(path: &Path) -> (Vec<BagMessage>, Loss) {
    let bag = BagReader::open(path).unwrap();
    let mut messages = bag.messages(TopicFilter::All);
    let read = messages.by_ref().map(Result::unwrap).collect();
    (read, messages.loss().clone())
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["bag.mcap", "folder/"] {
        let path = folder.path().join(name);
        write(&path, &[("/b", 30, vec![3]), ("/a", 10, vec![1; 9]), ("/b", 20, vec![])]);
        let (messages, loss) = read(&path);
        assert!(loss.is_empty(), "{loss}");
        let seen: Vec<_> = messages.iter().map(|m| (&*m.topic, m.log_time_ns, m.data.len())).collect();
        assert_eq!(seen, [("/a", 10, 9), ("/b", 20, 0), ("/b", 30, 1)]);
        assert_eq!(messages[0].publish_time_ns, 11);
        let bag = BagReader::open(&path).unwrap();
        assert_eq!(bag.time_range_ns(), Some((10, 30)));
        let topics: Vec<_> = bag.topics().iter().map(|t| (&*t.name, t.message_count)).collect();
        assert_eq!(topics, [("/b", Some(2)), ("/a", Some(1))]);
        let only = bag.messages(TopicFilter::only(["/a"]));
        assert_eq!(only.map(|m| m.unwrap().data).collect::<Vec<_>>(), [vec![1; 9]]);
        assert!(matches!(BagWriter::create(&path), Err(BagError::Exists { .. })));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["bag.mcap", "folder"] {
        let mut writer = BagWriter::create(folder.path().join(name)).unwrap();
        let id = writer.add_topic("/image", cdr::IMAGE_TYPE).unwrap();
        writer.write(id, 1, 1, &[0; 100]).unwrap();
        drop(writer);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_topic_has_one_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let mut writer = BagWriter::create(&path).unwrap();
    let id = writer.add_topic("/image", cdr::IMAGE_TYPE).unwrap();
    assert_eq!(writer.add_topic("/image", cdr::IMAGE_TYPE).unwrap(), id);
    let error = writer.add_topic("/image", cdr::COMPRESSED_IMAGE_TYPE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "topic /image: declared as sensor_msgs/msg/Image and as sensor_msgs/msg/CompressedImage"
    );
    writer.add_topic("/odd", "no_such_package/msg/Thing").unwrap();
    assert_eq!(writer.warnings().len(), 1);
    writer.finish().unwrap();
    let bag = BagReader::open(&path).unwrap();
    assert!(bag.topic("/image", cdr::IMAGE_TYPE).is_ok());
    assert!(matches!(bag.topic("/image", cdr::COMPRESSED_IMAGE_TYPE), Err(BagError::WrongType { .. })));
    let unknown = bag.topic("/x", cdr::IMAGE_TYPE).unwrap_err().to_string();
    assert_eq!(unknown, "topic /x isn't in the bag, it has /image, /odd");
    assert_eq!(bag.messages(TopicFilter::All).count(), 0);
    assert_eq!(bag.time_range_ns(), None);
}

#[test]
fn a_topic_of_several_publishers_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let mut writer = mcap::Writer::new(std::fs::File::create(&path).unwrap()).unwrap();
    let schema = writer.add_schema("a/msg/B", "ros2msg", b"uint8 c").unwrap();
    let other = writer.add_schema("a/msg/C", "ros2msg", b"uint8 d").unwrap();
    for (number, schema) in [schema, schema, other].into_iter().enumerate() {
        let qos = BTreeMap::from([("offered_qos_profiles".to_owned(), format!("- depth: {number}"))]);
        let channel_id = writer.add_channel(schema, "/topic", "cdr", &qos).unwrap();
        let time = 10 - number as u64;
        let header =
            mcap::records::MessageHeader { channel_id, sequence: 0, log_time: time, publish_time: time };
        writer.write_to_known_channel(&header, &[number as u8]).unwrap();
    }
    writer.finish().unwrap();
    let bag = BagReader::open(&path).unwrap();
    let topics: Vec<_> = bag.topics().iter().map(|t| (&*t.name, &*t.type_name, t.message_count)).collect();
    assert_eq!(topics, [("/topic", "a/msg/B", Some(3))]);
    let (messages, loss) = read(&path);
    assert!(loss.is_empty());
    let seen: Vec<_> = messages.iter().map(|m| (&*m.type_name, m.data[0])).collect();
    assert_eq!(seen, [("a/msg/C", 2), ("a/msg/B", 1), ("a/msg/B", 0)]);
    // A topic of a copy has one type; what does not fit is left out and said.
    let copy = folder.path().join("copy.mcap");
    let converted = convert(&bag, &copy, TopicFilter::All).unwrap();
    assert_eq!((converted.messages, converted.warnings.len()), (2, 1));
}

#[test]
fn messages_compressed_one_by_one_may_be_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bag.mcap");
    let message = [0, 1, 0, 0, 7];
    let packed = zstd::encode_all(&message[..], 1).unwrap();
    let mut broken = packed.clone();
    broken.truncate(packed.len() - 2);
    write(&path, &[("/a", 1, packed), ("/a", 2, broken), ("/a", 3, message.to_vec())]);
    let (messages, loss) = read(&path);
    assert_eq!(messages.iter().map(|m| m.log_time_ns).collect::<Vec<_>>(), [1, 3]);
    assert!(messages.iter().all(|m| m.data == message));
    assert_eq!(loss.messages_missing, Some(1));
    assert!(loss.reasons[0].contains("message of /a at 2 ns"), "{loss}");
}

#[test]
fn losses_add_up() {
    let mut loss = Loss::default();
    loss.compare(Some(5), 5);
    assert!(loss.is_empty());
    for place in 0..30 {
        loss.add(10, format!("place {place}"));
    }
    loss.compare(Some(9), 5);
    let mut sum = Loss { messages_missing: Some(1), ..Loss::default() };
    sum.merge(loss);
    assert_eq!((sum.bytes_unread, sum.messages_missing), (300, Some(5)));
    assert_eq!((sum.reasons.len(), sum.more_reasons), (20, 10));
    assert!(sum.to_string().ends_with("; and 10 more"));
}

/// Whatever the bytes of a record are: what parsing allocates is no more than a few times the record.
#[test]
fn records_are_parsed_or_refused() {
    use super::mcap_records::parse;
    use mcap::records::{Record, op};
    let text = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
    let channel = [&[1, 0, 2, 0][..], &text("/a"), &text("cdr"), &text("")].concat();
    assert!(matches!(parse(op::CHANNEL, &channel), Ok(Record::Channel(_))));
    // A name without its value, and behind the map what would be the value's length.
    let odd = [&[1, 0, 2, 0][..], &text("/a"), &text("cdr"), &[5, 0, 0, 0], &text("n"), &[0xff; 8]].concat();
    assert!(parse(op::CHANNEL, &odd).is_err());
    // A map of a chunk index that ends inside an entry.
    let index = [&[0; 32][..], &[5, 0, 0, 0], &[0; 5], &[0; 8], &text("zstd"), &[0xff; 40]].concat();
    assert!(parse(op::CHUNK_INDEX, &index).is_err());
    for opcode in [op::SCHEMA, op::CHANNEL, op::CHUNK, op::CHUNK_INDEX] {
        assert!(parse(opcode, &[0xff; 100]).is_err());
        assert!(parse(opcode, &[]).is_err());
    }
}
