//! Flags, and what they say in a recipe's terms.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::bail;
use roadproof::compress::channels::{self, Importance, Spread};
use roadproof::compress::fp16;
use roadproof::compress::gate::{GateSpec, Limits, min_support};
use roadproof::compress::int8::{self, Activations, Calibration as Ranges};
use roadproof::compress::recipe::{Calibration, Step, Structured, Unstructured, Variant};
use roadproof::compress::reconstruct::Reconstruct;
use roadproof::compress::sparse::{self, Scope};
use roadproof::corruption;
use serde::de::{DeserializeOwned, IntoDeserializer as _};

/// What is done to the model.
#[derive(Debug, clap::Args)]
pub(super) struct Methods {
    /// Quantise to 8 bits; needs --calibrate.
    #[arg(long)]
    int8: bool,
    /// Compute in half precision.
    #[arg(long, conflicts_with = "int8")]
    fp16: bool,
    /// Of --fp16: nodes stay in float32 where what was seen, times this, is beyond float16's range; 1 to 65504.
    #[arg(long, value_name = "FACTOR", default_value_t = fp16::Options::default().margin)]
    fp16_margin: f32,
    /// Remove this share of the channels.
    #[arg(long, value_name = "0..0.95")]
    structured: Option<f64>,
    /// Set this share of the weights to zero.
    #[arg(long, value_name = "0..0.99")]
    unstructured: Option<f64>,
    /// Of every M consecutive weights keep N, such as 2:4; the others become zero.
    #[arg(long, value_name = "N:M", conflicts_with = "unstructured")]
    pattern: Option<Pattern>,
    /// Fit what is left after pruning to the calibration images: none, bias, weights.
    #[arg(long, value_name = "WHAT", value_parser = word::<Reconstruct>, default_value = "none")]
    reconstruct: Reconstruct,
    /// Of --structured: how channels are ranked: l1, l2, scale, activation, redundancy.
    #[arg(long, value_name = "HOW", value_parser = word::<Importance>, default_value = "l2")]
    importance: Importance,
    /// Of --structured: how the rate is spread over the layers: uniform, sensitivity.
    #[arg(long, value_name = "HOW", value_parser = word::<Spread>, default_value = "uniform")]
    spread: Spread,
    /// Of --structured: channel counts that remain are multiples of this, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1)]
    multiple: usize,
    /// Of --unstructured: where the smallest weights are looked for: global, layer.
    #[arg(long, value_name = "WHERE", value_parser = word::<Scope>, default_value = "global")]
    scope: Scope,
    /// Of --int8: how much of an activation's range is kept: minmax, percentile, mse, entropy.
    #[arg(long, value_name = "HOW", value_parser = word::<Ranges>, default_value = "minmax")]
    calibration: Ranges,
    /// Of --calibration percentile: percent of the values that are kept, 50 to 100.
    #[arg(long, value_name = "PERCENT", default_value_t = 99.99)]
    percentile: f64,
    /// Of --int8: integers of the activations: uint8 for ONNX Runtime's CPU, int8 (symmetric) for TensorRT.
    #[arg(long, value_name = "TYPE", value_parser = word::<Activations>, default_value = "uint8")]
    activations: Activations,
    /// Nodes that stay as they are.
    #[arg(long, alias = "keep-fp32", value_name = "NODE", num_args = 1.., value_delimiter = ',')]
    exclude: Vec<String>,
    /// Of --int8: keep so many more in float: those whose weights suffer most from rounding.
    #[arg(long, value_name = "N", default_value_t = 0)]
    exclude_worst: usize,
    /// Of --int8: mixed precision: keep as few more layers in float as it takes to pass --max-drop.
    #[arg(long, requires = "int8")]
    mixed: bool,
    /// Name of the result; the model's and what was done if not given.
    #[arg(long)]
    name: Option<String>,
}

/// What it is calibrated on.
#[derive(Debug, clap::Args)]
pub(super) struct CalibrationArgs {
    /// Folder of images, or a labelled dataset as `evaluate` reads it.
    #[arg(long, value_name = "DATASET_OR_FOLDER")]
    calibrate: Option<PathBuf>,
    /// At most so many of the images, evenly spread; 128 if not given.
    #[arg(long, value_name = "N")]
    calibration_images: Option<usize>,
    /// Use each image as it is, and again under one of these, in turn.
    #[arg(long, value_name = "NAME:SEVERITY", value_delimiter = ',')]
    calibrate_corruptions: Vec<corruption::Step>,
    /// Seed of those corruptions; 0 if not given.
    #[arg(long, value_name = "SEED")]
    calibrate_seed: Option<u64>,
}

/// What a variant has to reach.
#[derive(Debug, clap::Args)]
pub(super) struct GateArgs {
    /// Refuse a variant that loses more: ap, ap50, `worst_class_ap`, in 0..1.
    #[arg(long, value_name = "NAME=DROP,…")]
    max_drop: Option<Limits>,
    /// Labelled dataset that --max-drop is measured on; the calibration dataset if not given.
    #[arg(long, value_name = "DATASET")]
    validate: Option<PathBuf>,
    /// What that dataset's classes are called in the model; same names need no entry.
    #[arg(long, value_name = "TOML")]
    class_map: Option<PathBuf>,
    /// Instances that a class needs to be called the worst; 10 if not given.
    #[arg(long, value_name = "N")]
    min_support: Option<usize>,
}

impl Methods {
    /// The variant that the flags describe, of a model called `base`.
    pub(super) fn variant(&self, base: &str) -> anyhow::Result<Variant> {
        let reconstruct = self.reconstruct;
        let mut steps = Vec::new();
        let mut name = base.to_owned();
        if let Some(rate) = self.structured {
            let options = channels::Options {
                rate,
                importance: self.importance,
                spread: self.spread,
                multiple: self.multiple,
                exclude: self.exclude.clone(),
            };
            steps.push(Step::Structured(Structured { options, reconstruct }));
            name.push_str(&format!("-structured{}", per_cent(rate)));
        }
        let sparse = match (self.unstructured, self.pattern) {
            (Some(rate), _) => Some((rate, self.scope, format!("-unstructured{}", per_cent(rate)))),
            (None, Some(Pattern { keep, group })) => {
                Some((0.0, Scope::Pattern { keep, group }, format!("-{keep}of{group}")))
            }
            (None, None) => None,
        };
        if let Some((rate, scope, suffix)) = sparse {
            let options = sparse::Options { rate, scope, exclude: self.exclude.clone() };
            steps.push(Step::Unstructured(Unstructured { options, reconstruct }));
            name.push_str(&suffix);
        }
        if self.fp16 {
            let (exclude, margin) = (self.exclude.clone(), self.fp16_margin);
            steps.push(Step::Fp16(fp16::Options { exclude, margin }));
            name.push_str("-fp16");
        }
        if self.int8 {
            steps.push(Step::Int8(int8::Options {
                calibration: self.calibration,
                percentile: self.percentile,
                activations: self.activations,
                exclude: self.exclude.clone(),
                exclude_worst: self.exclude_worst,
                mixed: self.mixed,
            }));
            name.push_str(if self.mixed { "-mixed" } else { "-int8" });
        }
        if steps.is_empty() {
            bail!(
                "nothing to do: give at least one of --int8, --fp16, --structured, --unstructured, --pattern, or a --recipe"
            );
        }
        Ok(Variant { name: self.name.clone().unwrap_or(name), steps })
    }
}

fn per_cent(rate: f64) -> f64 {
    (rate * 1000.0).round() / 10.0
}

impl CalibrationArgs {
    /// What is given here comes before what the recipe says.
    pub(super) fn put_over(&self, calibration: &mut Calibration) -> anyhow::Result<()> {
        if let Some(dataset) = &self.calibrate {
            calibration.dataset = Some(dataset.clone());
        }
        if let Some(images) = self.calibration_images {
            if images == 0 {
                bail!("--calibration-images: expected 1 or more, found 0");
            }
            calibration.images = images;
        }
        if !self.calibrate_corruptions.is_empty() {
            calibration.corruptions.clone_from(&self.calibrate_corruptions);
        }
        if let Some(seed) = self.calibrate_seed {
            calibration.seed = seed;
        }
        Ok(())
    }
}

impl GateArgs {
    /// What is given here comes before what the recipe says.
    pub(super) fn put_over(&self, gate: &mut Option<GateSpec>) -> anyhow::Result<()> {
        if let Some(max_drop) = self.max_drop.clone() {
            let new = || GateSpec {
                max_drop: max_drop.clone(),
                validate: None,
                class_map: None,
                min_support: min_support(),
            };
            gate.get_or_insert_with(new).max_drop = max_drop.clone();
        }
        let Some(gate) = gate else {
            if self.validate.is_some() || self.class_map.is_some() || self.min_support.is_some() {
                bail!(
                    "--validate, --class-map and --min-support say how --max-drop is measured; give that, too"
                );
            }
            return Ok(());
        };
        if let Some(validate) = &self.validate {
            gate.validate = Some(validate.clone());
        }
        if let Some(map) = &self.class_map {
            gate.class_map = Some(map.clone());
        }
        gate.min_support = self.min_support.unwrap_or(gate.min_support);
        Ok(())
    }
}

/// N of every M weights stay.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pattern {
    keep: usize,
    group: usize,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once(':').and_then(|(keep, group)| Some((keep.parse().ok()?, group.parse().ok()?)));
        let (keep, group) = numbers.ok_or_else(|| format!("expected N:M such as 2:4, found '{text}'"))?;
        Ok(Self { keep, group })
    }
}

/// A value that is one word in recipes.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let read: Result<T, serde::de::value::Error> = T::deserialize(text.into_deserializer());
    read.map_err(|error| error.to_string())
}
