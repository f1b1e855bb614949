//! What the loss is made of.

use serde::{Deserialize, Serialize};

use super::LossError;

/// The terms of the loss and their weights. The defaults suit a pruned NanoDet that learns from its parent on images
/// without labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// A location is the parent's positive where its best score is higher, in `(0, 1)`; 0.25 by default.
    pub threshold: f32,
    /// Scores like the parent's.
    pub scores: ScoreOptions,
    /// Boxes like the parent's, at its positives.
    pub boxes: BoxOptions,
    /// Features like the parent's.
    pub features: FeatureOptions,
    /// Scores and boxes like the labels.
    pub labels: LabelOptions,
}

/// Distillation of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreOptions {
    /// Weight, at least 0; 1 by default.
    pub weight: f64,
    /// Power of the distance to the parent that modulates the cross entropy, 0 (plain cross entropy) or 1 to 5; 2 by
    /// default (Li et al., "Generalized Focal Loss", NeurIPS 2020, equation 5).
    pub beta: f32,
}

/// Distillation of boxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BoxOptions {
    /// Weight of `1 - GIoU` of the boxes, at least 0; 2 by default.
    pub giou: f64,
    /// Weight of the distances of the boxes' centres and sizes, in widths and heights of the input, at least 0; 0 by
    /// default.
    pub l1: f64,
    /// Weight of the divergence of the distributions of NanoDet's sides, at least 0; 0.25 by default. Other heads have
    /// none.
    pub distributions: f64,
    /// Both distributions are softened by this temperature, 1 to 100; 10 by default (Zheng et al., "Localization
    /// Distillation for Dense Object Detection", CVPR 2022).
    pub temperature: f64,
}

/// Distillation of features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FeatureOptions {
    /// Weight of the mean of all pairs, at least 0; 16 by default.
    pub weight: f64,
    /// Whether only the places inside the boxes of the parent's positives count, by their scores; no by default.
    pub foreground: bool,
    /// Whether the outputs of all convolutions of which the parent's channels are known (those of unpruned layers, and of
    /// layers that Roadproof pruned) are held against the parent's; yes by default. To align a pruned network with its parent
    /// layer by layer is what few images suffice for: Li et al., "Few Sample Knowledge Distillation" (CVPR 2020).
    pub layers: bool,
    /// Which tensors besides; none by default.
    pub pairs: Vec<FeaturePair>,
}

/// A tensor of the student and the one of the parent that it shall be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturePair {
    /// Name in the student's graph.
    pub student: String,
    /// Name in the parent's graph; the same by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
}

impl FeaturePair {
    /// Name in the parent's graph.
    #[must_use]
    pub fn parent(&self) -> &str {
        self.parent.as_deref().unwrap_or(&self.student)
    }
}

/// Learning from labels. The weights are 0 by default: nothing is learnt from labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LabelOptions {
    /// Weight of the scores, at least 0.
    pub scores: f64,
    /// Weight of `1 - GIoU` of the boxes, at least 0.
    pub giou: f64,
    /// Weight of the distances of the boxes' centres and sizes, in widths and heights of the input, at least 0; RT-DETR
    /// itself was trained with 5, and 2 of `giou`.
    pub l1: f64,
    /// Weight of the cross entropy of the distributions of NanoDet's sides (distribution focal loss), at least 0. Other
    /// heads have none.
    pub distributions: f64,
    /// Power of the distance to the target that modulates the cross entropy of the scores, 0 or 1 to 5; by default 2
    /// for `nanodet` and `rtdetr`, 0 (plain cross entropy) for the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta: Option<f32>,
    /// At most so many locations are assigned to an object, 1 to 100; 10 by default. `rtdetr` assigns one.
    pub top_k: usize,
    /// Power of the score in the alignment that locations are assigned by, 0 to 10; 1 by default.
    pub score_power: f64,
    /// Power of the IoU in it, 0 to 10; 6 by default.
    pub iou_power: f64,
    /// Classes of a higher class weight than this count as rare: at locations that are assigned to an object of another
    /// class, nothing is learnt about them (equalization loss; Tan et al., CVPR 2020). Above 0; no class by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub equalise_above: Option<f32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.25,
            scores: ScoreOptions::default(),
            boxes: BoxOptions::default(),
            features: FeatureOptions::default(),
            labels: LabelOptions::default(),
        }
    }
}

impl Default for ScoreOptions {
    fn default() -> Self {
        Self { weight: 1.0, beta: 2.0 }
    }
}

impl Default for BoxOptions {
    fn default() -> Self {
        Self { giou: 2.0, l1: 0.0, distributions: 0.25, temperature: 10.0 }
    }
}

impl Default for FeatureOptions {
    fn default() -> Self {
        Self { weight: 16.0, foreground: false, layers: true, pairs: Vec::new() }
    }
}

impl Default for LabelOptions {
    fn default() -> Self {
        Self {
            scores: 0.0,
            giou: 0.0,
            l1: 0.0,
            distributions: 0.0,
            beta: None,
            top_k: 10,
            score_power: 1.0,
            iou_power: 6.0,
            equalise_above: None,
        }
    }
}

impl LabelOptions {
    /// Whether anything is learnt from labels.
    #[must_use]
    pub fn any(&self) -> bool {
        self.scores > 0.0 || self.giou > 0.0 || self.l1 > 0.0 || self.distributions > 0.0
    }
}

impl Options {
    /// Checks every value.
    ///
    /// # Errors
    /// [`LossError::Option`] names the first that is out of its range.
    pub fn validate(&self) -> Result<(), LossError> {
        let Self { threshold, scores, boxes, features, labels } = self;
        let between = |key, value: f64, low: f64, high: f64| {
            check(key, (low..=high).contains(&value), || format!("{low} to {high}, found {value}"))
        };
        let weight = |key, value: f64| {
            check(key, value >= 0.0 && value.is_finite(), || format!("a finite number from 0, found {value}"))
        };
        let beta = |key, value: f32| {
            check(key, value == 0.0 || (1.0..=5.0).contains(&value), || {
                format!("0, or 1 to 5, found {value}")
            })
        };
        check("threshold", *threshold > 0.0 && *threshold < 1.0, || {
            format!("a number between 0 and 1, found {threshold}")
        })?;
        weight("scores.weight", scores.weight)?;
        beta("scores.beta", scores.beta)?;
        weight("boxes.giou", boxes.giou)?;
        weight("boxes.l1", boxes.l1)?;
        weight("boxes.distributions", boxes.distributions)?;
        between("boxes.temperature", boxes.temperature, 1.0, 100.0)?;
        weight("features.weight", features.weight)?;
        for (index, pair) in features.pairs.iter().enumerate() {
            let twice = features.pairs.iter().take(index).any(|other| other.student == pair.student);
            check("features.pairs", !pair.student.is_empty() && !twice, || {
                format!("names of the student's tensors, each once, found \"{}\"", pair.student)
            })?;
        }
        weight("labels.scores", labels.scores)?;
        weight("labels.giou", labels.giou)?;
        weight("labels.l1", labels.l1)?;
        weight("labels.distributions", labels.distributions)?;
        beta("labels.beta", labels.beta.unwrap_or(0.0))?;
        check("labels.top_k", (1..=100).contains(&labels.top_k), || {
            format!("1 to 100, found {}", labels.top_k)
        })?;
        between("labels.score_power", labels.score_power, 0.0, 10.0)?;
        between("labels.iou_power", labels.iou_power, 0.0, 10.0)?;
        let rare = labels.equalise_above.unwrap_or(1.0);
        check("labels.equalise_above", rare > 0.0, || format!("a number above 0, found {rare}"))
    }
}

fn check(key: &'static str, fine: bool, expected: impl FnOnce() -> String) -> Result<(), LossError> {
    if fine { Ok(()) } else { Err(LossError::Option { key, expected: expected() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_come_back_from_toml() {
        let options = Options::default();
        options.validate().unwrap();
        let text = toml::to_string(&options).unwrap();
        assert_eq!(toml::from_str::<Options>(&text).unwrap(), options);
        assert_eq!(toml::from_str::<Options>("").unwrap(), options);
        assert!(!options.labels.any());
    }

    #[test]
    fn unknown_keys_are_refused() {
        let error = toml::from_str::<Options>("[scores]\nwieght = 1.0").unwrap_err();
        assert!(error.to_string().contains("wieght"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_named() {
        let cases = [
            ("threshold", "threshold = 0.0"),
            ("threshold", "threshold = nan"),
            ("scores.weight", "scores.weight = -1.0"),
            ("scores.beta", "scores.beta = 0.5"),
            ("boxes.giou", "boxes.giou = inf"),
            ("boxes.l1", "boxes.l1 = -0.1"),
            ("labels.l1", "labels.l1 = nan"),
            ("boxes.temperature", "boxes.temperature = 0.5"),
            ("features.pairs", "features.pairs = [{ student = 'a' }, { student = 'a', parent = 'b' }]"),
            ("labels.beta", "labels.beta = 9.0"),
            ("labels.top_k", "labels.top_k = 0"),
            ("labels.iou_power", "labels.iou_power = nan"),
            ("labels.equalise_above", "labels.equalise_above = 0.0"),
        ];
        for (key, text) in cases {
            let error = toml::from_str::<Options>(text).unwrap().validate().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{key}`: expected")), "{error}");
        }
    }
}
