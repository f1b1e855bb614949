//! An MCAP file as a part of a bag.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::mcap_index::{McapIndex, Span, index};
use super::{BagError, Loss, Schema, Topic};

pub(super) struct McapFile {
    pub(super) file: File,
    /// How it is called in texts.
    pub(super) name: String,
    pub(super) index: McapIndex,
    /// One entry a channel: topics that several publishers wrote to are listed several times.
    pub(super) topics: Vec<Topic>,
    /// Position in `topics` by channel.
    pub(super) by_channel: BTreeMap<u16, usize>,
}

impl McapFile {
    pub(super) fn open(path: &Path, name: String) -> Result<Self, BagError> {
        let file = File::open(path).map_err(BagError::io(path))?;
        let index = index(&file, &name).map_err(BagError::io(path))?;
        let mut topics = Vec::with_capacity(index.channels.len());
        let mut by_channel = BTreeMap::new();
        for (id, channel) in &index.channels {
            by_channel.insert(*id, topics.len());
            let schema = index.schemas.get(&channel.schema_id);
            topics.push(Topic {
                name: channel.topic.as_str().into(),
                type_name: schema.map_or("", |(header, _)| header.name.as_str()).into(),
                serialization_format: channel.message_encoding.clone(),
                message_count: index.counts.as_ref().map(|counts| counts.get(id).copied().unwrap_or(0)),
                offered_qos_profiles: channel
                    .metadata
                    .get("offered_qos_profiles")
                    .cloned()
                    .unwrap_or_default(),
                schema: schema.map(|(header, data)| Schema {
                    encoding: header.encoding.clone(),
                    data: Arc::from(data.as_slice()),
                }),
            });
        }
        Ok(Self { file, name, index, topics, by_channel })
    }

    pub(super) fn loss(&self) -> &Loss {
        &self.index.loss
    }

    /// First and last log time, nanoseconds.
    pub(super) fn time_range_ns(&self) -> Option<(i64, i64)> {
        // Chunks without messages have no range: zeros, or the wrong way round.
        let filled = |span: &&Span| span.start_ns <= span.end_ns && span.end_ns > 0;
        let spans = self.index.spans.iter().filter(filled);
        let start = spans.clone().map(|span| span.start_ns).min()?;
        let end = spans.map(|span| span.end_ns).max()?;
        Some((signed(start), signed(end)))
    }
}

/// Times of MCAP are unsigned; those after 2262 become that year.
pub(super) fn signed(time_ns: u64) -> i64 {
    i64::try_from(time_ns).unwrap_or(i64::MAX)
}
