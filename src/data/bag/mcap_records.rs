//! The records of an MCAP file or chunk, one after the other. Framing is the `mcap` crate's.

use std::io::Read;
use std::ops::ControlFlow;

use mcap::McapError;
use mcap::records::{Record, op};
use mcap::sans_io::{LinearReadEvent, LinearReader, LinearReaderOptions};

/// The first bytes of a file.
pub(super) use mcap::MAGIC;

/// Bytes before a record's content: its kind and its length.
pub(super) const FRAME: u64 = 9;

/// The largest record or chunk that is read, compressed or not; a length above it is damage.
pub(super) const MAX_RECORD_BYTES: u64 = 512 << 20;

/// Bytes read at once, so that a length that claims more than there is does not allocate it.
const MAX_READ: usize = 1 << 20;

/// Where and why a walk ended.
pub(super) struct Walked {
    /// Bytes of the records that were visited.
    pub(super) bytes: u64,
    /// What stopped it, where it is not the end of the source or the visitor.
    pub(super) error: Option<McapError>,
}

/// Whether chunks are visited whole, or the records in them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    Whole,
    /// Only for a chunk that the source ends in.
    Opened,
}

/// Visits the records of `source`, which begins at a record. No record is longer than `limit`. `visit` gets the
/// bytes before the record, its kind and its content.
pub(super) fn walk<R: Read>(
    mut source: R,
    limit: u64,
    chunks: Chunks,
    mut visit: impl FnMut(u64, u8, &[u8]) -> ControlFlow<()>,
) -> Walked {
    let limit = usize::try_from(limit.min(MAX_RECORD_BYTES)).unwrap_or(usize::MAX);
    let options = LinearReaderOptions::default()
        .with_skip_start_magic(true)
        .with_skip_end_magic(true)
        .with_emit_chunks(chunks == Chunks::Whole)
        .with_record_length_limit(limit);
    let mut reader = LinearReader::new_with_options(options);
    let mut bytes = 0;
    loop {
        match reader.next_event() {
            None => return Walked { bytes, error: None },
            Some(Err(error)) => return Walked { bytes, error: Some(error) },
            Some(Ok(LinearReadEvent::ReadRequest(wanted))) => {
                match source.read(reader.insert(wanted.min(MAX_READ))) {
                    Ok(count) => reader.notify_read(count),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Walked { bytes, error: Some(error.into()) },
                }
            }
            Some(Ok(LinearReadEvent::Record { data, opcode })) => {
                let at = bytes;
                bytes += FRAME + data.len() as u64;
                if visit(at, opcode, data).is_break() {
                    return Walked { bytes, error: None };
                }
            }
        }
    }
}

/// An error of the `mcap` crate with what caused it.
pub(super) fn explain(error: &McapError) -> String {
    match error {
        McapError::Io(source) => source.to_string(),
        McapError::Parse(source) => format!("a record cannot be parsed: {source}"),
        other => other.to_string(),
    }
}

/// Parses a record; the reason where it cannot be.
///
/// Lengths of texts are looked at first: the `mcap` crate makes room for what they claim.
pub(super) fn parse(opcode: u8, record: &[u8]) -> Result<Record<'_>, String> {
    let mut fields = Fields(record);
    let fits = match opcode {
        op::SCHEMA => fields.skip(2).and_then(|()| fields.text()).and_then(|()| fields.text()),
        op::CHANNEL => fields.channel(),
        op::CHUNK => fields.skip(28).and_then(|()| fields.text()),
        op::CHUNK_INDEX => fields.chunk_index(),
        _ => Some(()),
    };
    if fits.is_none() {
        return Err("a record cannot be parsed: a length in it is wrong".to_owned());
    }
    mcap::parse_record(opcode, record).map_err(|error| explain(&error))
}

/// What is left of a record.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn skip(&mut self, count: usize) -> Option<()> {
        self.0 = self.0.get(count..)?;
        Some(())
    }

    /// A text, or a map as a whole: both begin with their length in bytes.
    fn text(&mut self) -> Option<()> {
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        self.skip(u32::from_le_bytes(*length) as usize)
    }

    fn chunk_index(&mut self) -> Option<()> {
        self.skip(32)?;
        // A map of 2-byte channels to 8-byte offsets: the crate reads whole entries, also beyond its length.
        let whole = u32::from_le_bytes(*self.0.first_chunk()?).is_multiple_of(10);
        self.text()?;
        self.skip(8)?;
        self.text()?;
        whole.then_some(())
    }

    fn channel(&mut self) -> Option<()> {
        self.skip(4)?;
        self.text()?;
        self.text()?;
        let (length, rest) = self.0.split_first_chunk()?;
        self.0 = rest.get(..u32::from_le_bytes(*length) as usize)?;
        // Names and values in pairs.
        while !self.0.is_empty() {
            self.text()?;
            self.text()?;
        }
        Some(())
    }
}
