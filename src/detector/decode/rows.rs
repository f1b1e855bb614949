//! Reading outputs row by row, for a GPU that picks the rows that may hold an object and brings back only those.

use super::scores::ScoreReader;
use super::{Candidates, Decoder, Head};

/// A matrix inside an output: element (row, column) lies `start + row * row_stride + column * column_stride` elements
/// into an image's share of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Index among the outputs.
    pub output: usize,
    /// Where its first element lies.
    pub start: usize,
    /// Elements from a row to the next.
    pub row_stride: usize,
    /// Elements from a column to the next.
    pub column_stride: usize,
    /// Elements of a row.
    pub columns: usize,
}

/// Rows of boxes with their scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowBlock {
    /// How many.
    pub rows: usize,
    /// Number of the first row.
    pub first_row: usize,
    /// A column per class.
    pub scores: Part,
    /// What the box is made of.
    pub boxes: Part,
    /// One column, where the head has objectness.
    pub objectness: Option<Part>,
}

/// One row that may hold an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) number: usize,
    /// As the model gives it; ignored where the head has none.
    pub(crate) objectness: f32,
    pub(crate) scores: &'a [f32],
    pub(crate) boxes: &'a [f32],
}

impl<'a> Row<'a> {
    /// A row of a head without objectness.
    pub(super) fn plain(number: usize, scores: &'a [f32], boxes: &'a [f32]) -> Self {
        Self { number, objectness: 1.0, scores, boxes }
    }
}

impl Decoder {
    /// The blocks of rows that [`decode_rows`](Self::decode_rows) takes rows of. Empty where the head's outputs are read
    /// as a whole, because they are small.
    pub(crate) fn row_blocks(&self) -> Vec<RowBlock> {
        match &self.head {
            Head::Nanodet(head) => head.row_blocks(),
            Head::Yolox(head) => head.row_blocks(),
            Head::Yolov5(head) => head.row_blocks(),
            Head::Yolov8(head) => head.row_blocks(),
            Head::EndToEnd(_) | Head::Rtdetr(_) => Vec::new(),
        }
    }

    /// Where boxes and scores lie in the outputs, in ascending order of the rows: a block per level, or one. Empty for
    /// end-to-end heads, whose rows hold no scores of all classes.
    #[must_use]
    pub fn layout(&self) -> Vec<RowBlock> {
        match &self.head {
            Head::Rtdetr(head) => vec![head.row_block()],
            _ => self.row_blocks(),
        }
    }

    /// A raw value that every row with a score from `score` up reaches, in its objectness and its best class.
    pub(crate) fn raw_threshold(&self, score: f32) -> f32 {
        ScoreReader { activation: self.activation, multi_label: false }.raw_threshold(score)
    }

    /// Takes rows that were picked, in ascending order, into `candidates`, which the caller has
    /// [begun](Candidates::begin). What comes out is what [`decode`](Self::decode) finds in the whole outputs, if every
    /// row that reaches [`raw_threshold`](Self::raw_threshold) is among them. `non_finite` values were seen in others.
    pub(crate) fn decode_rows<'a>(
        &self,
        rows: impl Iterator<Item = Row<'a>>,
        non_finite: usize,
        candidates: &mut Candidates,
    ) {
        candidates.stats_mut().non_finite += non_finite;
        let threshold = self.raw_threshold(candidates.low_score());
        for row in rows {
            match &self.head {
                Head::Nanodet(head) => head.take_row(&row, candidates),
                Head::Yolox(head) => head.take_row(&row, threshold, candidates),
                Head::Yolov5(head) => head.take_row(&row, threshold, candidates),
                Head::Yolov8(head) => head.take_row(&row, candidates),
                Head::EndToEnd(_) | Head::Rtdetr(_) => {}
            }
        }
        candidates.finish();
    }
}
