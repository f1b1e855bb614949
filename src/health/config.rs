//! The window's configuration and what can be wrong with it.

use serde::{Deserialize, Serialize};

use super::aggregates;

/// Shortest window in seconds: the second in progress and a whole one before it.
pub const MIN_WINDOW_S: u32 = 2;

/// Longest window in seconds. Up to here every total fits its integer (see [`WindowConfig::memory_bytes`]).
pub const MAX_WINDOW_S: u32 = 600;

/// Most memory that one camera's window may take, in bytes (256 MiB).
pub const MAX_WINDOW_BYTES: u64 = 256 << 20;

/// Size of a camera's sliding window and what it takes to judge by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WindowConfig {
    /// Length of the window in seconds, [`MIN_WINDOW_S`] to [`MAX_WINDOW_S`]. The second in progress is one of them.
    pub window_s: u32,
    /// Published detections that a class must have within the window before it is judged, at least 1.
    pub min_support: u32,
    /// Time without a frame, in nanoseconds, beyond which the camera is stale: at least 1, at most the window
    /// (after a silence as long as the window there is nothing left to judge by).
    pub stale_after_ns: u64,
}

impl Default for WindowConfig {
    /// One minute, 30 detections, 2 s.
    fn default() -> Self {
        Self { window_s: 60, min_support: 30, stale_after_ns: 2_000_000_000 }
    }
}

impl WindowConfig {
    /// Length of the window in nanoseconds.
    #[must_use]
    pub fn window_ns(&self) -> u64 {
        u64::from(self.window_s) * 1_000_000_000
    }

    /// Heap memory in bytes that a window of this configuration takes for `class_count` classes; all of it is
    /// taken at construction. `class_count × (window_s × 224 + 424) + window_s × 4`: 80 classes × 60 s take
    /// 1 109 360 bytes (1.06 MiB). Saturates at `u64::MAX`.
    #[must_use]
    pub fn memory_bytes(&self, class_count: usize) -> u64 {
        aggregates::heap_bytes(class_count, self.window_s)
    }

    /// Checks the values against their ranges.
    ///
    /// # Errors
    /// Names the first field out of range, with the range and the value found.
    pub fn validate(&self) -> Result<(), HealthError> {
        if !(MIN_WINDOW_S..=MAX_WINDOW_S).contains(&self.window_s) {
            return Err(HealthError::WindowLength { found_s: self.window_s });
        }
        if self.min_support == 0 {
            return Err(HealthError::MinSupport);
        }
        if !(1..=self.window_ns()).contains(&self.stale_after_ns) {
            return Err(HealthError::StaleAfter {
                found_ns: self.stale_after_ns,
                window_ns: self.window_ns(),
                window_s: self.window_s,
            });
        }
        Ok(())
    }
}

/// Why a health window can't be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthError {
    /// `window_s` is too short or too long.
    #[error(
        "health: `window_s` must be from {MIN_WINDOW_S} to {MAX_WINDOW_S} seconds, found {found_s}; 60 is usual"
    )]
    WindowLength {
        /// The value found, in seconds.
        found_s: u32,
    },
    /// `min_support` is zero, with which a class never seen would count as judged.
    #[error(
        "health: `min_support` must be at least 1 detection, found 0; with 0 a class never seen would pass \
         as healthy (30 is usual)"
    )]
    MinSupport,
    /// `stale_after_ns` is zero or longer than the window.
    #[error(
        "health: `stale_after_ns` must be from 1 to {window_ns} (`window_s` is {window_s}), found {found_ns}; \
         give a few frame intervals, or a longer `window_s`"
    )]
    StaleAfter {
        /// The value found, in nanoseconds.
        found_ns: u64,
        /// The longest allowed, in nanoseconds.
        window_ns: u64,
        /// The window's length, in seconds.
        window_s: u32,
    },
    /// The model has no classes.
    #[error(
        "health: a window needs at least 1 class, found 0; check the class names in the model's manifest"
    )]
    NoClasses,
    /// The window would take too much memory.
    #[error(
        "health: {class_count} classes × {window_s} s would take {found_bytes} bytes for one camera, more than \
         the {MAX_WINDOW_BYTES} allowed; shorten `window_s`"
    )]
    TooLarge {
        /// Classes of the model.
        class_count: usize,
        /// The window's length, in seconds.
        window_s: u32,
        /// What it would take, in bytes.
        found_bytes: u64,
    },
}
