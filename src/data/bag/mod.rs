//! Bags of ROS 2: recordings in MCAP or `SQLite`, read and written without ROS.
//!
//! [`BagReader`] opens a folder with its `metadata.yaml`, or a single file. [`BagWriter`] writes MCAP, [`Recorder`] does
//! so in a thread of its own. What messages say is the room [`cdr`].
//!
//! A damaged bag is read as far as it goes: what could not be read is counted in a [`Loss`], which the caller
//! has to look at. A bag that cannot be opened at all is a [`BagError`].

pub mod cdr;
mod compressed;
mod convert;
mod definitions;
mod error;
mod loss;
mod mcap_chunk;
mod mcap_file;
mod mcap_index;
mod mcap_merge;
mod mcap_records;
mod metadata;
mod reader;
mod recorder;
mod sqlite;
mod topic;
mod writer;

#[cfg(test)]
mod tests;

pub use convert::{Converted, convert};
pub use definitions::{MessageDefinition, find_definition};
pub use error::BagError;
pub use loss::Loss;
pub use reader::{BagMessage, BagReader, Messages};
pub use recorder::{RecordedTopic, Recorder, RecorderState};
pub use topic::{Schema, Topic, TopicFilter};
pub use writer::{BagWriter, TopicId};
