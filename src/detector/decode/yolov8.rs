//! YOLOv8, v9 and v11: `(1, 4 + C, N)`, a column per box.
//!
//! The classes of a box lie a whole row apart, so the scan goes along the rows, over all boxes at once, and keeps the best
//! class of each.

use super::outputs::{Matrix, Outputs, ShapeChanged};
use super::scores::ScoreReader;
use super::{Candidates, Part, Row, RowBlock, TensorView};
use crate::detector::{BoundingBox, DetectorError};

/// Rows before the classes: x, y, w, h.
const HEAD_ROWS: usize = 4;

/// A YOLOv8 head bound to its output.
#[derive(Debug)]
pub(super) struct Yolov8 {
    matrix: Matrix,
    classes: usize,
    reader: ScoreReader,
    /// Best raw class value and class of each box, while a frame is read.
    best: Vec<(f32, u32)>,
}

impl Yolov8 {
    pub(super) fn bind(outputs: &Outputs<'_>) -> Result<Self, DetectorError> {
        let context = outputs.context;
        let classes = context.class_count;
        let expected = format!("(1, 4 + {classes}, N): rows x y w h and the classes, a column per box");
        let matrix = match outputs.predictions(&expected, |m| m.rows == HEAD_ROWS + classes && m.columns > 0)
        {
            Ok(matrix) => matrix,
            // an output that fits but for the class count says which that is; there are more boxes than classes
            Err(error) => match outputs.predictions("", |m| m.rows > HEAD_ROWS && m.columns > m.rows) {
                Ok(near) => return Err(outputs.wrong_class_count(&near, near.rows - HEAD_ROWS)),
                Err(_) => return Err(error),
            },
        };
        outputs.check_indices(matrix.columns)?;
        let reader = ScoreReader { activation: context.spec.activation, multi_label: context.multi_label() };
        let best = vec![(f32::NEG_INFINITY, 0); matrix.columns];
        Ok(Self { matrix, classes, reader, best })
    }

    pub(super) fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
    ) -> Result<(), ShapeChanged> {
        let data = self.matrix.of(outputs)?;
        let boxes = self.matrix.columns;
        let mut rows = data.chunks_exact(boxes);
        let mut next = || rows.next().unwrap_or_default();
        let head = Head { x: next(), y: next(), w: next(), h: next() };
        let threshold = self.reader.raw_threshold(candidates.low_score());
        self.best.fill((f32::NEG_INFINITY, 0));
        for (class, row) in rows.enumerate() {
            count_non_finite(row, candidates);
            if self.reader.multi_label {
                for (index, raw) in row.iter().enumerate() {
                    if *raw >= threshold && raw.is_finite() {
                        self.push(&head, index, class, *raw, candidates);
                    }
                }
            } else {
                for (raw, best) in row.iter().zip(&mut self.best) {
                    if *raw > best.0 && raw.is_finite() {
                        *best = (*raw, class as u32);
                    }
                }
            }
        }
        if !self.reader.multi_label {
            for (index, (raw, class)) in self.best.iter().enumerate() {
                if *raw >= threshold {
                    self.push(&head, index, *class as usize, *raw, candidates);
                }
            }
        }
        Ok(())
    }

    fn push(&self, head: &Head<'_>, index: usize, class: usize, raw: f32, candidates: &mut Candidates) {
        let place = (index * self.classes + class) as u32;
        candidates.push(head.bounding_box(index), self.reader.score(raw), class as u32, place);
    }

    pub(super) fn row_blocks(&self) -> Vec<RowBlock> {
        let boxes = self.matrix.columns;
        let part = |first: usize, columns: usize| Part {
            output: self.matrix.output,
            start: first * boxes,
            row_stride: 1,
            column_stride: boxes,
            columns,
        };
        let (scores, boxes_part) = (part(HEAD_ROWS, self.classes), part(0, HEAD_ROWS));
        vec![RowBlock { rows: boxes, first_row: 0, scores, boxes: boxes_part, objectness: None }]
    }

    pub(super) fn take_row(&self, row: &Row<'_>, candidates: &mut Candidates) {
        let [x, y, w, h] = *row.boxes else { return };
        self.reader.take(row.scores, 1.0, row.number, candidates, || BoundingBox::from_centre(x, y, w, h));
    }

    pub(super) fn visit_scores(&self, outputs: &[TensorView<'_>], visit: &mut dyn FnMut(f32)) {
        let Ok(data) = self.matrix.of(outputs) else { return };
        data.iter().skip(HEAD_ROWS * self.matrix.columns).copied().for_each(visit);
    }
}

/// The rows of the boxes.
struct Head<'a> {
    x: &'a [f32],
    y: &'a [f32],
    w: &'a [f32],
    h: &'a [f32],
}

impl Head<'_> {
    fn bounding_box(&self, index: usize) -> BoundingBox {
        let value = |row: &[f32]| row.get(index).copied().unwrap_or(f32::NAN);
        BoundingBox::from_centre(value(self.x), value(self.y), value(self.w), value(self.h))
    }
}

/// A row's sum is finite where all its values are, or overflows, which the exact count then sees.
fn count_non_finite(row: &[f32], candidates: &mut Candidates) {
    let (chunks, rest) = row.as_chunks::<8>();
    let mut sums = [0f32; 8];
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += *value;
        }
    }
    if !sums.iter().chain(rest).sum::<f32>().is_finite() {
        candidates.stats_mut().non_finite += row.iter().filter(|value| !value.is_finite()).count();
    }
}
