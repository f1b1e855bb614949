//! Where the messages of an MCAP file lie: from its summary, or from a walk through the whole file where the
//! summary is missing or damaged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use mcap::records::{Channel, ChunkIndex, Record, SchemaHeader, Statistics, op};

use super::Loss;
use super::mcap_chunk::{Content, read_chunk, read_cut_chunk};
use super::mcap_records::{Chunks, FRAME, MAGIC, MAX_RECORD_BYTES, explain, parse, walk};

/// Footer record and closing magic.
const TAIL_BYTES: u64 = FRAME + 20 + MAGIC.len() as u64;

/// Messages outside chunks are read in parts of about this size.
const LOOSE_BYTES: u64 = 1 << 20;

/// How a part is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Chunk,
    /// Messages outside chunks.
    Loose,
    /// A chunk that the file ends in.
    CutChunk,
}

/// A part of the file that holds messages.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) kind: Kind,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    /// The channels in it; empty where not known.
    pub(super) channels: Vec<u16>,
}

#[derive(Default)]
pub(super) struct McapIndex {
    pub(super) spans: Vec<Span>,
    pub(super) channels: BTreeMap<u16, Channel>,
    pub(super) schemas: BTreeMap<u16, (SchemaHeader, Vec<u8>)>,
    /// Messages by channel, where the file says.
    pub(super) counts: Option<BTreeMap<u16, u64>>,
    pub(super) loss: Loss,
    pub(super) warnings: Vec<String>,
}

/// Finds the messages; `name` is for texts.
pub(super) fn index(file: &File, name: &str) -> std::io::Result<McapIndex> {
    let length = file.metadata()?.len();
    match from_summary(file, length)? {
        Ok(index) => Ok(index),
        Err(reason) => {
            let mut index = by_walk(file, length, name)?;
            index.warnings.push(format!("{name}: read from end to end for lack of an index: {reason}"));
            Ok(index)
        }
    }
}

/// The inner error says why the summary cannot be used.
fn from_summary(mut file: &File, length: u64) -> std::io::Result<Result<McapIndex, String>> {
    if length < TAIL_BYTES + MAGIC.len() as u64 {
        return Ok(Err("too short for a summary".to_owned()));
    }
    let mut tail = [0; TAIL_BYTES as usize];
    file.seek(SeekFrom::Start(length - TAIL_BYTES))?;
    file.read_exact(&mut tail)?;
    let (footer, magic) = tail.split_at(tail.len() - MAGIC.len());
    let footer = match footer.split_at(FRAME as usize) {
        ([op::FOOTER, ..], content) if magic == MAGIC => parse(op::FOOTER, content),
        _ => return Ok(Err("the file does not end in a footer, its recording was interrupted".to_owned())),
    };
    let Ok(Record::Footer(footer)) = footer else {
        return Ok(Err("the footer cannot be parsed".to_owned()));
    };
    if footer.summary_start == 0 {
        return Ok(Err("it was written without a summary".to_owned()));
    }
    let end = length - TAIL_BYTES;
    if footer.summary_start > end {
        return Ok(Err("the footer points outside the file".to_owned()));
    }
    file.seek(SeekFrom::Start(footer.summary_start))?;
    let mut source = Checksum { source: BufReader::new(file), hasher: crc32fast::Hasher::new() };
    let mut summary = Summary::default();
    // The checksum covers the footer up to itself.
    let covered = end - footer.summary_start + FRAME + 16;
    walk((&mut source).take(covered), end - footer.summary_start, Chunks::Whole, |_, opcode, data| {
        summary.add(opcode, data)
    });
    let read = source.source.stream_position()? - footer.summary_start;
    std::io::copy(&mut (&mut source).take(covered.saturating_sub(read)), &mut std::io::sink())?;
    if footer.summary_crc != 0 && source.hasher.finalize() != footer.summary_crc {
        return Ok(Err("the summary's checksum is wrong".to_owned()));
    }
    Ok(summary.check(footer.summary_start))
}

struct Checksum<R> {
    source: R,
    hasher: crc32fast::Hasher,
}

impl<R: Read> Read for &mut Checksum<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

#[derive(Default)]
struct Summary {
    content: Content,
    chunks: Vec<ChunkIndex>,
    statistics: Option<Statistics>,
    broken: bool,
}

impl Summary {
    fn add(&mut self, opcode: u8, data: &[u8]) -> ControlFlow<()> {
        let fine = match opcode {
            op::FOOTER => return ControlFlow::Break(()),
            op::CHUNK_INDEX => match parse(opcode, data) {
                Ok(Record::ChunkIndex(chunk)) => {
                    self.chunks.push(chunk);
                    true
                }
                _ => false,
            },
            op::STATISTICS => match parse(opcode, data) {
                Ok(Record::Statistics(statistics)) => {
                    self.statistics = Some(statistics);
                    true
                }
                _ => false,
            },
            _ => self.content.add(opcode, data),
        };
        self.broken |= !fine;
        if fine { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// An index where the summary is complete.
    fn check(self, data_end: u64) -> Result<McapIndex, String> {
        let statistics = self.statistics.filter(|_| !self.broken).ok_or("the summary has no statistics")?;
        if self.content.channels.len() as u64 != u64::from(statistics.channel_count) {
            return Err("the summary does not list all channels".to_owned());
        }
        if self.chunks.len() as u64 != u64::from(statistics.chunk_count)
            || (self.chunks.is_empty() && statistics.message_count > 0)
        {
            return Err("the summary does not list all chunks".to_owned());
        }
        let inside = |chunk: &ChunkIndex| {
            chunk.chunk_start_offset.checked_add(chunk.chunk_length).is_some_and(|end| end <= data_end)
        };
        if !self.chunks.iter().all(inside) {
            return Err("the summary names chunks outside the file".to_owned());
        }
        let span = |chunk: ChunkIndex| Span {
            kind: Kind::Chunk,
            offset: chunk.chunk_start_offset,
            length: chunk.chunk_length,
            start_ns: chunk.message_start_time,
            end_ns: chunk.message_end_time,
            channels: chunk.message_index_offsets.into_keys().collect(),
        };
        Ok(McapIndex {
            spans: self.chunks.into_iter().map(span).collect(),
            channels: self.content.channels,
            schemas: self.content.schemas,
            counts: Some(statistics.channel_message_counts),
            ..McapIndex::default()
        })
    }
}

fn by_walk(mut file: &File, length: u64, name: &str) -> std::io::Result<McapIndex> {
    let first = MAGIC.len() as u64;
    file.seek(SeekFrom::Start(first))?;
    let mut index = McapIndex::default();
    let mut ended = false;
    let walked = walk(BufReader::with_capacity(1 << 18, file), length, Chunks::Whole, |at, opcode, data| {
        if opcode == op::DATA_END || opcode == op::FOOTER {
            ended = true;
            return ControlFlow::Break(());
        }
        index.visit(first + at, opcode, data, name);
        ControlFlow::Continue(())
    });
    if ended {
        return Ok(index);
    }
    let at = first + walked.bytes;
    let left = length.saturating_sub(at);
    let reason = match walked.error {
        Some(mcap::McapError::Io(error)) => return Err(error),
        Some(mcap::McapError::UnexpectedEof) | None => {
            "the file ends before its data does, its recording was interrupted or it was cut".to_owned()
        }
        Some(error) => explain(&error),
    };
    index.loss.add(left, format!("{name}: broken at byte {at} of {length}: {reason}"));
    index.salvage(file, at, left)?;
    Ok(index)
}

impl McapIndex {
    fn visit(&mut self, offset: u64, opcode: u8, data: &[u8], name: &str) {
        let length = FRAME + data.len() as u64;
        if opcode == op::CHUNK {
            let content = read_chunk(data);
            if let Some((bytes, reason)) = &content.damage {
                self.loss.add(*bytes, format!("{name}: chunk at byte {offset}: {reason}"));
            }
            self.add_span(Kind::Chunk, offset, length, content);
            return;
        }
        let mut content = Content::default();
        if !content.add(opcode, data) {
            self.loss.add(length, format!("{name}: the record at byte {offset} cannot be parsed"));
        }
        self.add_span(Kind::Loose, offset, length, content);
    }

    fn add_span(&mut self, kind: Kind, offset: u64, length: u64, content: Content) {
        for (id, channel) in content.channels {
            self.channels.entry(id).or_insert(channel);
        }
        for (id, schema) in content.schemas {
            self.schemas.entry(id).or_insert(schema);
        }
        let times = content.messages.iter().map(|message| message.log_time_ns);
        let (Some(start_ns), Some(end_ns)) = (times.clone().min(), times.max()) else { return };
        match self.spans.last_mut() {
            Some(last)
                if kind == Kind::Loose
                    && last.kind == Kind::Loose
                    && last.offset + last.length == offset
                    && last.length < LOOSE_BYTES =>
            {
                last.length += length;
                last.start_ns = last.start_ns.min(start_ns);
                last.end_ns = last.end_ns.max(end_ns);
            }
            _ => self.spans.push(Span { kind, offset, length, start_ns, end_ns, channels: Vec::new() }),
        }
    }

    /// Takes what is whole of a chunk that the file ends in.
    fn salvage(&mut self, mut file: &File, offset: u64, length: u64) -> std::io::Result<()> {
        if length <= FRAME || length > MAX_RECORD_BYTES {
            return Ok(());
        }
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset))?;
        file.take(length).read_to_end(&mut bytes)?;
        let content = read_cut_chunk(&bytes);
        self.add_span(Kind::CutChunk, offset, length, content);
        Ok(())
    }
}
