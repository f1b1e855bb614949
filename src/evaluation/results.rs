//! What a study found: the content of `report.json`.
//!
//! Names here are the contract with whoever reads the file; [`FORMAT`] counts up when one changes its meaning. Accuracies are
//! shares between 0 and 1; an accuracy that is not defined (a class without instances) is `null`.

use serde::{Deserialize, Serialize};

use super::monitor::MonitorStudy;
use crate::corruption::Group;

/// Version of the layout.
pub const FORMAT: u32 = 1;

/// A study: models × corruptions × severities on one dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Study {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the program that made it.
    pub roadproof_version: String,
    /// When it ended, RFC 3339 in UTC.
    pub created: String,
    /// What was evaluated on.
    pub dataset: DatasetSummary,
    /// How.
    pub settings: Settings,
    /// One for each model, in the order they were given in.
    pub variants: Vec<Variant>,
    /// How good the monitor is; absent where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<MonitorStudy>,
}

/// The labelled images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSummary {
    /// Name of its folder or file.
    pub name: String,
    /// Images, labelled or empty.
    pub images: usize,
    /// Instances that count, over all classes.
    pub instances: usize,
    /// Every class of the model, in its order.
    pub classes: Vec<ClassSupport>,
    /// Classes of the dataset that the model does not know: name and instances.
    pub unmapped: Vec<ClassSupport>,
}

/// How often a class occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSupport {
    /// Its name.
    pub name: String,
    /// Instances that count.
    pub instances: usize,
}

/// How a study was done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Corruptions, by name.
    pub corruptions: Vec<String>,
    /// Severities of each.
    pub severities: Vec<f64>,
    /// Seed of the corruptions and of the resampling.
    pub seed: u64,
    /// Lowest score of a detection that counts.
    pub score: f32,
    /// Instances that a class needs to be called the worst.
    pub min_support: usize,
    /// Resamples behind each interval and p-value.
    pub bootstrap: usize,
}

/// A model and what it reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Name, from the manifest.
    pub name: String,
    /// Name of the uncompressed variant that it is compared with; none for that one itself.
    pub base: Option<String>,
    /// The model's file.
    pub model: ModelSummary,
    /// Time for one image.
    pub latency: Latency,
    /// On the images as they are.
    pub clean: Accuracy,
    /// On the corrupted ones: one cell for each corruption and severity.
    pub cells: Vec<Cell>,
    /// Over all cells.
    pub robustness: Robustness,
    /// The class that is detected worst on clean images.
    pub worst_class: Option<WorstClass>,
    /// The corruption with the lowest mean AP over its severities.
    pub worst_corruption: Option<String>,
    /// Precision over recall at an IoU of 0.5, over all classes.
    pub pr_curve: Vec<PrPoint>,
    /// How far scores are probabilities.
    pub calibration: Calibration,
    /// Which classes are taken for which.
    pub confusion: Confusion,
    /// What compression costs beyond the base; none for the base.
    pub against_base: Option<Comparison>,
    /// Images to look at: most missed instances of the worst class first.
    pub samples: Vec<Sample>,
}

/// The file behind a variant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSummary {
    /// File name of the ONNX model.
    pub file: String,
    /// Its SHA-256.
    pub sha256: String,
    /// Its size.
    pub size_bytes: u64,
    /// Input, pixels: width, height.
    pub input: [u32; 2],
    /// What executed it.
    pub provider: String,
}

/// Time that preprocessing, network and decoding take for one clean image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// Median, ms.
    pub p50_ms: f64,
    /// 99th percentile, ms.
    pub p99_ms: f64,
}

/// COCO's summary figures, and AP class by class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// AP over IoU 0.50 to 0.95.
    pub ap: Option<f64>,
    /// AP at IoU 0.50.
    pub ap50: Option<f64>,
    /// AP at IoU 0.75.
    pub ap75: Option<f64>,
    /// AP of instances below 32² px.
    pub ap_small: Option<f64>,
    /// AP of instances from 32² to 96² px.
    pub ap_medium: Option<f64>,
    /// AP of instances above 96² px.
    pub ap_large: Option<f64>,
    /// AR with 1, 10 and 100 detections per image.
    pub ar: [Option<f64>; 3],
    /// AR of small, medium and large instances with 100 detections.
    pub ar_by_size: [Option<f64>; 3],
    /// 95 % interval of `ap`, by resampling images.
    pub ap_interval: Option<[f64; 2]>,
    /// One for each class of the dataset's `classes`.
    pub classes: Vec<ClassAccuracy>,
}

/// Accuracy for one class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassAccuracy {
    /// Its name.
    pub name: String,
    /// AP over IoU 0.50 to 0.95.
    pub ap: Option<f64>,
    /// AP at IoU 0.50.
    pub ap50: Option<f64>,
    /// 95 % interval of `ap`, by resampling images; only on clean images.
    pub interval: Option<[f64; 2]>,
}

/// One corruption at one severity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// Name of the corruption.
    pub corruption: String,
    /// Its group.
    pub group: Group,
    /// Severity, above 0 up to 5.
    pub severity: f64,
    /// What is left.
    pub accuracy: Accuracy,
}

/// Michaelis et al. 2019, arXiv 1907.07484, section 3: mean performance under corruption, absolute and relative to clean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Robustness {
    /// Mean AP over corruptions and severities.
    pub mpc: Option<f64>,
    /// `mpc` / AP on clean images.
    pub rpc: Option<f64>,
    /// The same for each group that has cells.
    pub groups: Vec<GroupRobustness>,
}

/// [`Robustness`] of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRobustness {
    /// The group.
    pub group: Group,
    /// Mean AP over its cells.
    pub mpc: Option<f64>,
    /// `mpc` / AP on clean images.
    pub rpc: Option<f64>,
}

/// The class with the lowest AP among those with enough instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorstClass {
    /// Its name.
    pub name: String,
    /// Its AP.
    pub ap: f64,
    /// 95 % interval, by resampling images.
    pub interval: [f64; 2],
    /// Its instances.
    pub instances: usize,
}

/// A point of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrPoint {
    /// Share of instances found.
    pub recall: f64,
    /// Share of detections that are right, mean over classes; the most at this recall or beyond, as COCO takes it.
    pub precision: f64,
}

/// How far a score of 0.7 means right in 7 of 10 cases (detection ECE: Küppers et al., CVPR-W 2020, arXiv 2004.13546; of
/// the scores alone).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Expected calibration error of detections, right being an IoU of at least 0.5 with an instance of the class.
    pub d_ece: Option<f64>,
    /// Bins of the reliability diagram that hold detections, by growing score.
    pub bins: Vec<CalibrationBin>,
}

/// Detections with scores in one range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationBin {
    /// Mean score.
    pub score: f64,
    /// Share that is right.
    pub precision: f64,
    /// How many.
    pub count: usize,
}

/// Which instances were detected as what, at the published thresholds and an IoU of at least 0.5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confusion {
    /// Classes with instances or detections; the last row and column stand for the background.
    pub classes: Vec<String>,
    /// `counts[truth][detected]`, background last.
    pub counts: Vec<Vec<usize>>,
}

/// What a compressed variant loses beyond what its base loses: paired over the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// AP of the base minus AP of the variant, clean.
    pub clean_drop: Difference,
    /// For each group: extra drop, i.e. the variant's drop from clean minus the base's, mean over cells.
    pub groups: Vec<(Group, Difference)>,
    /// For each group: what the base keeps of its clean AP (rPC) minus what the variant keeps of its own. A variant that is
    /// worse on clean images has fewer points to lose; this is not misled by that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups_relative: Vec<(Group, Difference)>,
    /// For each corruption, mean over severities.
    pub corruptions: Vec<(String, Difference)>,
    /// For each class with enough instances: AP of the base minus AP of the variant, clean.
    pub classes: Vec<(String, Difference)>,
}

/// A difference with its uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Positive: the variant is worse.
    pub drop: f64,
    /// 95 % interval, by resampling images in pairs.
    pub interval: [f64; 2],
    /// Two-sided p-value of no difference, by the same resampling.
    pub p_value: f64,
}

/// An image with what is in it and what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Path of the image file.
    pub image: String,
    /// Width and height, pixels.
    pub size: [u32; 2],
    /// Instances: found, or missed.
    pub truths: Vec<TruthBox>,
    /// Detections at the published thresholds.
    pub detections: Vec<DetectionBox>,
}

/// An instance in a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruthBox {
    /// Class.
    pub class: String,
    /// `x_min`, `y_min`, `x_max`, `y_max`, pixels.
    pub bbox: [f32; 4],
    /// Whether a detection of its class overlaps it by an IoU of at least 0.5.
    pub found: bool,
}

/// A detection in a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectionBox {
    /// Class.
    pub class: String,
    /// `x_min`, `y_min`, `x_max`, `y_max`, pixels.
    pub bbox: [f32; 4],
    /// Score.
    pub score: f32,
    /// Whether it overlaps an instance of its class by an IoU of at least 0.5.
    pub right: bool,
}
