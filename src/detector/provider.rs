//! Execution providers: what ONNX Runtime computes on, and what happens when that does not come up.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An ONNX Runtime execution provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The CPU provider, part of every ONNX Runtime.
    Cpu,
    /// NVIDIA CUDA with cuDNN.
    Cuda,
    /// NVIDIA TensorRT; operators it lacks run on the providers listed after it.
    #[serde(rename = "tensorrt")]
    TensorRt,
    /// NVIDIA TensorRT for RTX, a plugin library of ONNX Runtime; operators it lacks run on the providers listed after it.
    #[serde(rename = "nv_tensorrt_rtx")]
    NvTensorRtRtx,
}

impl Provider {
    /// All providers, in order of preference on a machine that has everything.
    pub const ALL: [Self; 4] = [Self::TensorRt, Self::NvTensorRtRtx, Self::Cuda, Self::Cpu];

    /// The name in configuration files, parameters and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::TensorRt => "tensorrt",
            Self::NvTensorRtRtx => "nv_tensorrt_rtx",
        }
    }

    /// The name by which ONNX Runtime knows it.
    #[must_use]
    pub const fn runtime_name(self) -> &'static str {
        match self {
            Self::Cpu => "CPUExecutionProvider",
            Self::Cuda => "CUDAExecutionProvider",
            Self::TensorRt => "TensorrtExecutionProvider",
            Self::NvTensorRtRtx => "NvTensorRTRTXExecutionProvider",
        }
    }

    /// The provider that ONNX Runtime knows by this name.
    pub(crate) fn by_runtime_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.runtime_name() == name)
    }

    /// Whether it computes on a GPU.
    #[must_use]
    pub const fn is_gpu(self) -> bool {
        !matches!(self, Self::Cpu)
    }

    /// Whether it compiles the model into an engine that is worth keeping.
    #[must_use]
    pub const fn builds_engines(self) -> bool {
        matches!(self, Self::TensorRt | Self::NvTensorRtRtx)
    }

    /// What has to be on the machine for this provider, for error messages.
    pub(crate) const fn requirement(self) -> &'static str {
        match self {
            Self::Cpu => "any ONNX Runtime",
            Self::Cuda => {
                "the GPU build of ONNX Runtime (PyPI package `onnxruntime-gpu`) with \
                 `libonnxruntime_providers_cuda.so` beside it, the CUDA and cuDNN libraries it names on the loader's \
                 path, and an NVIDIA driver"
            }
            Self::TensorRt => {
                "the GPU build of ONNX Runtime (PyPI package `onnxruntime-gpu`) with \
                 `libonnxruntime_providers_tensorrt.so` beside it, TensorRT (`libnvinfer.so`, \
                 `libnvonnxparser.so`), CUDA and cuDNN on the loader's path, and an NVIDIA driver"
            }
            Self::NvTensorRtRtx => {
                "ONNX Runtime 1.24 or newer, its plugin library `libonnxruntime_providers_nv_tensorrt_rtx.so` (PyPI \
                 package `onnxruntime-ep-nv-tensorrt-rtx-cu13`), an RTX GPU of the Ampere generation or later, and an \
                 NVIDIA driver for CUDA 13"
            }
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|provider| provider.name() == name)
            .ok_or_else(|| UnknownProvider { name: name.to_owned() })
    }
}

/// A provider name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown execution provider `{name}`: expected one of `cpu`, `cuda`, `tensorrt`, `nv_tensorrt_rtx`")]
pub struct UnknownProvider {
    name: String,
}

/// What to do when a listed provider does not come up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// Every listed provider must come up; otherwise loading fails and says what is missing.
    #[default]
    Require,
    /// The first of the list that comes up is used, and [`ModelInfo`](super::ModelInfo) tells which one that
    /// is and why the ones before it did not.
    Prefer,
}

/// Which providers to use, and how strictly.
///
/// There is no silent fall to the CPU: `cpu` is used where it is listed. (Single operators that a listed
/// accelerator does not implement run on the CPU inside the same session; that is ONNX Runtime's own way, and
/// [`SessionOptions::min_share`](super::SessionOptions::min_share) limits it.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderPolicy {
    /// Ordered: the first is the most wanted. Never empty, no provider twice.
    pub order: Vec<Provider>,
    /// What happens when one does not come up.
    #[serde(default)]
    pub fallback: Fallback,
}

impl ProviderPolicy {
    /// Exactly this provider.
    #[must_use]
    pub fn require(provider: Provider) -> Self {
        Self { order: vec![provider], fallback: Fallback::Require }
    }

    /// The first of `order` that comes up.
    #[must_use]
    pub fn prefer(order: impl Into<Vec<Provider>>) -> Self {
        Self { order: order.into(), fallback: Fallback::Prefer }
    }

    /// What is wrong with the list, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.order.is_empty() {
            return Some(
                "the list of execution providers is empty: name at least one, e.g. `cpu`".to_owned(),
            );
        }
        let repeated =
            self.order.iter().enumerate().find(|(index, p)| self.order.iter().take(*index).any(|q| q == *p));
        repeated.map(|(_, provider)| format!("execution provider `{provider}` is listed twice"))
    }
}

impl Default for ProviderPolicy {
    fn default() -> Self {
        Self::require(Provider::Cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for provider in Provider::ALL {
            assert_eq!(provider.name().parse::<Provider>(), Ok(provider));
            assert_eq!(serde_json::to_string(&provider).unwrap(), format!("\"{provider}\""));
        }
        let error = "gpu".parse::<Provider>().unwrap_err().to_string();
        assert!(error.contains("`gpu`") && error.contains("tensorrt"), "{error}");
    }

    #[test]
    fn empty_and_repeating_lists_are_refused() {
        assert!(ProviderPolicy::prefer([]).problem().unwrap().contains("empty"));
        let twice = ProviderPolicy::prefer([Provider::Cuda, Provider::Cpu, Provider::Cuda]);
        assert!(twice.problem().unwrap().contains("`cuda` is listed twice"));
        assert_eq!(ProviderPolicy::default().problem(), None);
    }
}
