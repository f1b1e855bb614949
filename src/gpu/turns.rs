//! Who may use the GPU while a model is captured as a CUDA graph.
//!
//! ONNX Runtime captures in CUDA's global mode, in which an allocation by any thread of the process breaks the capture. So
//! a model is brought up alone, and what runs meanwhile waits.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static TURNS: RwLock<()> = RwLock::new(());

/// Held while a model is brought up.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    TURNS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Held while a model runs.
pub(crate) fn with_others() -> RwLockReadGuard<'static, ()> {
    TURNS.read().unwrap_or_else(PoisonError::into_inner)
}
