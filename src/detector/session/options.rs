//! How a model is run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::detector::{Provider, ProviderPolicy};

/// Where a frame is turned into the input tensor, and candidates are picked from the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuPath {
    /// On the GPU where the model runs on one, otherwise on the CPU; [`ModelInfo`](crate::detector::ModelInfo) tells
    /// which, and why.
    #[default]
    Auto,
    /// On the GPU; loading fails where that cannot be.
    Require,
    /// On the CPU, whatever the model runs on.
    Off,
}

/// The most images that [`SessionOptions::max_batch`] may ask for.
pub const MAX_BATCH: usize = 64;

impl GpuPath {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::Require, Self::Off];

    /// The name in configuration files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Require => "require",
            Self::Off => "off",
        }
    }
}

impl std::fmt::Display for GpuPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for GpuPath {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|path| path.name() == name);
        known.ok_or_else(|| format!("expected `auto`, `require` or `off`, found `{name}`"))
    }
}

/// A share from 0 to 1; 0.9 unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct MinShare(f64);

impl MinShare {
    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

/// Never NaN.
impl Eq for MinShare {}

impl Default for MinShare {
    fn default() -> Self {
        Self(0.9)
    }
}

impl From<MinShare> for f64 {
    fn from(share: MinShare) -> Self {
        share.0
    }
}

/// A share that is none.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("expected a share from 0 to 1, found {0}")]
pub struct NoShare(f64);

impl TryFrom<f64> for MinShare {
    type Error = NoShare;

    fn try_from(share: f64) -> Result<Self, NoShare> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(NoShare(share)) }
    }
}

/// A number as text, for the command line.
impl std::str::FromStr for MinShare {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected a share from 0 to 1, found `{text}`");
        text.parse::<f64>().ok().and_then(|share| Self::try_from(share).ok()).ok_or_else(wrong)
    }
}

impl std::fmt::Display for MinShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// How a model is run.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionOptions {
    /// What to compute on.
    pub providers: ProviderPolicy,
    /// Threads for the work within an operator on the CPU; 0 leaves it to ONNX Runtime (one per core).
    pub intra_op_threads: usize,
    /// Whether ONNX Runtime's threads wait for their next work by spinning. That shaves a little off a run and costs
    /// nearly a core per thread, also between frames, so it is off.
    pub spinning: bool,
    /// Whether the CPU provider keeps its memory in an arena of its own, which grows and is not given back.
    pub cpu_arena: bool,
    /// Whether the memory of a run is planned in one block by the shapes of the run before.
    pub memory_pattern: bool,
    /// The GPU's number, for every provider but `cpu`.
    pub device_id: i32,
    /// Whether frames are prepared and candidates picked on the GPU, next to the model.
    pub gpu_path: GpuPath,
    /// Whether a model on a GPU is captured once as a CUDA graph and replayed, which saves launching its kernels one by
    /// one. Where the provider cannot do that, the model's warnings say so.
    pub cuda_graph: bool,
    /// Whether `cuda` computes convolutions on channels-last tensors, with their biases in the same kernel. That is how tensor
    /// cores want them: a YOLOv8n in float16 takes 0.7 of the time on an H200. Where a model does not run that way it is
    /// turned off, and the model's warnings say so.
    pub channels_last: bool,
    /// Threads that copy an image to locked memory, from where the GPU takes it; 0 chooses 1 to 4 by the machine's cores.
    pub upload_threads: usize,
    /// Further options of providers, passed on as they are: `cuda.prefer_nhwc = "1"`. What they mean is in ONNX Runtime's
    /// documentation of each provider; one that it does not know keeps the provider from coming up.
    pub provider_options: BTreeMap<String, String>,
    /// Folder for the engines that TensorRT builds, which takes minutes; `None` builds at every start. What is kept there
    /// is checked before it is used.
    pub engine_cache: Option<PathBuf>,
    /// Whether TensorRT may compute in half precision.
    pub trt_fp16: bool,
    /// The smallest share of a model's nodes that must run on the provider, 0 to 1, where that is not `cpu`. Fewer are an
    /// error under [`Fallback::Require`](crate::detector::Fallback), and a reason to try the next provider under `Prefer`.
    /// 0 also takes a provider whose share cannot be told.
    pub min_share: MinShare,
    /// The library of the plugin provider `nv_tensorrt_rtx`. `None`: `ROADPROOF_NV_TENSORRT_RTX`, or where it is usually
    /// installed.
    pub plugin_library: Option<PathBuf>,
    /// Most images that one run of the model takes, 1 to [`MAX_BATCH`]. A model whose input has a fixed first dimension
    /// takes one, whatever is asked, and the model's warnings say so.
    pub max_batch: usize,
    /// Trial runs before the first image, at least 1, of every number of images that a run may take: buffers are
    /// allocated and kernels chosen then.
    pub warm_up_runs: usize,
}

impl SessionOptions {
    /// The further options of `provider`, by their own names.
    pub(crate) fn options_of(&self, provider: Provider) -> impl Iterator<Item = (&str, &str)> {
        self.provider_options.iter().filter_map(move |(key, value)| {
            let (of, name) = key.split_once('.')?;
            (of == provider.name()).then_some((name, value.as_str()))
        })
    }

    /// What is wrong with the further options, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let known = |key: &String| {
            let (of, name) = key.split_once('.').unwrap_or((key, ""));
            !name.is_empty() && Provider::ALL.iter().any(|provider| provider.name() == of)
        };
        let wrong = self.provider_options.keys().find(|key| !known(key))?;
        Some(format!(
            "provider option `{wrong}`: expected the provider's name, a dot and the option's, such as `cuda.prefer_nhwc`"
        ))
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            providers: ProviderPolicy::default(),
            intra_op_threads: 1,
            spinning: false,
            cpu_arena: false,
            memory_pattern: true,
            device_id: 0,
            gpu_path: GpuPath::Auto,
            cuda_graph: true,
            channels_last: true,
            upload_threads: 0,
            provider_options: BTreeMap::new(),
            engine_cache: None,
            trt_fp16: false,
            min_share: MinShare::default(),
            plugin_library: None,
            max_batch: 1,
            warm_up_runs: 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_lies_between_0_and_1() {
        for text in ["-0.1", "1.1", "NaN", "most", ""] {
            assert!(text.parse::<MinShare>().unwrap_err().contains("from 0 to 1"), "{text}");
        }
        assert_eq!("0".parse::<MinShare>().map(MinShare::get), Ok(0.0));
        assert!(serde_json::from_str::<SessionOptions>(r#"{"min_share": 2}"#).is_err());
        let options: SessionOptions =
            serde_json::from_str(r#"{"min_share": 0.5, "trt_fp16": true}"#).unwrap();
        assert_eq!((options.min_share.get(), options.trt_fp16), (0.5, true));
    }
}
