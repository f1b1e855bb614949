//! Parts of an MCAP file that hold messages: chunks, messages outside chunks, a chunk that the file ends in.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

use mcap::records::{Channel, ChunkHeader, Record, SchemaHeader, op};

use super::mcap_records::{Chunks, FRAME, MAX_RECORD_BYTES, explain, parse, walk};

/// The largest message that is taken from a chunk that the file ends in: no checksum vouches for its length.
const MAX_CUT_BYTES: u64 = 32 << 20;

/// A message as it lies in the file.
pub(super) struct Stored {
    pub(super) channel_id: u16,
    pub(super) log_time_ns: u64,
    pub(super) publish_time_ns: u64,
    pub(super) data: Vec<u8>,
}

/// What was read of a part.
#[derive(Default)]
pub(super) struct Content {
    pub(super) messages: Vec<Stored>,
    pub(super) channels: BTreeMap<u16, Channel>,
    pub(super) schemas: BTreeMap<u16, (SchemaHeader, Vec<u8>)>,
    /// What is wrong, and how many bytes of it could not be read.
    pub(super) damage: Option<(u64, String)>,
}

impl Content {
    /// Takes a record in; false: it cannot be parsed.
    pub(super) fn add(&mut self, opcode: u8, data: &[u8]) -> bool {
        // Other kinds do not matter, and some are not parsed safely when damaged.
        if !matches!(opcode, op::MESSAGE | op::CHANNEL | op::SCHEMA) {
            return true;
        }
        match parse(opcode, data) {
            Ok(Record::Message { header, data }) => self.messages.push(Stored {
                channel_id: header.channel_id,
                log_time_ns: header.log_time,
                publish_time_ns: header.publish_time,
                data: data.into_owned(),
            }),
            Ok(Record::Channel(channel)) => _ = self.channels.entry(channel.id).or_insert(channel),
            Ok(Record::Schema { header, data }) => {
                self.schemas.entry(header.id).or_insert_with(|| (header, data.into_owned()));
            }
            Ok(_) => {}
            Err(_) => return false,
        }
        true
    }
}

/// Reads a whole chunk from its record's content. A damaged chunk yields nothing: which of its messages are
/// right cannot be told.
pub(super) fn read_chunk(record: &[u8]) -> Content {
    let damaged = |reason| Content { damage: Some((record.len() as u64, reason)), ..Content::default() };
    let (header, data) = match parse(op::CHUNK, record) {
        Ok(Record::Chunk { header, data }) => (header, data),
        Ok(_) => return damaged("not a chunk".to_owned()),
        Err(reason) => return damaged(reason),
    };
    match decompress(&header, &data) {
        Ok(records) => {
            let mut content = read_records(&records);
            if let Some((bytes, _)) = &mut content.damage {
                // Of the file, not of the decompressed content.
                *bytes = (*bytes).min(record.len() as u64);
            }
            content
        }
        Err(reason) => damaged(reason),
    }
}

fn decompress(header: &ChunkHeader, data: &[u8]) -> Result<Vec<u8>, String> {
    let size = header.uncompressed_size;
    if size > MAX_RECORD_BYTES {
        return Err(format!("chunk of {size} bytes: expected at most {MAX_RECORD_BYTES}"));
    }
    let mut records = Vec::new();
    let result = match header.compression.as_str() {
        "" => data.take(size + 1).read_to_end(&mut records),
        "zstd" => zstd::Decoder::with_buffer(data).and_then(|d| d.take(size + 1).read_to_end(&mut records)),
        "lz4" => lz4::Decoder::new(data).and_then(|d| d.take(size + 1).read_to_end(&mut records)),
        other => {
            let name: String = other.chars().take(20).collect();
            return Err(format!("chunk compression {name:?} isn't supported, expected zstd, lz4 or none"));
        }
    };
    result.map_err(|error| format!("chunk cannot be decompressed: {error}"))?;
    if records.len() as u64 != size {
        return Err(format!("chunk holds {} bytes, expected {size}", records.len()));
    }
    let (saved, found) = (header.uncompressed_crc, crc32fast::hash(&records));
    if saved != 0 && saved != found {
        return Err(format!("chunk's checksum is {found:08x}, expected {saved:08x}"));
    }
    Ok(records)
}

/// Reads records that lie one after the other.
pub(super) fn read_records(bytes: &[u8]) -> Content {
    let mut content = Content::default();
    let mut broken = false;
    let walked = walk(bytes, bytes.len() as u64, Chunks::Whole, |_, opcode, data| {
        broken = !content.add(opcode, data);
        if broken { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if broken {
        content.damage = Some((bytes.len() as u64 - walked.bytes, "a record cannot be parsed".to_owned()));
    } else if let Some(error) = walked.error {
        content.damage = Some((bytes.len() as u64 - walked.bytes, explain(&error)));
    }
    content
}

/// Reads the messages of a chunk that the file ends in, given from its record's beginning.
pub(super) fn read_cut_chunk(bytes: &[u8]) -> Content {
    let mut content = Content::default();
    let Some(size) = cut_chunk_size(bytes) else { return content };
    // No record in it exceeds the chunk's decompressed size.
    walk(bytes, size.clamp(64, MAX_CUT_BYTES), Chunks::Opened, |_, opcode, data| {
        if content.add(opcode, data) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    content
}

/// The decompressed size of a chunk that is cut off, none where it is not one: its header has to agree with its
/// record, so that what is there of the file is less than the chunk. The `mcap` crate relies on that.
fn cut_chunk_size(bytes: &[u8]) -> Option<u64> {
    let number = |at: usize| {
        let bytes = bytes.get(at..at.checked_add(8)?)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    };
    let frame = FRAME as usize;
    let name_bytes = number(frame + 28)? as u32;
    let fixed = u64::from(name_bytes) + 40;
    let compressed = number(frame + 32 + name_bytes as usize)?;
    let agrees = fixed.checked_add(compressed)? == number(1)?;
    let cut = (bytes.len() as u64) < FRAME.checked_add(number(1)?)?;
    (agrees && cut && bytes.first() == Some(&op::CHUNK)).then(|| number(frame + 16))?
}
