//! A study as people read it: one HTML file, and what changed between two studies.
//!
//! [`load()`] reads `report.json`, [`html`] renders it, [`compare`] puts two beside each other; [`timeline`] shows a
//! replay's health, [`charts`] any curves.

mod chart;
pub mod charts;
mod classes;
pub mod compare;
mod confusion;
mod cost;
mod curves;
mod error;
#[cfg(test)]
mod fixture;
mod heat;
mod load;
mod method;
mod monitor;
mod number;
mod page;
mod palette;
mod samples;
mod summary;
pub mod timeline;
mod trade;
mod words;

pub use error::ReportError;
pub use load::{load, parse};
pub use page::html;

#[cfg(test)]
mod tests;
