//! Frames, encodings and conversions.
