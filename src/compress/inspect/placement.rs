//! What an execution provider takes of a model.

use std::collections::HashMap;

use serde::Serialize;

use crate::compress::CompressError;
use crate::compress::graph::{Model, node_name};
use crate::detector::{Provider, placement};

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
        let mut named = model.clone();
        for node in &mut named.graph_mut().node {
            node.name = Some(node_name(node).to_owned());
        }
        let kernels = placement::kernels(&named.to_bytes(), input_shape, model.path(), provider)?;
        let copies = kernels.iter().filter(|kernel| kernel.operator.starts_with("Memcpy")).count();
        let ran: HashMap<&str, &str> =
            kernels.iter().map(|kernel| (kernel.node.as_str(), kernel.provider.as_str())).collect();
        // constants never run, and what a provider took together ran under another name: both count as taken
        let elsewhere: Vec<Placed> = named
            .graph()
            .node
            .iter()
            .filter_map(|node| {
                let by = *ran.get(node.name())?;
                let placed = || Placed {
                    node: node.name().to_owned(),
                    operator: node.op_type().to_owned(),
                    provider: by.to_owned(),
                };
                (by != provider.runtime_name()).then(placed)
            })
            .collect();
        Ok(Self { provider, taken: named.graph().node.len() - elsewhere.len(), elsewhere, copies })
    }
}
