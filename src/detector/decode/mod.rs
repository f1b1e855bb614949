//! From output tensors to candidate boxes, one decoder per family of detection heads.
//!
//! A decoder is bound to the model's outputs once ([`Decoder::bind`]: which output is which, do the shapes fit, how many
//! classes) and then reads them frame by frame without allocating. Boxes come out in pixels of the model's input.

mod candidates;
mod end_to_end;
mod nanodet;
mod outputs;
mod rows;
mod rtdetr;
mod scores;
mod yolo_rows;
mod yolov5;
mod yolov8;
mod yolox;

use std::path::{Path, PathBuf};

use super::DetectorError;
use super::manifest::{Activation, DecoderKind, DecoderSpec, InputSpec};

pub use candidates::{Candidates, DecodeStats};
pub(crate) use outputs::shape_text;
pub use outputs::{OutputInfo, TensorView};
pub(crate) use rows::Row;
pub use rows::{Part, RowBlock};

use outputs::Outputs;

/// What binding needs to know about the model besides its outputs.
#[derive(Debug, Clone, Copy)]
pub struct DecodeContext<'a> {
    /// The model file, for messages.
    pub path: &'a Path,
    /// The decoder's description.
    pub spec: &'a DecoderSpec,
    /// The model's input.
    pub input: &'a InputSpec,
    /// Number of classes in the manifest.
    pub class_count: usize,
}

impl DecodeContext<'_> {
    fn multi_label(&self) -> bool {
        self.spec.multi_label.unwrap_or(self.spec.kind.multi_label_by_default())
    }
}

/// A decoder bound to a model's outputs.
#[derive(Debug)]
pub struct Decoder {
    head: Head,
    kind: DecoderKind,
    activation: Activation,
    path: PathBuf,
}

#[derive(Debug)]
enum Head {
    Nanodet(nanodet::Nanodet),
    Yolox(yolox::Yolox),
    Yolov5(yolov5::Yolov5),
    Yolov8(yolov8::Yolov8),
    EndToEnd(end_to_end::EndToEnd),
    Rtdetr(rtdetr::Rtdetr),
}

impl Decoder {
    /// Finds the outputs that the decoder reads, by name or by shape, and checks them against the manifest.
    ///
    /// # Errors
    /// [`DetectorError::Outputs`] or [`DetectorError::ClassCount`] with what was expected and found.
    pub fn bind(context: &DecodeContext<'_>, outputs: &[OutputInfo]) -> Result<Self, DetectorError> {
        let outputs = Outputs { context, list: outputs };
        if context.class_count == 0 || context.spec.strides.contains(&0) {
            return Err(
                outputs.wrong("a validated manifest, with classes and without strides of 0".to_owned())
            );
        }
        let head = match context.spec.kind {
            DecoderKind::Nanodet => Head::Nanodet(nanodet::Nanodet::bind(&outputs)?),
            DecoderKind::Yolox => Head::Yolox(yolox::Yolox::bind(&outputs)?),
            DecoderKind::Yolov5 => Head::Yolov5(yolov5::Yolov5::bind(&outputs)?),
            DecoderKind::Yolov8 => Head::Yolov8(yolov8::Yolov8::bind(&outputs)?),
            DecoderKind::EndToEnd => Head::EndToEnd(end_to_end::EndToEnd::bind(&outputs)?),
            DecoderKind::Rtdetr => Head::Rtdetr(rtdetr::Rtdetr::bind(&outputs)?),
        };
        let spec = context.spec;
        Ok(Self { head, kind: spec.kind, activation: spec.activation, path: context.path.to_owned() })
    }

    /// Reads one frame's outputs, in the order of the [`OutputInfo`]s, into `candidates`, which the caller has
    /// [begun](Candidates::begin).
    ///
    /// # Errors
    /// [`DetectorError::Outputs`] where an output has another shape than when the decoder was bound.
    pub fn decode(
        &mut self,
        outputs: &[TensorView<'_>],
        candidates: &mut Candidates,
    ) -> Result<(), DetectorError> {
        let read = match &mut self.head {
            Head::Nanodet(head) => head.decode(outputs, candidates),
            Head::Yolox(head) => head.decode(outputs, candidates),
            Head::Yolov5(head) => head.decode(outputs, candidates),
            Head::Yolov8(head) => head.decode(outputs, candidates),
            Head::EndToEnd(head) => head.decode(outputs, candidates),
            Head::Rtdetr(head) => head.decode(outputs, candidates),
        };
        candidates.finish();
        read.map_err(|changed| DetectorError::Outputs {
            path: self.path.clone(),
            decoder: self.kind.name(),
            expected: changed.expected,
            found: changed.found,
        })
    }

    /// The family of the head.
    #[must_use]
    pub fn kind(&self) -> DecoderKind {
        self.kind
    }

    /// Checks the scores of a trial run: probabilities lie in `[0, 1]`.
    ///
    /// # Errors
    /// [`DetectorError::ScoreRange`] where probabilities are declared and something else is found.
    pub(crate) fn check_scores(&self, outputs: &[TensorView<'_>]) -> Result<(), DetectorError> {
        if self.activation == Activation::Sigmoid {
            return Ok(());
        }
        let mut outside = None;
        let mut visit = |score: f32| {
            if score.is_finite() && !scores::PROBABILITIES.contains(&score) {
                outside.get_or_insert(score);
            }
        };
        match &self.head {
            Head::Nanodet(head) => head.visit_scores(outputs, &mut visit),
            Head::Yolox(head) => head.visit_scores(outputs, &mut visit),
            Head::Yolov5(head) => head.visit_scores(outputs, &mut visit),
            Head::Yolov8(head) => head.visit_scores(outputs, &mut visit),
            Head::EndToEnd(head) => head.visit_scores(outputs, &mut visit),
            Head::Rtdetr(head) => head.visit_scores(outputs, &mut visit),
        }
        match outside {
            Some(found) => {
                Err(DetectorError::ScoreRange { path: self.path.clone(), decoder: self.kind.name(), found })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_wrap, reason = "the made-up shapes are small")]
mod tests;
