//! The shape of every tensor of a model.

use super::CompressError;
use super::facts::Facts;
use super::graph::Model;

/// The shapes of all tensors of a model, by name.
///
/// They are taken from a run of the model on zeros, not inferred: ONNX Runtime knows every operator, and what it makes is
/// what will be made. Where a shape depends on what is in the image (`NonZero`, `NonMaxSuppression`) it is that for zeros.
#[derive(Debug, Clone, Default)]
pub struct Shapes(Facts);

impl Shapes {
    /// Of a model with one float32 input of shape `input`, as its manifest says ([`InputSpec::shape`]) or as
    /// [`Model::input_shape`].
    ///
    /// [`InputSpec::shape`]: crate::detector::manifest::InputSpec::shape
    ///
    /// # Errors
    /// ONNX Runtime refuses the model, or cannot run it.
    pub fn of(model: &Model, input: &[i64]) -> Result<Self, CompressError> {
        Ok(Self(Facts::of(model, input)?))
    }

    /// The sides of a tensor; empty where it is not known.
    #[must_use]
    pub fn dims(&self, tensor: &str) -> &[usize] {
        self.0.get(tensor).map_or(&[], |fact| &fact.dims)
    }
}
