//! The one way a frame goes, live or replayed.
