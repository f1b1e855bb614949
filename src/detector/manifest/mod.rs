//! The model manifest: what a model file holds and how to feed and read it.
//!
//! A manifest is a TOML file beside the model. [`ModelManifest::load`] reads and checks it; every complaint names
//! file, line and key.

mod locate;
mod origin;
mod read;
mod validate;

use std::path::{Path, PathBuf};

pub(crate) use locate::line_and_column;
pub use origin::{CompressionSpec, TuningSpec};
use serde::{Deserialize, Serialize};

use super::{DetectorError, Thresholds};

/// The manifest format that this version reads and writes.
pub const MANIFEST_FORMAT: u32 = 1;

/// A model's manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelManifest {
    /// Version of the manifest format, [`MANIFEST_FORMAT`].
    pub format: u32,
    /// The model's name, as in reports and topics.
    pub name: String,
    /// The ONNX file as the manifest writes it, relative to the manifest; see
    /// [`model_path`](Self::model_path).
    pub file: PathBuf,
    /// SHA-256 of the ONNX file, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where the model comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SPDX expression of the model's licence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// What the model wants to see.
    pub input: InputSpec,
    /// How to read what it puts out.
    pub decoder: DecoderSpec,
    /// Thresholds that suit it.
    pub thresholds: ThresholdSpec,
    /// What it knows.
    pub classes: ClassSpec,
    /// How the model was made from another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<CompressionSpec>,
    /// How its weights were trained further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningSpec>,
    /// The manifest's own file; other files are relative to its folder.
    #[serde(skip)]
    path: PathBuf,
}

/// The model's input tensor and how an image becomes one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Order of the tensor's axes.
    #[serde(default)]
    pub layout: Layout,
    /// Order of the tensor's channels.
    pub colour: Colour,
    /// Subtracted from each channel, on the scale 0..255, in the order of [`colour`](Self::colour).
    pub mean: [f32; 3],
    /// Each channel is divided by this afterwards, on the scale 0..255, in the order of `colour`.
    pub std: [f32; 3],
    /// How the image is fitted into `width` x `height`.
    pub resize: Resize,
    /// Grey level 0..255 (before normalisation) of what the image does not cover.
    #[serde(default)]
    pub pad_value: u8,
    /// Interpolation of the resize.
    #[serde(default)]
    pub interpolation: Interpolation,
}

impl InputSpec {
    /// Sides of the input tensor.
    #[must_use]
    pub fn shape(&self) -> [i64; 4] {
        let (width, height) = (i64::from(self.width), i64::from(self.height));
        match self.layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        }
    }
}

/// Order of the input tensor's axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `(1, 3, height, width)`
    #[default]
    Nchw,
    /// `(1, height, width, 3)`
    Nhwc,
}

/// Order of the input tensor's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// How an image is fitted into the model's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Keep the aspect ratio, centre, pad what is left.
    Letterbox,
    /// Keep the aspect ratio, put into the top left corner, pad what is left.
    LetterboxTopLeft,
    /// Fill the input, whatever that does to the aspect ratio.
    Stretch,
}

/// Interpolation of the resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interpolation {
    /// Bilinear, without antialiasing (OpenCV's `INTER_LINEAR`).
    #[default]
    Linear,
    /// Mean over the source area when shrinking (OpenCV's `INTER_AREA`), bilinear when enlarging.
    Area,
}

/// How the model's outputs are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DecoderSpec {
    /// The family of the model's head.
    #[serde(rename = "type")]
    pub kind: DecoderKind,
    /// Strides of the levels in input pixels (`nanodet` and `yolox`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strides: Vec<u32>,
    /// What still has to be done to the model's scores.
    #[serde(default, skip_serializing_if = "Activation::is_none")]
    pub activation: Activation,
    /// Where a cell's point lies, in cells from its top left corner (`nanodet`): 0.5, the centre, by default;
    /// NanoDet-Plus uses 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell_offset: Option<f32>,
    /// Whether one box may give detections of several classes. By default as the family's own postprocessing
    /// does: yes for `nanodet` and `rtdetr`, no for the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multi_label: Option<bool>,
    /// At most so many candidates, those of the highest scores, go into NMS.
    #[serde(default = "default_max_candidates")]
    pub max_candidates: usize,
    /// Names of the outputs; without them they are told apart by their shapes.
    #[serde(default, skip_serializing_if = "OutputNames::is_empty")]
    pub outputs: OutputNames,
}

const fn default_max_candidates() -> usize {
    1000
}

/// The families of detection heads that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecoderKind {
    /// NanoDet and NanoDet-Plus: class scores and box distributions per cell (Generalized Focal Loss).
    Nanodet,
    /// YOLOX: `(1, N, 5 + C)`, offsets in the grid.
    Yolox,
    /// YOLOv5 to v7: `(1, N, 5 + C)`, boxes decoded in the graph, with objectness.
    Yolov5,
    /// YOLOv8, v9, v11: `(1, 4 + C, N)`, boxes decoded in the graph.
    Yolov8,
    /// `(1, N, 6)`: x1 y1 x2 y2 score class, suppressed in the graph (YOLOv10, exports with NMS).
    EndToEnd,
    /// RT-DETR, DETR: a set of queries, normalised boxes.
    Rtdetr,
}

impl std::fmt::Display for DecoderKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl DecoderKind {
    /// The name in the manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nanodet => "nanodet",
            Self::Yolox => "yolox",
            Self::Yolov5 => "yolov5",
            Self::Yolov8 => "yolov8",
            Self::EndToEnd => "end_to_end",
            Self::Rtdetr => "rtdetr",
        }
    }

    /// Whether its outputs lie on grids of known strides.
    #[must_use]
    pub const fn has_strides(self) -> bool {
        matches!(self, Self::Nanodet | Self::Yolox)
    }

    /// Whether the model itself puts out every object once, so that NMS is not applied.
    #[must_use]
    pub const fn is_set_prediction(self) -> bool {
        matches!(self, Self::EndToEnd | Self::Rtdetr)
    }

    /// Whether one box may give several classes unless the manifest says otherwise.
    #[must_use]
    pub const fn multi_label_by_default(self) -> bool {
        matches!(self, Self::Nanodet | Self::Rtdetr)
    }
}

/// What still has to be done to the model's scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Nothing: they are probabilities.
    #[default]
    None,
    /// The logistic function: they are logits.
    Sigmoid,
}

impl Activation {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's `skip_serializing_if` passes a reference")]
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Names of the outputs a decoder reads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputNames {
    /// Class scores, one output per level (`nanodet`) or one (`rtdetr`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<String>,
    /// Boxes, in the order of `scores`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<String>,
    /// The one output that holds everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<String>,
}

impl OutputNames {
    /// Whether no name is given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty() && self.boxes.is_empty() && self.predictions.is_none()
    }
}

/// Thresholds that suit the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdSpec {
    /// Score from which a detection is published, in `(0, 1]`.
    pub score: f32,
    /// IoU above which two boxes of one class are one object, in `[0, 1]`.
    pub nms_iou: f32,
    /// At most so many detections per frame.
    pub max_detections: usize,
    /// Score from which a detection is kept for health, in `(0, score]`; by default 0.05, or `score` where that is
    /// lower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_score: Option<f32>,
}

/// The class names, in the manifest or in a file of one name per line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSpec {
    /// The names, by class id. After loading always filled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// A text file of one name per line, relative to the manifest, instead of `names`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

impl ModelManifest {
    /// Reads and checks a manifest, and the class list that it may name.
    ///
    /// # Errors
    /// [`DetectorError::Read`] where a file cannot be read; [`DetectorError::Manifest`] with every problem, its line
    /// and key: no TOML, an unknown key (with the nearest known one), a missing key, a wrong type, a bad value.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DetectorError> {
        read::load(path.as_ref())
    }

    /// Reads and checks the text of a manifest; `path` is for messages, and its folder is where relative files lie.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn from_toml(text: &str, path: impl AsRef<Path>) -> Result<Self, DetectorError> {
        read::from_toml(text, path.as_ref())
    }

    /// Checks every value, for a manifest that was changed in the program.
    ///
    /// # Errors
    /// [`DetectorError::Manifest`] with every problem and its key.
    pub fn validate(&self) -> Result<(), DetectorError> {
        let issues = validate::issues(self);
        if issues.is_empty() {
            return Ok(());
        }
        let issues = issues.into_iter().map(validate::Issue::without_place).collect();
        Err(DetectorError::Manifest { path: self.path.clone(), issues })
    }

    /// The ONNX file.
    #[must_use]
    pub fn model_path(&self) -> PathBuf {
        self.folder().join(&self.file)
    }

    /// The manifest's own file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that relative files are relative to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Moves the manifest to another file: relative files are looked for beside that.
    pub fn set_path(&mut self, path: impl Into<PathBuf>) {
        self.path = path.into();
    }

    /// The class names, by class id.
    #[must_use]
    pub fn class_names(&self) -> &[String] {
        &self.classes.names
    }

    /// The manifest's thresholds, for all classes alike.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        let ThresholdSpec { score, nms_iou, max_detections, low_score } = self.thresholds;
        Thresholds {
            score,
            nms_iou,
            max_detections,
            class_scores: Vec::new(),
            enabled: Vec::new(),
            low_score: low_score.unwrap_or_else(|| score.min(0.05)),
        }
    }
}

#[cfg(test)]
mod tests;
