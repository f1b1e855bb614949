//! Which execution provider takes which node of a model.
//!
//! ONNX Runtime decides on that when a session is made and does not tell; the profile of a run does.

use std::path::Path;

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::Tensor;
use serde::Deserialize;

use super::error::ProviderFailure;
use super::session::{self, SessionOptions};
use super::{DetectorError, Provider, library};

/// A kernel that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// The node's name; several nodes that a provider took together have a name of its making.
    pub(crate) node: String,
    /// The operator.
    pub(crate) operator: String,
    /// The provider, as ONNX Runtime calls it.
    pub(crate) provider: String,
}

#[derive(Deserialize)]
struct Event {
    #[serde(default)]
    cat: String,
    name: String,
    #[serde(default)]
    args: Args,
}

#[derive(Deserialize, Default)]
struct Args {
    #[serde(default)]
    op_name: String,
    #[serde(default)]
    provider: String,
}

/// The kernels of one run on zeros, in the order in which they ran. ONNX Runtime's own rewriting is off, so that nodes
/// are those of the model; what `provider` does not take falls to the CPU. The one input is float32 of `shape`.
///
/// # Errors
/// The provider does not come up, or ONNX Runtime refuses the model.
pub(crate) fn kernels(
    bytes: &[u8],
    shape: &[i64],
    path: &Path,
    provider: Provider,
) -> Result<Vec<Kernel>, DetectorError> {
    let refused = |message: String| DetectorError::Session { path: path.to_owned(), message };
    let failed = |message: String| DetectorError::Providers {
        path: path.to_owned(),
        failures: vec![ProviderFailure { provider, message }],
    };
    let runtime = library::runtime()?;
    let options = SessionOptions { intra_op_threads: 0, ..SessionOptions::default() };
    let folder =
        tempfile::tempdir().map_err(|error| refused(format!("no place for its profile: {error}")))?;
    library::clear_complaints();
    let text = |error: ort::Error<SessionBuilder>| refused(error.message().to_owned());
    let mut builder = session::configured(&runtime, &options)
        .map_err(refused)?
        .with_optimization_level(GraphOptimizationLevel::Disable)
        .map_err(text)?
        .with_profiling(folder.path().join("profile"))
        .map_err(text)?;
    session::dispatch(provider, &options, None)
        .register(&mut builder)
        .map_err(|error| failed(session::with_complaints(error.message())))?;
    let mut session = builder.commit_from_memory(bytes).map_err(|error| match provider {
        Provider::Cpu => refused(error.message().to_owned()),
        Provider::Cuda | Provider::TensorRt => failed(session::with_complaints(error.message())),
    })?;
    session::check_input(session.inputs(), shape, path)?;
    let count = shape.iter().product::<i64>();
    let zeros = vec![0f32; usize::try_from(count).unwrap_or(0)];
    let input = Tensor::from_array((shape.to_vec(), zeros)).map_err(|error| refused(error.to_string()))?;
    session.run(ort::inputs![&input]).map(drop).map_err(|error| DetectorError::Inference {
        name: path.display().to_string(),
        message: error.to_string(),
    })?;
    let profile = session.end_profiling().map_err(|error| refused(error.to_string()))?;
    let text = std::fs::read_to_string(&profile)
        .map_err(|error| refused(format!("its profile cannot be read: {error}")))?;
    parse(&text).map_err(|error| refused(format!("its profile makes no sense: {error}")))
}

fn parse(profile: &str) -> Result<Vec<Kernel>, serde_json::Error> {
    let events: Vec<Event> = serde_json::from_str(profile)?;
    let kernel = |event: Event| {
        let node = event.name.strip_suffix("_kernel_time").filter(|_| event.cat == "Node")?.to_owned();
        Some(Kernel { node, operator: event.args.op_name, provider: event.args.provider })
    };
    Ok(events.into_iter().filter_map(kernel).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_told_from_other_events() {
        let profile = r#"[
            {"cat" : "Session","pid" :1,"tid" :1,"dur" :9,"ts" :5,"ph" : "X","name" :"model_loading_array","args" : {}},
            {"cat" : "Node","pid" :1,"ts" :6,"ph" : "X","name" :"conv_kernel_time",
             "args" : {"op_name" : "Conv","provider" : "CUDAExecutionProvider","node_index" : "0"}},
            {"cat" : "Node","pid" :1,"ts" :7,"ph" : "X","name" :"conv_fence_after","args" : {"op_name" : "Conv"}}
        ]"#;
        let wanted = Kernel {
            node: "conv".to_owned(),
            operator: "Conv".to_owned(),
            provider: "CUDAExecutionProvider".to_owned(),
        };
        assert_eq!(parse(profile).unwrap(), [wanted]);
        assert!(parse("[{").is_err());
    }
}
