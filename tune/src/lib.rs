//! Fine-tuning of compressed detectors, straight from their ONNX files.
//!
//! A folder is a room; imports point down: [`study`] → [`train`] → [`losses`], [`data`], [`imbalance`] → [`heads`] → [`engine`] →
//! [`tensor`] (see `docs/architecture.md`).

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare numbers that are exact by construction"))]

pub mod data;
pub mod engine;
mod hash;
pub mod heads;
pub mod imbalance;
pub mod losses;
pub mod prune;
pub mod study;
pub mod tensor;
pub mod train;
pub mod truth;
