//! YOLOv5 to v7: boxes as centre and size in input pixels, decoded in the graph.

use super::outputs::{Outputs, ShapeChanged};
use super::yolo_rows::YoloRows;
use super::{Candidates, Row, RowBlock, TensorView};
use crate::detector::{BoundingBox, DetectorError};

/// A YOLOv5 head bound to its output.
#[derive(Debug)]
pub(super) struct Yolov5(YoloRows);

impl Yolov5 {
    pub(super) fn bind(outputs: &Outputs<'_>) -> Result<Self, DetectorError> {
        let expected = format!("(1, N, 5 + {}): x y w h objectness classes", outputs.context.class_count);
        YoloRows::bind(outputs, None, &expected).map(Self)
    }

    pub(super) fn decode(
        &self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
    ) -> Result<(), ShapeChanged> {
        self.0.decode(outputs, candidates, |_, [x, y, w, h]| BoundingBox::from_centre(x, y, w, h))
    }

    pub(super) fn row_blocks(&self) -> Vec<RowBlock> {
        self.0.row_blocks()
    }

    pub(super) fn take_row(&self, row: &Row<'_>, threshold: f32, candidates: &mut Candidates) {
        self.0.take_row(row, threshold, candidates, |_, [x, y, w, h]| BoundingBox::from_centre(x, y, w, h));
    }

    pub(super) fn visit_scores(&self, outputs: &[TensorView<'_>], visit: &mut dyn FnMut(f32)) {
        self.0.visit_scores(outputs, visit);
    }
}
