//! Copying of a bag to MCAP.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::{BagError, BagReader, BagWriter, Loss, TopicFilter, TopicId};

/// What a conversion did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// Messages written.
    pub messages: u64,
    /// What could not be read of the source.
    pub loss: Loss,
    /// What is odd about source or copy.
    pub warnings: Vec<String>,
}

/// Copies the topics that `filter` accepts; messages, stamps, schemas and quality of service stay as they are.
/// See [`BagWriter::create`] for what `target` becomes.
///
/// # Errors
///
/// [`BagError`] where the source cannot be opened or the target not be written.
pub fn convert(
    source: &BagReader,
    target: impl AsRef<Path>,
    filter: TopicFilter,
) -> Result<Converted, BagError> {
    let mut writer = BagWriter::create(target)?;
    let mut ids: HashMap<Arc<str>, (TopicId, Arc<str>)> = HashMap::new();
    for topic in source.topics().iter().filter(|topic| filter.accepts(&topic.name)) {
        let id = writer.add_topic_like(topic)?;
        ids.insert(Arc::clone(&topic.name), (id, Arc::clone(&topic.type_name)));
    }
    let (mut count, mut other_type) = (0, 0);
    let mut messages = source.messages(filter);
    for message in &mut messages {
        let message = message?;
        match ids.get(&message.topic) {
            Some((id, type_name)) if *type_name == message.type_name => {
                writer.write(*id, message.log_time_ns, message.publish_time_ns, &message.data)?;
                count += 1;
            }
            _ => other_type += 1,
        }
    }
    let loss = messages.loss().clone();
    let mut warnings = source.warnings().to_vec();
    if messages.out_of_order() > 0 {
        warnings.push(format!("{} messages are not in the order of time", messages.out_of_order()));
    }
    if other_type > 0 {
        warnings
            .push(format!("{other_type} messages left out: their topic has messages of another type before"));
    }
    warnings.extend_from_slice(writer.warnings());
    writer.finish()?;
    Ok(Converted { messages: count, loss, warnings })
}
