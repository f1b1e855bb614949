//! Alarm thresholds from clean frames.

/// Clean frames of one camera.
#[derive(Debug)]
pub struct CleanFrames {}

/// Thresholds.
pub fn calibrate() {}
