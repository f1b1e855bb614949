//! How a model is run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::detector::ProviderPolicy;

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
    /// Where TensorRT keeps its built engines; building one takes minutes. `None` builds at every start.
    pub tensorrt_cache: Option<PathBuf>,
    /// Whether TensorRT may compute in half precision.
    pub tensorrt_fp16: bool,
    /// Most images that one run of the model takes, 1 to [`MAX_BATCH`]. A model whose input has a fixed first dimension
    /// takes one, whatever is asked, and the model's warnings say so.
    pub max_batch: usize,
    /// Trial runs before the first image, at least 1, of every number of images that a run may take: buffers are
    /// allocated and kernels chosen then.
    pub warm_up_runs: usize,
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
            tensorrt_cache: None,
            tensorrt_fp16: false,
            max_batch: 1,
            warm_up_runs: 3,
        }
    }
}
