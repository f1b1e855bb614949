//! Topics of a bag.

use std::collections::BTreeSet;
use std::sync::Arc;

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its type, as `package/msg/Type`.
    pub type_name: Arc<str>,
    /// How its messages are serialised; `cdr` is the only one that Roadproof decodes.
    pub serialization_format: String,
    /// Its messages by the bag's statistics, where it has them.
    pub message_count: Option<u64>,
    /// Quality of service of its publishers, as rosbag2 writes it (YAML); empty where not recorded.
    pub offered_qos_profiles: String,
    /// The type's definition, where the bag holds it.
    pub schema: Option<Schema>,
}

/// The definition of a type, as the bag holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Its language: `ros2msg`, `ros2idl`.
    pub encoding: String,
    /// The text.
    pub data: Arc<[u8]>,
}

/// The topics that are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TopicFilter {
    /// All of them.
    #[default]
    All,
    /// These.
    Only(BTreeSet<String>),
}

impl TopicFilter {
    /// A filter for these topics.
    pub fn only<T: Into<String>>(topics: impl IntoIterator<Item = T>) -> Self {
        Self::Only(topics.into_iter().map(Into::into).collect())
    }

    /// Whether a topic is read.
    #[must_use]
    pub fn accepts(&self, topic: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(topics) => topics.contains(topic),
        }
    }
}
