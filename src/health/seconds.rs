//! A ring of seconds: what was summed up in each of the last seconds.

/// `width` cells for each of the last seconds. All memory is taken at construction.
#[derive(Debug, Clone)]
pub(super) struct Seconds<T> {
    length: i64,
    width: usize,
    /// The cells of a second lie together, in slot `second mod length`.
    cells: Vec<T>,
    newest: Option<i64>,
}

impl<T: Copy + Default> Seconds<T> {
    /// For `seconds` seconds of `width` cells; at least one of each is kept.
    pub(super) fn new(seconds: u32, width: usize) -> Self {
        let (seconds, width) = (seconds.max(1), width.max(1));
        Self {
            length: i64::from(seconds),
            width,
            cells: vec![T::default(); seconds as usize * width],
            newest: None,
        }
    }

    /// Makes `second` the newest one and forgets what that pushes out; does nothing if it isn't newer.
    pub(super) fn move_to(&mut self, second: i64) {
        if let Some(newest) = self.newest {
            for entering in newest.saturating_add(1)..=second.min(newest.saturating_add(self.length)) {
                if let Some(cells) = self.slot_mut(entering) {
                    cells.fill(T::default());
                }
            }
        }
        self.newest = Some(self.newest.map_or(second, |newest| newest.max(second)));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.cells.fill(T::default());
        self.newest = None;
    }

    /// The cells of a second; `None` if it isn't among the last ones.
    pub(super) fn get_mut(&mut self, second: i64) -> Option<&mut [T]> {
        let newest = self.newest?;
        if second > newest || second <= newest.saturating_sub(self.length) {
            return None;
        }
        self.slot_mut(second)
    }

    /// The cells of every second, in no order; those without events hold the default.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[T]> {
        self.cells.chunks_exact(self.width)
    }

    /// The cells at `index` of the `count` seconds before the newest one, which is still in progress.
    pub(super) fn before_newest(&self, index: usize, count: u32) -> impl Iterator<Item = T> {
        let count = i64::from(count).min(self.length - 1);
        self.newest(index, count as u32 + 1).take(count as usize)
    }

    /// The cells at `index` of the newest `count` seconds, the oldest of them first.
    pub(super) fn newest(&self, index: usize, count: u32) -> impl Iterator<Item = T> {
        let newest = self.newest.unwrap_or_default();
        let count = i64::from(count).min(self.length);
        (newest.saturating_sub(count - 1)..=newest).filter_map(move |second| {
            let slot = second.rem_euclid(self.length) as usize;
            self.cells.get(slot * self.width + index).copied()
        })
    }

    fn slot_mut(&mut self, second: i64) -> Option<&mut [T]> {
        let slot = second.rem_euclid(self.length) as usize;
        self.cells.get_mut(slot * self.width..(slot + 1) * self.width)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_what_a_map_of_all_seconds_holds(events in prop::collection::vec((-30_i64..30, 0_usize..3), 1..200)) {
            let mut ring = Seconds::<u32>::new(5, 3);
            let mut naive = BTreeMap::<(i64, usize), u32>::new();
            let mut newest = i64::MIN;
            for (second, index) in events {
                ring.move_to(second);
                newest = newest.max(second);
                let inside = second > newest - 5;
                let cells = ring.get_mut(second);
                prop_assert_eq!(cells.is_some(), inside);
                if let Some(cells) = cells {
                    cells[index] += 1;
                    *naive.entry((second, index)).or_default() += 1;
                }
                for index in 0..3 {
                    let total: u32 = ring.iter().map(|cells| cells[index]).sum();
                    let expected: u32 = (newest - 4..=newest).filter_map(|s| naive.get(&(s, index))).sum();
                    prop_assert_eq!(total, expected);
                    let recent: u32 = ring.before_newest(index, 2).sum();
                    let expected: u32 = (newest - 2..newest).filter_map(|s| naive.get(&(s, index))).sum();
                    prop_assert_eq!(recent, expected);
                    let recent: u32 = ring.newest(index, 2).sum();
                    let expected: u32 = (newest - 1..=newest).filter_map(|s| naive.get(&(s, index))).sum();
                    prop_assert_eq!(recent, expected);
                }
            }
        }
    }
}
