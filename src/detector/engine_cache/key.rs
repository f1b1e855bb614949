//! What an engine was built from and for.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::detector::Provider;
use crate::detector::model_file::hexadecimal;

/// A GPU, as an engine depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gpu {
    /// The product, e.g. `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// The compute capability, e.g. `9.0`.
    pub compute_capability: String,
}

impl std::fmt::Display for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (compute capability {})", self.name, self.compute_capability)
    }
}

/// What is known about the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct MachineFacts {
    /// The GPU that computes.
    pub(crate) gpu: Option<Gpu>,
    /// Version of NVIDIA's driver, e.g. `580.65.06`.
    pub(crate) driver: Option<String>,
}

/// Everything that an engine depends on. Engines with other keys are never used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EngineKey {
    /// SHA-256 of the model file.
    pub(crate) model_sha256: String,
    pub(crate) provider: Provider,
    /// Whether it may compute in half precision.
    pub(crate) trt_fp16: bool,
    /// Further options of the provider.
    pub(crate) options: String,
    /// Shape of the model's input.
    pub(crate) input_shape: Vec<i64>,
    /// ONNX Runtime's version.
    pub(crate) runtime: String,
    /// SHA-256 of the provider's library.
    pub(crate) provider_library: String,
    /// TensorRT's version.
    pub(crate) tensorrt: String,
    pub(crate) driver: String,
    pub(crate) gpu: Gpu,
}

impl EngineKey {
    /// The name of its folder: SHA-256 over all parts.
    pub(crate) fn id(&self) -> String {
        hexadecimal(&Sha256::digest(self.parts().map(|(name, value)| format!("{name}\0{value}\0")).concat()))
    }

    /// A name for what depends on the machine and TensorRT alone.
    pub(crate) fn machine_id(&self) -> String {
        let of_machine = ["runtime", "provider_library", "tensorrt", "driver", "gpu"];
        let parts = self.parts().into_iter().filter(|(name, _)| of_machine.contains(name));
        let text: String = parts.map(|(name, value)| format!("{name}\0{value}\0")).collect();
        hexadecimal(&Sha256::digest(text)).chars().take(16).collect()
    }

    /// How it differs from the one in the cache, part by part.
    pub(super) fn differences(&self, stored: &Self) -> Vec<String> {
        let pairs = self.parts().into_iter().zip(stored.parts());
        pairs
            .filter(|(here, there)| here != there)
            .map(|((name, here), (_, there))| format!("{name}: it is for {there}, here is {here}"))
            .collect()
    }

    fn parts(&self) -> [(&'static str, String); 10] {
        [
            ("model", self.model_sha256.clone()),
            ("provider", self.provider.to_string()),
            ("trt_fp16", self.trt_fp16.to_string()),
            ("options", self.options.clone()),
            ("input shape", format!("{:?}", self.input_shape)),
            ("runtime", self.runtime.clone()),
            ("provider_library", self.provider_library.clone()),
            ("tensorrt", self.tensorrt.clone()),
            ("driver", self.driver.clone()),
            ("gpu", self.gpu.to_string()),
        ]
    }
}
