//! Exports that contain their own suppression (YOLOv10, graphs with NMS): `(1, N, 6)`, rows of
//! `x1 y1 x2 y2 score class` in input pixels. The number of rows may change from frame to frame.

use super::outputs::{Outputs, ShapeChanged, dimensions};
use super::{Candidates, TensorView};
use crate::detector::{BoundingBox, DetectorError};

const COLUMNS: usize = 6;

/// An end-to-end head bound to its output.
#[derive(Debug)]
pub(super) struct EndToEnd {
    output: usize,
    classes: usize,
}

impl EndToEnd {
    pub(super) fn bind(outputs: &Outputs<'_>) -> Result<Self, DetectorError> {
        let matrix =
            outputs.predictions("(1, N, 6): rows of x1 y1 x2 y2 score class", |m| m.columns == COLUMNS)?;
        Ok(Self { output: matrix.output, classes: outputs.context.class_count })
    }

    pub(super) fn decode(
        &self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
    ) -> Result<(), ShapeChanged> {
        for (index, [x_min, y_min, x_max, y_max, score, class]) in self.rows(outputs)?.iter().enumerate() {
            if !score.is_finite() {
                candidates.stats_mut().non_finite += 1;
            } else if *score >= candidates.low_score() {
                match self.class_id(*class) {
                    Some(class) => {
                        let bbox = BoundingBox::new(*x_min, *y_min, *x_max, *y_max);
                        candidates.push(bbox, *score, class, u32::try_from(index).unwrap_or(u32::MAX));
                    }
                    None => candidates.stats_mut().unknown_class += 1,
                }
            }
        }
        Ok(())
    }

    fn rows<'a>(&self, outputs: &[TensorView<'a>]) -> Result<&'a [[f32; COLUMNS]], ShapeChanged> {
        let view = outputs.get(self.output).copied().unwrap_or_default();
        match dimensions(view.shape) {
            Some((rows, COLUMNS)) if view.data.len() == rows * COLUMNS => Ok(view.data.as_chunks().0),
            _ => Err(ShapeChanged {
                expected: format!("output {} of shape (1, N, 6)", self.output),
                found: format!("shape {:?} with {} elements", view.shape, view.data.len()),
            }),
        }
    }

    /// The class that a float stands for; `None` for what is no class of the manifest.
    fn class_id(&self, class: f32) -> Option<u32> {
        let rounded = class.round();
        let is_class = (rounded - class).abs() < 1e-3 && rounded >= 0.0 && rounded < self.classes as f32;
        is_class.then_some(rounded as u32)
    }

    pub(super) fn visit_scores(&self, outputs: &[TensorView<'_>], visit: &mut dyn FnMut(f32)) {
        for [.., score, _] in self.rows(outputs).unwrap_or_default() {
            visit(*score);
        }
    }
}
