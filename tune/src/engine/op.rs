//! What an operator of a graph can do.

use crate::tensor::{Tensor, Value, ValueRef};

/// What is wrong with what an operator was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OpError(pub String);

impl OpError {
    /// From what was expected and what was found.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// What an operator keeps of its forward run for its backward run, besides its inputs and outputs.
#[derive(Debug, Default)]
pub enum Saved {
    /// Nothing.
    #[default]
    Nothing,
    /// For each element that was put out, the index of the one that it came from.
    Indices(Vec<u32>),
    /// Numbers.
    Tensors(Vec<Tensor>),
}

/// Inputs of an operator, in its order; `None` where an optional one is left out.
pub type Inputs<'a> = [Option<ValueRef<'a>>];

/// A forward run, seen from the backward run.
#[derive(Debug)]
pub struct Call<'a> {
    /// What went in.
    pub inputs: &'a Inputs<'a>,
    /// What came out.
    pub outputs: &'a [Option<ValueRef<'a>>],
    /// What was kept.
    pub saved: &'a Saved,
    /// For each output the gradient of the loss by it, of the output's sides; `None` where the loss does not depend on it.
    pub gradients: &'a [Option<&'a Tensor>],
}

/// An operator with its attributes, built for one node of a graph.
///
/// Operators see one image at a time: training runs images side by side, each on a thread of its own, so an operator
/// uses no threads itself.
pub trait Op: Send + Sync + std::fmt::Debug {
    /// Computes the outputs.
    ///
    /// # Errors
    /// Types or sides of the inputs make no sense.
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError>;

    /// Adds to `sinks`, one per input and of its sides, the gradients of the loss by the inputs. `None` where nobody wants
    /// to know. Called after [`forward`](Self::forward) went well with the same inputs.
    ///
    /// # Errors
    /// There is no gradient for this use; [`trains`](Self::trains) cannot know what only values tell.
    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError>;

    /// Whether gradients can flow through it. Operators of integers and comparisons say no.
    fn trains(&self) -> bool {
        true
    }

    /// Inputs, by place, that are weights to be trained where they are constants of the graph.
    fn weights(&self) -> &[(usize, Role)] {
        &[]
    }
}

/// What a parameter is to its operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Multiplied with the input: it can be pruned, and it decays.
    Weight,
    /// Added.
    Bias,
    /// Factor of a normalisation, or slope of an activation.
    Scale,
}
