//! RT-DETR and DETR: a set of queries, each with class scores and one box.
//!
//! Boxes are centre and size relative to the input, in `[0, 1]` (Zhao et al., "DETRs Beat YOLOs on Real-time Object
//! Detection", arXiv 2304.08069). Either two outputs, `(1, Q, C)` and `(1, Q, 4)`, or one, `(1, Q, 4 + C)`.

use super::outputs::{Matrix, Outputs, ShapeChanged};
use super::scores::ScoreReader;
use super::{Candidates, RowBlock, TensorView};
use crate::detector::{BoundingBox, DetectorError};

const BOX_COLUMNS: usize = 4;

/// An RT-DETR head bound to its outputs.
#[derive(Debug)]
pub(super) struct Rtdetr {
    layout: Layout,
    reader: ScoreReader,
    width: f32,
    height: f32,
}

#[derive(Debug, Clone, Copy)]
enum Layout {
    /// Boxes and scores in one matrix.
    Joined(Matrix),
    Apart {
        scores: Matrix,
        boxes: Matrix,
    },
}

impl Rtdetr {
    pub(super) fn bind(outputs: &Outputs<'_>) -> Result<Self, DetectorError> {
        let context = outputs.context;
        let layout = layout(outputs)?;
        let queries = match layout {
            Layout::Joined(matrix) | Layout::Apart { scores: matrix, .. } => matrix.rows,
        };
        outputs.check_indices(queries)?;
        Ok(Self {
            layout,
            reader: ScoreReader { activation: context.spec.activation, multi_label: context.multi_label() },
            width: context.input.width as f32,
            height: context.input.height as f32,
        })
    }

    pub(super) fn decode(
        &self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
    ) -> Result<(), ShapeChanged> {
        let mut take = |index: usize, bbox: &[f32; BOX_COLUMNS], scores: &[f32]| {
            self.reader.take(scores, 1.0, index, candidates, || self.bounding_box(bbox));
        };
        match self.layout {
            Layout::Joined(matrix) => {
                for (index, row) in matrix.of(outputs)?.chunks_exact(matrix.columns).enumerate() {
                    if let Some((bbox, scores)) = row.split_first_chunk() {
                        take(index, bbox, scores);
                    }
                }
            }
            Layout::Apart { scores, boxes } => {
                let rows = scores.of(outputs)?.chunks_exact(scores.columns);
                for (index, (row, bbox)) in rows.zip(boxes.of(outputs)?.as_chunks().0).enumerate() {
                    take(index, bbox, row);
                }
            }
        }
        Ok(())
    }

    fn bounding_box(&self, [x, y, w, h]: &[f32; BOX_COLUMNS]) -> BoundingBox {
        BoundingBox::from_centre(x * self.width, y * self.height, w * self.width, h * self.height)
    }

    pub(super) fn row_block(&self) -> RowBlock {
        let (rows, boxes, scores) = match self.layout {
            Layout::Joined(matrix) => {
                let scores = matrix.part(0, BOX_COLUMNS, matrix.columns - BOX_COLUMNS);
                (matrix.rows, matrix.part(0, 0, BOX_COLUMNS), scores)
            }
            Layout::Apart { scores, boxes } => {
                (scores.rows, boxes.part(0, 0, BOX_COLUMNS), scores.part(0, 0, scores.columns))
            }
        };
        RowBlock { rows, first_row: 0, scores, boxes, objectness: None }
    }

    pub(super) fn visit_scores(&self, outputs: &[TensorView<'_>], visit: &mut dyn FnMut(f32)) {
        match self.layout {
            Layout::Joined(matrix) => {
                for row in matrix.of(outputs).unwrap_or_default().chunks_exact(matrix.columns) {
                    row.iter().skip(BOX_COLUMNS).copied().for_each(&mut *visit);
                }
            }
            Layout::Apart { scores, .. } => {
                scores.of(outputs).unwrap_or_default().iter().copied().for_each(visit);
            }
        }
    }
}

fn layout(outputs: &Outputs<'_>) -> Result<Layout, DetectorError> {
    let names = &outputs.context.spec.outputs;
    let classes = outputs.context.class_count;
    let expected =
        format!("(1, Q, {classes}) scores and (1, Q, 4) boxes, or both in one, (1, Q, 4 + {classes})");
    let joined = |m: &Matrix| m.rows > 0 && m.columns == BOX_COLUMNS + classes;
    if names.predictions.is_some() {
        return outputs.predictions(&expected, joined).map(Layout::Joined);
    }
    let (scores, boxes) = if let (Some(scores), Some(boxes)) = (names.scores.first(), names.boxes.first()) {
        (outputs.named(scores)?, outputs.named(boxes)?)
    } else {
        let mut boxes = outputs.matrices().filter(|m| m.rows > 0 && m.columns == BOX_COLUMNS);
        let (Some(boxes), None) = (boxes.next(), boxes.next()) else {
            return joined_layout(outputs, &expected, joined);
        };
        let mut scores = outputs.matrices().filter(|m| m.output != boxes.output && m.rows == boxes.rows);
        let (Some(scores), None) = (scores.next(), scores.next()) else {
            return joined_layout(outputs, &expected, joined);
        };
        (scores, boxes)
    };
    if scores.rows == 0 || scores.rows != boxes.rows || boxes.columns != BOX_COLUMNS {
        return Err(outputs.wrong(expected));
    }
    if scores.columns != classes {
        return Err(outputs.wrong_class_count(&scores, scores.columns));
    }
    Ok(Layout::Apart { scores, boxes })
}

fn joined_layout(
    outputs: &Outputs<'_>,
    expected: &str,
    joined: impl Fn(&Matrix) -> bool,
) -> Result<Layout, DetectorError> {
    outputs.predictions(expected, joined).map(Layout::Joined).map_err(|error| {
        // the only output that could be queries with boxes tells the class count
        match outputs.predictions("", |m| m.rows > 0 && m.columns > BOX_COLUMNS) {
            Ok(near) => outputs.wrong_class_count(&near, near.columns - BOX_COLUMNS),
            Err(_) => error,
        }
    })
}
