//! What a manifest tells of how its model was made.

use serde::{Deserialize, Serialize};

/// How a model was made from another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompressionSpec {
    /// Name of the model it was made from.
    pub base: String,
    /// SHA-256 of that model's ONNX file.
    pub base_sha256: String,
    /// What was done, in words, such as `int8 weights, uint8 activations, minmax`.
    pub method: String,
    /// Share of weights or channels that pruning removed, 0 to 1; of several prunings that of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Number of images that it was calibrated on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_images: Option<usize>,
    /// SHA-256 over those images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_sha256: Option<String>,
    /// Corruptions under which they were used as well, such as `gaussian_noise:1`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration_corruptions: Vec<String>,
    /// Seed of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_seed: Option<u64>,
    /// Version of Roadproof that did it.
    pub tool_version: String,
    /// Layers that mixed precision keeps in float.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_in_float: Vec<String>,
    /// What was done, step by step with all options: what a recipe for `roadproof compress` holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<toml::Table>,
}

/// How a model's weights were trained further, by `roadproof-tune`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningSpec {
    /// Name of the model that it learned from.
    pub parent: String,
    /// SHA-256 of that model's ONNX file.
    pub parent_sha256: String,
    /// SHA-256 of the ONNX file that training began with.
    pub student_sha256: String,
    /// What was done, in words, such as `distillation, corruption augmentation`.
    pub method: String,
    /// Number of images that it was trained on.
    pub images: usize,
    /// SHA-256 over those images.
    pub images_sha256: String,
    /// Steps of training.
    pub steps: u64,
    /// Images per step.
    pub batch: usize,
    /// Where all randomness came from.
    pub seed: u64,
    /// Version of Roadproof that did it.
    pub tool_version: String,
    /// All options of the run, as its file holds them.
    pub options: toml::Table,
}
