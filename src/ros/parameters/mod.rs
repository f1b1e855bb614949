//! The node's parameters: declared with type, range and description, validated as a whole, changed atomically.
//!
//! r2r's own parameter handler accepts any value of any type, so the services are answered here.

mod config;
mod corruption;
mod services;
mod spec;
mod store;

pub(crate) use config::{CameraConfig, LiveConfig, NodeConfig, Transport};
pub(crate) use corruption::{CorruptionConfig, InjectSource};
pub(crate) use services::ParameterServices;
pub(crate) use store::{ParameterStore, Phase};
