use serde::{Deserialize, Serialize};

use crate::corruption::Step;
use crate::detector::{Agreement, Detection};
use crate::evaluation::{Found, Labelled, Matches, Truth};
use crate::health::ImageQuality;

/// What health is told of one frame, kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedFrame {
    /// Detections down to the low score, by falling score, pixels of the original image.
    pub detections: Vec<Detection>,
    /// How far the candidates agreed.
    pub agreement: Agreement,
    /// The image's quality.
    pub quality: ImageQuality,
}

/// All frames of a dataset or recording under one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedCell {
    /// The corruption; `None` for clean frames.
    pub step: Option<Step>,
    /// In the order of the frames.
    pub frames: Vec<ObservedFrame>,
}

impl ObservedCell {
    /// Which detection found which of the `truths` of its frames, for a model of `classes` classes.
    pub(super) fn matches(&self, truths: &[Vec<Truth>], classes: usize) -> Matches {
        let labelled = truths.iter().zip(&self.frames).map(|(truths, frame)| Labelled {
            truths: truths.clone(),
            detections: frame.detections.iter().map(Found::from).collect(),
        });
        Matches::new(&labelled.collect::<Vec<_>>(), classes)
    }
}

/// A dataset or recording under several conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// What is in each frame; `None` without labels.
    pub truths: Option<Vec<Vec<Truth>>>,
    /// Names of the model's classes.
    pub classes: Vec<String>,
    /// Clean first, then by corruption and rising severity.
    pub cells: Vec<ObservedCell>,
}
