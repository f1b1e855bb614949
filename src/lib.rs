//! Roadproof: a compressed object detector for vehicles that knows, for every class, when it is failing.
//!
//! The library is the pipeline that the live node and the offline tools share; a folder is a room, and
//! imports point down only (see `docs/architecture.md`).

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare numbers that are exact by construction"))]

pub mod bench;
pub mod compress;
pub mod corruption;
pub mod dashboard;
pub mod data;
pub mod detector;
pub mod evaluation;
mod gpu;
pub mod health;
pub mod image;
pub mod pipeline;
pub mod replay;
pub mod report;
#[cfg(feature = "ros")]
pub mod ros;
pub mod truth;
