//! Recorded data: what the offline tools read and write.

pub mod bag;
