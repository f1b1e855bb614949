//! What waits for its partner.

use std::collections::VecDeque;

/// Most frames that wait for ground truth, and most messages that wait for their frame, of one camera. Where more come
/// the oldest go, as if their time were over.
pub const MAX_WAITING: usize = 4096;

/// Items by stamp, in the order in which they came. So few wait at a time that they are simply looked through.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    items: VecDeque<Item<T>>,
}

#[derive(Debug)]
struct Item<T> {
    arrived_ns: i64,
    stamp_ns: i64,
    held: T,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { items: VecDeque::new() }
    }
}

impl<T> Waiting<T> {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn has(&self, stamp_ns: i64) -> bool {
        self.items.iter().any(|item| item.stamp_ns == stamp_ns)
    }

    /// Takes the oldest item with a stamp.
    pub(super) fn take(&mut self, stamp_ns: i64) -> Option<T> {
        let at = self.items.iter().position(|item| item.stamp_ns == stamp_ns)?;
        self.items.remove(at).map(|item| item.held)
    }

    /// Adds an item; whether the oldest had to go for it.
    pub(super) fn put(&mut self, arrived_ns: i64, stamp_ns: i64, held: T) -> bool {
        let is_full = self.items.len() >= MAX_WAITING;
        if is_full {
            self.items.pop_front();
        }
        self.items.push_back(Item { arrived_ns, stamp_ns, held });
        is_full
    }

    /// Drops the oldest item if it came before a moment; whether it did.
    pub(super) fn expire(&mut self, before_ns: i64) -> bool {
        let is_over = self.items.front().is_some_and(|item| item.arrived_ns < before_ns);
        if is_over {
            self.items.pop_front();
        }
        is_over
    }
}
