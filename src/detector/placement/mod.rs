//! Which execution provider takes which node of a model.
//!
//! ONNX Runtime decides on that when a session is made and does not tell; the profile of a run does.

mod profile;
mod summary;

use std::path::Path;

use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::Tensor;
pub use summary::Placement;
pub(crate) use summary::PlacementProbe;

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
    session::attach(&mut builder, &runtime, provider, &options, None, None)
        .map_err(|message| failed(session::with_complaints(&message)))?;
    let mut session = builder.commit_from_memory(bytes).map_err(|error| match provider {
        Provider::Cpu => refused(error.message().to_owned()),
        _ => failed(session::with_complaints(error.message())),
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
    profile::read(Path::new(&profile)).map_err(refused)
}
