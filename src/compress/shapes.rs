//! The shape of every tensor of a model.

use std::collections::HashMap;

use super::CompressError;
use super::graph::Model;
use super::graph::proto::ValueInfo;
use super::runner::Runner;
use crate::detector::probe::Values;

/// A tensor's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Its sides.
    pub dims: Vec<usize>,
    /// Whether its elements are float32.
    pub is_f32: bool,
}

/// The shapes of all tensors of a model, by name.
///
/// They are taken from a run of the model on zeros, not inferred: ONNX Runtime knows every operator, and what it makes is
/// what will be made. Where a shape depends on what is in the image (`NonZero`, `NonMaxSuppression`) it is that for zeros.
#[derive(Debug, Clone, Default)]
pub struct Shapes(HashMap<String, Shape>);

impl Shapes {
    /// Of a model with one float32 input of shape `input`, as its manifest says ([`InputSpec`]) or as
    /// [`Model::input_shape`].
    ///
    /// [`InputSpec`]: crate::detector::manifest::InputSpec
    ///
    /// # Errors
    /// ONNX Runtime refuses the model, or cannot run it.
    pub fn of(model: &Model, input: &[i64]) -> Result<Self, CompressError> {
        let dims = |sides: &[i64]| sides.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
        let mut found = HashMap::new();
        for tensor in &model.graph().initializer {
            let shape = Shape { dims: dims(&tensor.dims), is_f32: tensor.is_f32() };
            found.insert(tensor.name().to_owned(), shape);
        }
        let given = model.graph().input.iter().find(|value| !found.contains_key(value.name()));
        if let Some(name) = given.map(ValueInfo::name) {
            found.insert(name.to_owned(), Shape { dims: dims(input), is_f32: true });
        }
        let outputs = model.graph().node.iter().flat_map(|node| &node.output);
        let made = outputs.map(String::as_str).filter(|name| !name.is_empty());
        Runner::new(model, input, made)?.run(|name, sides, values| {
            let shape = Shape { dims: dims(sides), is_f32: matches!(values, Values::F32(_)) };
            found.insert(name.to_owned(), shape);
        })?;
        Ok(Self(found))
    }

    /// The shape of a tensor.
    #[must_use]
    pub fn get(&self, tensor: &str) -> Option<&Shape> {
        self.0.get(tensor)
    }

    /// Its sides; empty where the tensor is not known.
    #[must_use]
    pub fn dims(&self, tensor: &str) -> &[usize] {
        self.0.get(tensor).map_or(&[], |shape| &shape.dims)
    }
}
