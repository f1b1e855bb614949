//! YOLOX: boxes as offsets in the grids of the levels, finest first.
//!
//! `x = (x' + column) * stride`, `w = exp(w') * stride`, and so for y and h (Ge et al., "YOLOX: Exceeding YOLO Series in
//! 2021", arXiv 2107.08430; the head's `decode_outputs`).

use super::outputs::{Outputs, ShapeChanged};
use super::yolo_rows::YoloRows;
use super::{Candidates, Row, RowBlock, TensorView};
use crate::detector::{BoundingBox, DetectorError};

/// A YOLOX head bound to its output.
#[derive(Debug)]
pub(super) struct Yolox {
    rows: YoloRows,
    levels: Vec<Level>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    first_row: usize,
    /// Cells per row of the grid.
    columns: usize,
    stride: f32,
}

impl Yolox {
    pub(super) fn bind(outputs: &Outputs<'_>) -> Result<Self, DetectorError> {
        let context = outputs.context;
        let mut first_row = 0;
        let mut levels = Vec::new();
        for &stride in &context.spec.strides {
            let (columns, rows) = (context.input.width / stride, context.input.height / stride);
            levels.push(Level { first_row, columns: columns.max(1) as usize, stride: stride as f32 });
            first_row += columns as usize * rows as usize;
        }
        let expected = format!(
            "(1, {first_row}, 5 + {}): one row per cell of strides {:?}",
            context.class_count, context.spec.strides
        );
        Ok(Self { rows: YoloRows::bind(outputs, Some(first_row), &expected)?, levels })
    }

    pub(super) fn decode(
        &self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
    ) -> Result<(), ShapeChanged> {
        self.rows.decode(outputs, candidates, |row, offsets| self.bounding_box(row, offsets))
    }

    fn bounding_box(&self, row: usize, [x, y, w, h]: [f32; 4]) -> BoundingBox {
        // few levels: a search from the last is fastest
        let level = self.levels.iter().rev().find(|level| level.first_row <= row);
        let Some(Level { first_row, columns, stride }) = level.copied() else {
            return BoundingBox::default();
        };
        let cell = row - first_row;
        let (column, line) = ((cell % columns) as f32, (cell / columns) as f32);
        BoundingBox::from_centre(
            (x + column) * stride,
            (y + line) * stride,
            w.exp() * stride,
            h.exp() * stride,
        )
    }

    pub(super) fn row_blocks(&self) -> Vec<RowBlock> {
        self.rows.row_blocks()
    }

    pub(super) fn take_row(&self, row: &Row<'_>, threshold: f32, candidates: &mut Candidates) {
        self.rows.take_row(row, threshold, candidates, |number, offsets| self.bounding_box(number, offsets));
    }

    pub(super) fn visit_scores(&self, outputs: &[TensorView<'_>], visit: &mut dyn FnMut(f32)) {
        self.rows.visit_scores(outputs, visit);
    }
}
