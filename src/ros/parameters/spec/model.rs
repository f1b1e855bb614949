//! Parameters of how the model is run.

use r2r::ParameterValue as V;

use super::{Kind, Mutability, Spec, any_text, list, spec, text, unit};

/// How the model is run, on the CPU and on a GPU.
pub(super) fn model_specs() -> Vec<Spec> {
    use Mutability::{Live, Unconfigured};
    vec![
        spec(
            "providers",
            Kind::TextList,
            Unconfigured,
            list(&["cpu"]),
            "ONNX Runtime execution providers in order of preference: tensorrt, nv_tensorrt_rtx, cuda, cpu.",
        ),
        spec(
            "provider_policy",
            Kind::Text { choices: &["require", "prefer"] },
            Unconfigured,
            text("require"),
            "require: every one of `providers` must come up, otherwise configuring fails. prefer: the first one that comes up is used, and diagnostics say which.",
        ),
        spec(
            "intra_op_threads",
            Kind::Integer { min: 0, max: 256 },
            Unconfigured,
            V::Integer(0),
            "Threads inside one operator of the network on the CPU; 0 leaves the choice to ONNX Runtime (one per core).",
        ),
        spec(
            "batch_max",
            Kind::Integer { min: 1, max: 64 },
            Unconfigured,
            V::Integer(1),
            "Most frames, of different cameras, in one run of the model. Above 1 it takes a model whose input has a free first dimension; with any other a warning says that it takes one.",
        ),
        spec(
            "batch_window_ms",
            Kind::Integer { min: 0, max: 100 },
            Live,
            V::Integer(0),
            "For how long at most a frame waits, from its arrival on, for another camera's frame that is due within that time, to be run with it; 0 takes whatever waits and waits for none. Milliseconds.",
        ),
        spec(
            "device_id",
            Kind::Integer { min: 0, max: 1023 },
            Unconfigured,
            V::Integer(0),
            "Number of the GPU, for every provider but cpu.",
        ),
        spec(
            "engine_cache",
            any_text(),
            Unconfigured,
            text(""),
            "Folder where the engines of tensorrt and nv_tensorrt_rtx are kept from one start to the next; docs/gpu.md. Empty: they are built whenever the node is configured.",
        ),
        spec("trt_fp16", Kind::Bool, Unconfigured, V::Bool(false), "Let tensorrt compute in half precision."),
        spec(
            "min_share",
            unit(),
            Unconfigured,
            V::Double(0.9),
            "Smallest share of the model's nodes that must run on the provider, unless that is cpu. With fewer, require: configuring fails; prefer: the next provider is tried. 0 also takes a provider that does not tell.",
        ),
        spec(
            "cuda_graph",
            Kind::Bool,
            Unconfigured,
            V::Bool(true),
            "Capture the model on the GPU once as a CUDA graph and replay that for every frame, where the provider can.",
        ),
        spec(
            "gpu_path",
            Kind::Text { choices: &["auto", "require", "off"] },
            Unconfigured,
            text("auto"),
            "Whether frames are prepared and candidates picked on the GPU. auto: where the model runs on one and it can be; require: configuring fails where it cannot; off: on the CPU.",
        ),
        spec(
            "channels_last",
            Kind::Bool,
            Unconfigured,
            V::Bool(true),
            "Let cuda compute convolutions on channels-last tensors, with their biases in the same kernel. A model that does not run that way is run without, and a warning says so.",
        ),
        spec(
            "upload_threads",
            Kind::Integer { min: 0, max: 64 },
            Unconfigured,
            V::Integer(0),
            "Threads that copy a frame to memory from where the GPU takes it; 0 chooses 1 to 4 by the machine's cores.",
        ),
        spec(
            "provider_options",
            Kind::TextList,
            Unconfigured,
            list(&[]),
            "Further options of providers, passed on to ONNX Runtime, such as cuda.cudnn_conv_algo_search=HEURISTIC.",
        ),
    ]
}
