//! Data from outside: labelled images, videos, bags.

pub mod dataset;
pub mod source;
