//! YOLOX and YOLOv5: one row per box, of `x y w h objectness` and the classes.
//!
//! A score is objectness times class probability; a row whose objectness is below the threshold is not looked at
//! further, as no probability can raise it.

use super::outputs::{Matrix, Outputs, ShapeChanged};
use super::scores::ScoreReader;
use super::{Candidates, Row, RowBlock, TensorView};
use crate::detector::{BoundingBox, DetectorError};

/// Columns before the classes.
const HEAD_COLUMNS: usize = 5;

/// A head of rows bound to its output.
#[derive(Debug)]
pub(super) struct YoloRows {
    matrix: Matrix,
    reader: ScoreReader,
}

impl YoloRows {
    /// Binds to the output of `rows` rows, or of any number. `expected` describes the output in errors.
    pub(super) fn bind(
        outputs: &Outputs<'_>,
        rows: Option<usize>,
        expected: &str,
    ) -> Result<Self, DetectorError> {
        let classes = outputs.context.class_count;
        let fits_rows = |m: &Matrix| m.rows > 0 && rows.is_none_or(|rows| m.rows == rows);
        let matrix =
            match outputs.predictions(expected, |m| fits_rows(m) && m.columns == HEAD_COLUMNS + classes) {
                Ok(matrix) => matrix,
                // an output that fits but for the class count says which that is
                Err(error) => match outputs.predictions("", |m| fits_rows(m) && m.columns > HEAD_COLUMNS) {
                    Ok(near) if rows.is_some() || near.rows > near.columns => {
                        return Err(outputs.wrong_class_count(&near, near.columns - HEAD_COLUMNS));
                    }
                    _ => return Err(error),
                },
            };
        let context = outputs.context;
        let reader = ScoreReader { activation: context.spec.activation, multi_label: context.multi_label() };
        outputs.check_indices(matrix.rows)?;
        Ok(Self { matrix, reader })
    }

    /// Takes every row; `bbox` makes the box of a row from its number and its first four values.
    pub(super) fn decode(
        &self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
        bbox: impl Fn(usize, [f32; 4]) -> BoundingBox,
    ) -> Result<(), ShapeChanged> {
        let data = self.matrix.of(outputs)?;
        let threshold = self.reader.raw_threshold(candidates.low_score());
        for (number, row) in data.chunks_exact(self.matrix.columns).enumerate() {
            let Some((head, scores)) = row.split_first_chunk::<HEAD_COLUMNS>() else { continue };
            let [boxes @ .., objectness] = head;
            let row = Row { number, objectness: *objectness, scores, boxes };
            self.take_row(&row, threshold, candidates, &bbox);
        }
        Ok(())
    }

    pub(super) fn row_blocks(&self) -> Vec<RowBlock> {
        let part = |first, columns| self.matrix.part(0, first, columns);
        vec![RowBlock {
            rows: self.matrix.rows,
            first_row: 0,
            scores: part(HEAD_COLUMNS, self.matrix.columns - HEAD_COLUMNS),
            boxes: part(0, HEAD_COLUMNS - 1),
            objectness: Some(part(HEAD_COLUMNS - 1, 1)),
        }]
    }

    /// Takes one row unless its objectness is under `threshold`; `bbox` makes its box from its four values.
    pub(super) fn take_row(
        &self,
        row: &Row<'_>,
        threshold: f32,
        candidates: &mut Candidates,
        bbox: impl Fn(usize, [f32; 4]) -> BoundingBox,
    ) {
        let [x, y, w, h] = *row.boxes else { return };
        if !row.objectness.is_finite() {
            candidates.stats_mut().non_finite += 1;
        } else if row.objectness >= threshold {
            let objectness = self.reader.score(row.objectness);
            self.reader
                .take(row.scores, objectness, row.number, candidates, || bbox(row.number, [x, y, w, h]));
        }
    }

    pub(super) fn visit_scores(&self, outputs: &[TensorView<'_>], visit: &mut dyn FnMut(f32)) {
        let Ok(data) = self.matrix.of(outputs) else { return };
        for row in data.chunks_exact(self.matrix.columns) {
            row.iter().skip(HEAD_COLUMNS - 1).copied().for_each(&mut *visit);
        }
    }
}
