//! Data from outside: labelled images, videos, bags.

pub mod bag;
pub mod dataset;
pub mod source;
