//! What an execution provider takes of a model.

use std::collections::HashMap;

use serde::Serialize;

use crate::compress::CompressError;
use crate::compress::graph::proto::GraphProto;
use crate::compress::graph::{Model, node_name};
use crate::detector::Provider;
use crate::detector::placement::{self, Kernel};

/// How the nodes of a model are spread when one provider is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The provider.
    pub provider: Provider,
    /// Number of nodes that it takes.
    pub taken: usize,
    /// Nodes that run elsewhere, in the graph's order.
    pub elsewhere: Vec<Placed>,
    /// Copies between the provider's memory and the processor's, for their sake.
    pub copies: usize,
}

/// A node that runs elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Placed {
    /// Its name.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// The provider that runs it, as ONNX Runtime calls it.
    pub provider: String,
}

impl Placement {
    /// Runs a model once on `provider`, on zeros of `input_shape`, and looks at what ran where. The nodes are those of the
    /// file: ONNX Runtime's own rewriting, which can take some away first, is off.
    ///
    /// # Errors
    /// The provider does not come up, or ONNX Runtime refuses the model.
    pub fn of(model: &Model, input_shape: &[i64], provider: Provider) -> Result<Self, CompressError> {
        // names may be missing
        let mut named = model.clone();
        for (number, node) in named.graph_mut().node.iter_mut().enumerate() {
            node.name = Some(run_name(number));
        }
        let kernels = placement::kernels(&named.to_bytes(), input_shape, model.path(), provider)?;
        Ok(Self::from_kernels(model.graph(), &kernels, provider))
    }

    /// From what ran under [`run_name`]s.
    fn from_kernels(graph: &GraphProto, kernels: &[Kernel], provider: Provider) -> Self {
        let copies = kernels.iter().filter(|kernel| kernel.operator.starts_with("Memcpy")).count();
        let ran: HashMap<&str, &str> =
            kernels.iter().map(|kernel| (kernel.node.as_str(), kernel.provider.as_str())).collect();
        // constants never run, and what a provider took together ran under another name: both count as taken
        let elsewhere: Vec<Placed> = graph
            .node
            .iter()
            .enumerate()
            .filter_map(|(number, node)| {
                let by = *ran.get(run_name(number).as_str())?;
                let placed = || Placed {
                    node: node_name(node).to_owned(),
                    operator: node.op_type().to_owned(),
                    provider: by.to_owned(),
                };
                (by != provider.runtime_name()).then(placed)
            })
            .collect();
        Self { provider, taken: graph.node.len() - elsewhere.len(), elsewhere, copies }
    }
}

/// What a node is called while it runs.
fn run_name(number: usize) -> String {
    format!("roadproof_node_{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::graph::build;

    #[test]
    fn what_a_provider_leaves_is_named() {
        let model = build::model(&build::small());
        let kernel = |node: &str, operator: &str, provider: &str| Kernel {
            node: node.to_owned(),
            operator: operator.to_owned(),
            provider: provider.to_owned(),
        };
        // two parts that TensorRT took, a node between them that it did not
        let (trt, cpu) = ("TensorrtExecutionProvider", "CPUExecutionProvider");
        let kernels = [
            kernel("TRTKernel_graph_small_1", "TRTKernel_graph_small_1", trt),
            kernel("Memcpy", "MemcpyToHost", "CUDAExecutionProvider"),
            kernel(&run_name(2), "MaxPool", cpu),
            kernel("Memcpy_token_1", "MemcpyFromHost", "CUDAExecutionProvider"),
            kernel("TRTKernel_graph_small_2", "TRTKernel_graph_small_2", trt),
        ];
        let found = Placement::from_kernels(model.graph(), &kernels, Provider::TensorRt);
        let pool =
            Placed { node: "pool".to_owned(), operator: "MaxPool".to_owned(), provider: cpu.to_owned() };
        let wanted = Placement { provider: Provider::TensorRt, taken: 6, elsewhere: vec![pool], copies: 2 };
        assert_eq!(found, wanted);
    }
}
