//! The ring of one-second aggregates and the running totals over it.
//!
//! Every figure is an integer, scores in fixed point too, so that what was added on arrival is subtracted
//! exactly on expiry: after days the totals are still those of the window and not of its rounding errors.

use super::histogram::{SCORE_BINS, ScoreHistogram, bin_of};

const NS_PER_S: i64 = 1_000_000_000;

/// Scores are summed in units of 2⁻³²: exact for every `f32` from 2⁻⁸ up, within 2⁻³³ below.
const SCORE_ONE: f64 = 4_294_967_296.0;

/// The second (since the epoch, rounded down) that a time belongs to.
pub(super) fn second_of(time_ns: i64) -> i64 {
    time_ns.div_euclid(NS_PER_S)
}

/// One class within one second.
///
/// A bin is a `u16` that stops at its maximum: 65 535 scores of one class, one second and one hundredth are ten
/// times what 100 detections per frame at 60 frames/s can give even if all of them fall into one bin, and `u32`
/// bins would double the memory. A detection beyond it is left out of every figure, so that they stay
/// consistent, and counted. It bounds the totals too: 100 bins × 65 535 × 600 s < 2³².
#[derive(Clone, Debug)]
struct Cell {
    bins: [u16; SCORE_BINS],
    low: u32,
    published: u32,
    low_sum: u64,
    published_sum: u64,
}

impl Cell {
    const EMPTY: Self = Self { bins: [0; SCORE_BINS], low: 0, published: 0, low_sum: 0, published_sum: 0 };
}

/// One class over the whole window.
#[derive(Clone, Debug)]
pub(super) struct ClassTotals {
    /// Scores of all detections, down to the low threshold.
    pub(super) bins: ScoreHistogram,
    /// Number of all detections.
    pub(super) low: u32,
    /// Number of published detections.
    pub(super) published: u32,
    low_sum: u64,
    published_sum: u64,
}

impl ClassTotals {
    const EMPTY: Self = Self { bins: [0; SCORE_BINS], low: 0, published: 0, low_sum: 0, published_sum: 0 };

    /// Mean score of all detections, NaN if there are none.
    pub(super) fn mean_low(&self) -> f64 {
        self.low_sum as f64 / SCORE_ONE / f64::from(self.low)
    }

    /// Mean score of the published detections, NaN if there are none.
    pub(super) fn mean_published(&self) -> f64 {
        self.published_sum as f64 / SCORE_ONE / f64::from(self.published)
    }

    fn subtract(&mut self, cell: &Cell) {
        for (total, &n) in self.bins.iter_mut().zip(&cell.bins) {
            *total -= u32::from(n);
        }
        self.low -= cell.low;
        self.published -= cell.published;
        self.low_sum -= cell.low_sum;
        self.published_sum -= cell.published_sum;
    }
}

/// What became of a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Added {
    Yes,
    BadScore,
    BadClass,
    Saturated,
}

/// Aggregates of the last `seconds` seconds for each class.
#[derive(Clone, Debug)]
pub(super) struct Aggregates {
    seconds: i64,
    /// `seconds` × classes: the cells of a second lie together, in slot `second mod seconds`.
    cells: Vec<Cell>,
    /// Frames of each slot's second.
    frames: Vec<u32>,
    totals: Vec<ClassTotals>,
    total_frames: u64,
    newest: Option<i64>,
}

/// Heap memory of [`Aggregates`] in bytes.
pub(super) fn heap_bytes(class_count: usize, seconds: u32) -> u64 {
    let per_class = u64::from(seconds) * size_of::<Cell>() as u64 + size_of::<ClassTotals>() as u64;
    (class_count as u64)
        .saturating_mul(per_class)
        .saturating_add(u64::from(seconds) * size_of::<u32>() as u64)
}

impl Aggregates {
    /// Takes all the memory it will ever have. Both numbers are at least 1 and their product has been checked.
    pub(super) fn new(class_count: usize, seconds: u32) -> Self {
        let slots = seconds as usize;
        Self {
            seconds: i64::from(seconds),
            cells: vec![Cell::EMPTY; class_count * slots],
            frames: vec![0; slots],
            totals: vec![ClassTotals::EMPTY; class_count],
            total_frames: 0,
            newest: None,
        }
    }

    /// Classes, in the order of their ids.
    pub(super) fn classes(&self) -> &[ClassTotals] {
        &self.totals
    }

    /// Frames within the window.
    pub(super) fn frames(&self) -> u64 {
        self.total_frames
    }

    /// The oldest second within the window; `None` before the first one.
    pub(super) fn oldest(&self) -> Option<i64> {
        self.newest.map(|newest| newest - self.seconds + 1)
    }

    /// Makes `second` the newest one and forgets what that pushes out; does nothing if it isn't newer.
    pub(super) fn move_to(&mut self, second: i64) {
        if let Some(newest) = self.newest {
            // Seconds of an i64 of nanoseconds are within ±9.3e9: no overflow here.
            for entering in newest + 1..=second.min(newest + self.seconds) {
                self.expire(entering);
            }
        }
        self.newest = Some(self.newest.map_or(second, |newest| newest.max(second)));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        for second in 0..self.seconds {
            self.expire(second);
        }
        self.newest = None;
    }

    /// Counts a frame and gives access to its second; `None` if that second isn't within the window.
    pub(super) fn frame(&mut self, second: i64) -> Option<SecondMut<'_>> {
        if second < self.oldest()? || second > self.newest? {
            return None;
        }
        let slot = self.slot(second);
        let classes = self.totals.len();
        let frames = self.frames.get_mut(slot)?;
        if let Some(more) = frames.checked_add(1) {
            *frames = more;
            self.total_frames += 1;
        }
        let cells = self.cells.get_mut(slot * classes..(slot + 1) * classes)?;
        Some(SecondMut { cells, totals: &mut self.totals })
    }

    fn slot(&self, second: i64) -> usize {
        second.rem_euclid(self.seconds) as usize
    }

    /// Empties the slot that `second` falls into.
    fn expire(&mut self, second: i64) {
        let slot = self.slot(second);
        let Some(frames) = self.frames.get_mut(slot) else { return };
        // Without frames there were no detections.
        if *frames == 0 {
            return;
        }
        self.total_frames -= u64::from(*frames);
        *frames = 0;
        let classes = self.totals.len();
        let cells = self.cells.iter_mut().skip(slot * classes);
        for (cell, totals) in cells.zip(&mut self.totals) {
            if cell.low > 0 {
                totals.subtract(cell);
                *cell = Cell::EMPTY;
            }
        }
    }
}

/// One second of the window, to add detections to.
pub(super) struct SecondMut<'a> {
    cells: &'a mut [Cell],
    totals: &'a mut [ClassTotals],
}

impl SecondMut<'_> {
    /// Adds one detection.
    pub(super) fn add(&mut self, class_id: u32, score: f32, published: bool) -> Added {
        let class = class_id as usize;
        let (Some(cell), Some(total)) = (self.cells.get_mut(class), self.totals.get_mut(class)) else {
            return Added::BadClass;
        };
        let Some(bin) = bin_of(score) else { return Added::BadScore };
        let (Some(fine), Some(total_fine)) = (cell.bins.get_mut(bin), total.bins.get_mut(bin)) else {
            return Added::BadScore;
        };
        let Some(more) = fine.checked_add(1) else { return Added::Saturated };
        *fine = more;
        *total_fine += 1;
        let fixed = (f64::from(score) * SCORE_ONE).round() as u64;
        cell.low += 1;
        cell.low_sum += fixed;
        total.low += 1;
        total.low_sum += fixed;
        if published {
            cell.published += 1;
            cell.published_sum += fixed;
            total.published += 1;
            total.published_sum += fixed;
        }
        Added::Yes
    }
}
