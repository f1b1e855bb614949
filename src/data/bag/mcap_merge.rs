//! Messages of an MCAP file in the order of their log time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::Path;

use super::mcap_chunk::{Content, Stored, read_chunk, read_cut_chunk, read_records};
use super::mcap_file::{McapFile, signed};
use super::mcap_index::{Kind, Span};
use super::mcap_records::{FRAME, MAX_RECORD_BYTES};
use super::{BagError, Loss, TopicFilter};

/// Messages held back for those that come later in the file but are earlier in time.
const MAX_HELD_BYTES: usize = 256 << 20;

/// A message with the topic's position in its file.
pub(super) struct RawMessage {
    pub(super) topic: usize,
    pub(super) log_time_ns: i64,
    pub(super) publish_time_ns: i64,
    pub(super) data: Vec<u8>,
}

/// Ordered by time, then by place in the file.
struct Held {
    key: (u64, u64, usize),
    topic: usize,
    message: Stored,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

/// Where the reading of a file is.
#[derive(Default)]
pub(super) struct McapCursor {
    /// Parts still to be read, the next one last.
    spans: Vec<Span>,
    held: BinaryHeap<Reverse<Held>>,
    held_bytes: usize,
    unknown_channel: bool,
}

impl McapCursor {
    pub(super) fn new(file: &McapFile, filter: &TopicFilter) -> Self {
        let wanted = |span: &&Span| {
            span.channels.is_empty()
                || span.channels.iter().any(|channel| {
                    let topic = file.by_channel.get(channel).and_then(|&topic| file.topics.get(topic));
                    topic.is_none_or(|topic| filter.accepts(&topic.name))
                })
        };
        let mut spans: Vec<Span> = file.index.spans.iter().filter(wanted).cloned().collect();
        spans.sort_by_key(|span| Reverse((span.start_ns, span.offset)));
        Self { spans, ..Self::default() }
    }

    pub(super) fn next(
        &mut self,
        file: &McapFile,
        filter: &TopicFilter,
        loss: &mut Loss,
    ) -> Result<Option<RawMessage>, BagError> {
        while let Some(span) = self.spans.last() {
            let earlier = self.held.peek().is_none_or(|Reverse(held)| {
                let (time_ns, offset, _) = held.key;
                (span.start_ns, span.offset) < (time_ns, offset) && self.held_bytes < MAX_HELD_BYTES
            });
            if !earlier {
                break;
            }
            if let Some(span) = self.spans.pop() {
                self.load(&span, file, filter, loss)?;
            }
        }
        let Some(Reverse(held)) = self.held.pop() else { return Ok(None) };
        self.held_bytes -= held.message.data.len();
        Ok(Some(RawMessage {
            topic: held.topic,
            log_time_ns: signed(held.message.log_time_ns),
            publish_time_ns: signed(held.message.publish_time_ns),
            data: held.message.data,
        }))
    }

    fn load(
        &mut self,
        span: &Span,
        file: &McapFile,
        filter: &TopicFilter,
        loss: &mut Loss,
    ) -> Result<(), BagError> {
        let content = match read_span(&file.file, span) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                let damage = Some((span.length, "the file became shorter".to_owned()));
                Content { damage, ..Content::default() }
            }
            Err(error) => return Err(BagError::io(Path::new(&file.name))(error)),
        };
        // What a walk has found is counted already.
        if let Some((bytes, reason)) = content.damage
            && file.index.counts.is_some()
        {
            loss.add(bytes, format!("{}: chunk at byte {}: {reason}", file.name, span.offset));
        }
        for (position, message) in content.messages.into_iter().enumerate() {
            let Some(&topic) = file.by_channel.get(&message.channel_id) else {
                if !std::mem::replace(&mut self.unknown_channel, true) {
                    let id = message.channel_id;
                    loss.add(0, format!("{}: messages of channel {id}, which is not declared", file.name));
                }
                continue;
            };
            if file.topics.get(topic).is_some_and(|topic| filter.accepts(&topic.name)) {
                self.held_bytes += message.data.len();
                let key = (message.log_time_ns, span.offset, position);
                self.held.push(Reverse(Held { key, topic, message }));
            }
        }
        Ok(())
    }
}

fn read_span(mut file: &File, span: &Span) -> std::io::Result<Content> {
    if span.length > MAX_RECORD_BYTES || span.length < FRAME {
        let damage = Some((span.length, format!("length {} is not possible", span.length)));
        return Ok(Content { damage, ..Content::default() });
    }
    // Inside the file: checked when the index was made.
    let mut bytes = vec![0; span.length as usize];
    file.seek(SeekFrom::Start(span.offset))?;
    file.read_exact(&mut bytes)?;
    Ok(match span.kind {
        Kind::Loose => read_records(&bytes),
        Kind::CutChunk => read_cut_chunk(&bytes),
        Kind::Chunk => match bytes.split_at_checked(FRAME as usize) {
            Some(([mcap::records::op::CHUNK, ..], record)) => read_chunk(record),
            _ => Content {
                damage: Some((span.length, "no chunk where the summary says".to_owned())),
                ..Content::default()
            },
        },
    })
}
