//! Where the nodes of a loaded model run, from the first run of the very session that is used.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::session::builder::SessionBuilder;
use prost::Message;
use serde::Serialize;
use tempfile::TempDir;

use super::{Kernel, profile};
use crate::detector::Provider;

/// Operators that are named at most.
const MAX_OPERATORS: usize = 8;

/// Where the nodes of a loaded model run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Placement {
    /// Number of nodes by provider; one that Roadproof does not know has ONNX Runtime's name.
    pub nodes: BTreeMap<String, usize>,
    /// Nodes in all. With TensorRT, which takes many nodes for one, those of the model file without its constants;
    /// otherwise those that ONNX Runtime has made of them.
    pub total: usize,
    /// Nodes that run elsewhere than on the model's provider.
    pub elsewhere: usize,
    /// Operators of these nodes, at most 8, the most frequent ones first.
    pub operators_elsewhere: Vec<String>,
    /// Copies between the GPU's memory and the processor's for their sake.
    pub copies: usize,
}

impl Placement {
    /// The share of the nodes that runs on the model's provider, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.total == 0 { 0.0 } else { 1.0 - self.elsewhere as f64 / self.total as f64 }
    }

    /// `model_nodes` is the number of nodes in the model file.
    fn of(kernels: &[Kernel], model_nodes: usize, provider: Provider) -> Self {
        let mut placement = Self::default();
        let mut operators: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut here, mut elsewhere) = (0, 0);
        let mut seen = HashSet::new();
        // a provider that captures a graph runs the model more than once
        for kernel in kernels.iter().filter(|kernel| seen.insert((&kernel.node, &kernel.provider))) {
            if kernel.operator.starts_with("Memcpy") {
                placement.copies += 1;
            } else if kernel.provider == provider.runtime_name() {
                here += 1;
            } else {
                elsewhere += 1;
                *operators.entry(&kernel.operator).or_default() += 1;
                let name = Provider::by_runtime_name(&kernel.provider)
                    .map_or_else(|| kernel.provider.clone(), |known| known.name().to_owned());
                *placement.nodes.entry(name).or_default() += 1;
            }
        }
        // nothing at all on the provider means that nothing was taken together either
        placement.total = if provider.builds_engines() && here > 0 {
            model_nodes.max(here + elsewhere)
        } else {
            here + elsewhere
        };
        placement.elsewhere = elsewhere;
        placement.nodes.insert(provider.name().to_owned(), placement.total - elsewhere);
        let mut operators: Vec<_> = operators.into_iter().collect();
        operators.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        placement.operators_elsewhere =
            operators.into_iter().take(MAX_OPERATORS).map(|(name, _)| name.to_owned()).collect();
        placement
    }
}

/// One sentence, e.g. `97.5 % of 120 nodes on cuda; elsewhere: 3 on cpu (Shape, Gather)`.
impl std::fmt::Display for Placement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} % of {} nodes run on the provider", 100.0 * self.share(), self.total)?;
        if self.elsewhere > 0 {
            write!(f, "; {} elsewhere ({})", self.elsewhere, self.operators_elsewhere.join(", "))?;
        }
        if self.copies > 0 {
            write!(f, ", with {} copies between memories", self.copies)?;
        }
        let nodes: Vec<_> = self.nodes.iter().map(|(name, count)| format!("{name}: {count}")).collect();
        write!(f, " [{}]", nodes.join(", "))
    }
}

/// The profile of a session's first run, while that is still to come.
#[derive(Debug)]
pub(crate) struct PlacementProbe {
    folder: TempDir,
    provider: Provider,
    model: PathBuf,
}

impl PlacementProbe {
    /// Has the session that is being made write a profile.
    ///
    /// # Errors
    /// There is no place for it.
    pub(crate) fn start(
        builder: &mut SessionBuilder,
        provider: Provider,
        model: &Path,
    ) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("roadproof-profile-")
            .tempdir()
            .map_err(|error| format!("no place for its profile: {error}"))?;
        let profiled = builder.clone().with_profiling(folder.path().join("profile"));
        *builder = profiled.map_err(|error| error.message().to_owned())?;
        Ok(Self { folder, provider, model: model.to_owned() })
    }

    /// Ends the profile after the session's first run, and reads it. The session runs on without one.
    ///
    /// # Errors
    /// The profile, or the model file, cannot be read, or the profile knows of no nodes.
    pub(crate) fn finish(self, session: &mut Session) -> Result<Placement, String> {
        let written = session.end_profiling().map_err(|error| error.to_string())?;
        let kernels = profile::read(&self.folder.path().join(written))?;
        if kernels.is_empty() {
            return Err("the profile of its first run has no nodes".to_owned());
        }
        Ok(Placement::of(&kernels, model_nodes(&self.model)?, self.provider))
    }
}

/// Nodes of a model file that compute something. Field numbers are those of onnx.proto3.
fn model_nodes(path: &Path) -> Result<usize, String> {
    #[derive(Clone, PartialEq, Message)]
    struct Model {
        #[prost(message, optional, tag = "7")]
        graph: Option<Graph>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Graph {
        #[prost(message, repeated, tag = "1")]
        node: Vec<Node>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Node {
        #[prost(string, optional, tag = "4")]
        op_type: Option<String>,
    }
    let wrong = |reason: String| format!("cannot count the nodes of {}: {reason}", path.display());
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let model = Model::decode(bytes.as_slice()).map_err(|error| wrong(error.to_string()))?;
    let nodes = model.graph.unwrap_or_default().node;
    Ok(nodes.iter().filter(|node| node.op_type() != "Constant").count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::test_onnx::ConstantModel;

    fn kernel(node: &str, operator: &str, provider: &str) -> Kernel {
        Kernel { node: node.to_owned(), operator: operator.to_owned(), provider: provider.to_owned() }
    }

    const TRT: &str = "TensorrtExecutionProvider";
    const CUDA: &str = "CUDAExecutionProvider";
    const CPU: &str = "CPUExecutionProvider";

    #[test]
    fn what_tensorrt_takes_together_counts_as_the_model_s_nodes() {
        let kernels = [
            kernel("TRTKernel_1", "TRTKernel_1", TRT),
            kernel("Memcpy", "MemcpyToHost", CUDA),
            kernel("pool", "MaxPool", CPU),
            kernel("shape", "Shape", "OddExecutionProvider"),
            kernel("pool2", "MaxPool", CPU),
            kernel("TRTKernel_1", "TRTKernel_1", TRT),
            kernel("pool", "MaxPool", CPU),
        ];
        let found = Placement::of(&kernels, 30, Provider::TensorRt);
        assert!((found.share() - 0.9).abs() < 1e-9, "{found}");
        assert_eq!((found.total, found.elsewhere, found.copies), (30, 3, 1));
        assert_eq!(found.operators_elsewhere, ["MaxPool", "Shape"]);
        let nodes: Vec<_> = found.nodes.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(nodes, [("OddExecutionProvider", 1), ("cpu", 2), ("tensorrt", 27)]);
        assert!(found.to_string().starts_with("90.0 % of 30 nodes"), "{found}");
    }

    #[test]
    fn a_provider_that_takes_nothing_has_no_share() {
        // ONNX Runtime has made 2 nodes of 30, all on the processor
        let kernels = [kernel("a", "Conv", CPU), kernel("b", "Conv", CPU)];
        for provider in [Provider::TensorRt, Provider::NvTensorRtRtx, Provider::Cuda] {
            assert!(Placement::of(&kernels, 30, provider).share().abs() < 1e-9, "{provider}");
        }
    }

    #[test]
    fn cuda_s_share_is_one_of_what_runs() {
        let mut kernels = vec![kernel("a", "Conv", CUDA), kernel("b", "Shape", CPU)];
        let half = Placement::of(&kernels, 30, Provider::Cuda);
        assert!((half.share() - 0.5).abs() < 1e-9 && half.total == 2, "{half}");
        kernels.extend((0..20).map(|number| kernel(&format!("n{number}"), &format!("Op{number}"), CPU)));
        assert_eq!(Placement::of(&kernels, 30, Provider::Cuda).operators_elsewhere.len(), MAX_OPERATORS);
        assert!(Placement::of(&[], 0, Provider::Cuda).share().abs() < 1e-9);
    }

    #[test]
    fn a_session_s_first_run_tells() {
        if std::env::var_os("ORT_DYLIB_PATH").is_none_or(|path| path.is_empty()) {
            eprintln!("skipped: ORT_DYLIB_PATH is not set, so there is no ONNX Runtime to test with");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let mut model = ConstantModel::new(&[1, 2]);
        model.echo = true;
        model.write(&path);
        let runtime = crate::detector::library::runtime().unwrap();
        let mut builder = SessionBuilder::new(&runtime.environment).unwrap();
        let probe = PlacementProbe::start(&mut builder, Provider::Cpu, &path).unwrap();
        let profiles = probe.folder.path().to_owned();
        let mut session = builder.commit_from_file(&path).unwrap();
        let run = |session: &mut Session| {
            let input = ort::value::Tensor::from_array((vec![1i64, 2], vec![0f32; 2])).unwrap();
            session.run(ort::inputs![&input]).map(drop).unwrap();
        };
        run(&mut session);
        let placement = probe.finish(&mut session).unwrap();
        assert_eq!((placement.total, placement.elsewhere), (1, 0), "{placement}");
        assert!((placement.share() - 1.0).abs() < 1e-9 && !profiles.exists());
        run(&mut session);

        // a session that has not run
        let mut builder = SessionBuilder::new(&runtime.environment).unwrap();
        let probe = PlacementProbe::start(&mut builder, Provider::Cpu, &path).unwrap();
        let mut session = builder.commit_from_file(&path).unwrap();
        assert!(probe.finish(&mut session).unwrap_err().contains("no nodes"));
    }

    #[test]
    fn nodes_are_counted_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.onnx");
        let model =
            ConstantModel::new(&[1, 3, 8, 8]).output("a", &[1], vec![1.0]).output("b", &[1], vec![1.0]);
        model.write(&path);
        assert_eq!(model_nodes(&path), Ok(2));
        std::fs::write(&path, "no model at all").unwrap();
        assert!(model_nodes(&path).unwrap_err().contains("m.onnx"));
        assert!(model_nodes(&folder.path().join("none.onnx")).is_err());
    }
}
