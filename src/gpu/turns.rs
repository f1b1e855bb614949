//! Who may use the GPU while a model is captured as a CUDA graph.
//!
//! ONNX Runtime captures in CUDA's global mode, in which an allocation, or the end of one, by any thread of the process
//! breaks the capture. So a model is brought up alone, and what runs or goes meanwhile waits.

use std::cell::Cell;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static TURNS: RwLock<()> = RwLock::new(());

thread_local! {
    /// Whether this thread has a turn; a second one would wait for whoever waits for the first.
    static HAS_TURN: Cell<bool> = const { Cell::new(false) };
}

/// A thread's turn; ends with it.
pub(crate) struct Turn<G> {
    _guard: G,
}

impl<G> Turn<G> {
    fn of(guard: G) -> Self {
        HAS_TURN.set(true);
        Self { _guard: guard }
    }
}

impl<G> Drop for Turn<G> {
    fn drop(&mut self) {
        HAS_TURN.set(false);
    }
}

/// Held while a model is brought up: waits for everybody else. A thread that has a turn must not ask.
pub(crate) fn alone() -> Turn<RwLockWriteGuard<'static, ()>> {
    Turn::of(TURNS.write().unwrap_or_else(PoisonError::into_inner))
}

/// Held while a model runs, and while its memory is given back. `None` where this thread has a turn already.
pub(crate) fn with_others() -> Option<Turn<RwLockReadGuard<'static, ()>>> {
    (!HAS_TURN.get()).then(|| Turn::of(TURNS.read().unwrap_or_else(PoisonError::into_inner)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn who_is_alone_keeps_others_out_but_not_itself() {
        static OTHER_RAN: AtomicBool = AtomicBool::new(false);
        let turn = alone();
        assert!(with_others().is_none(), "its own runs do not wait for itself");
        let other = std::thread::spawn(|| {
            let _turn = with_others();
            OTHER_RAN.store(true, Ordering::SeqCst);
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!OTHER_RAN.load(Ordering::SeqCst));
        drop(turn);
        other.join().unwrap();
        assert!(OTHER_RAN.load(Ordering::SeqCst));
        let turn = with_others();
        assert!(turn.is_some() && with_others().is_none(), "one turn is enough");
    }
}
