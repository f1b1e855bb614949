//! Puts what comes out of order in order again.

use std::collections::BTreeMap;

/// Numbered items, handed on by growing number without gaps.
#[derive(Debug)]
pub(super) struct InOrder<T> {
    next: u64,
    waiting: BTreeMap<u64, T>,
}

impl<T> InOrder<T> {
    pub(super) fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new() }
    }

    pub(super) fn put(&mut self, number: u64, item: T) {
        self.waiting.insert(number, item);
    }

    /// The next item, if it is there.
    pub(super) fn take(&mut self) -> Option<T> {
        let item = self.waiting.remove(&self.next)?;
        self.next += 1;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_order_becomes_the_right_one(keys in proptest::collection::vec(proptest::prelude::any::<u32>(), 1..60)) {
            let mut numbers: Vec<usize> = (0..keys.len()).collect();
            numbers.sort_by_key(|i| keys[*i]);
            let mut order = InOrder::new();
            let mut taken = Vec::new();
            for number in numbers {
                order.put(number as u64, number);
                while let Some(item) = order.take() {
                    taken.push(item);
                }
            }
            proptest::prop_assert_eq!(taken, (0..keys.len()).collect::<Vec<_>>());
        }
    }
}
