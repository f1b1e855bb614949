//! An allocator that knows how much memory a thread holds, and held at most.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Peak;

#[global_allocator]
static ALLOCATOR: Peak = Peak;

thread_local! {
    // Constant and without a destructor, so that reaching them doesn't allocate either.
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// The most bytes of Rust's heap that `action` held at once on this thread.
pub(crate) fn peak_bytes(action: impl FnOnce()) -> usize {
    let before = HELD.get();
    MOST.set(before);
    action();
    usize::try_from(MOST.get() - before).unwrap_or(0)
}

fn change(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    MOST.set(MOST.get().max(held));
}

#[allow(unsafe_code, reason = "counting memory takes a global allocator")]
// SAFETY: every call goes to the system allocator with the arguments it came with; counting does not allocate.
unsafe impl GlobalAlloc for Peak {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        change(layout.size() as isize);
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        change(layout.size() as isize);
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        change(new_size as isize - layout.size() as isize);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(block, layout, new_size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        change(-(layout.size() as isize));
        // SAFETY: the caller keeps `dealloc`'s contract, and the block came from the system allocator.
        unsafe { System.dealloc(block, layout) }
    }
}
