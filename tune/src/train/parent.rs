//! The uncompressed parent, which the student learns from: inference in ONNX Runtime, one thread, one image.

use std::sync::Arc;

use roadproof::compress::graph::Model;
use roadproof::compress::{InferenceSession, Shapes};
use roadproof::detector::ModelManifest;

use super::TrainError;
use crate::tensor::Tensor;

/// A parent's graph and the sides of all its tensors.
#[derive(Debug, Clone)]
pub struct ParentModel {
    model: Arc<Model>,
    shapes: Shapes,
    input: [i64; 4],
}

/// What opens a parent that gives some of its tensors.
#[derive(Debug, Clone)]
pub struct ParentSpec {
    model: Arc<Model>,
    input: [i64; 4],
    taps: Vec<String>,
}

/// An open parent.
pub struct Parent {
    session: InferenceSession,
    spec: ParentSpec,
    outputs: Vec<Tensor>,
}

impl ParentModel {
    /// Reads the model of a manifest.
    ///
    /// # Errors
    /// It cannot be read, or ONNX Runtime refuses it.
    pub fn load(manifest: &ModelManifest) -> Result<Self, TrainError> {
        let mut model = Model::load(&manifest.model_path(), manifest.sha256.as_deref())?;
        model.graph_mut().sort()?;
        let input = manifest.input.shape();
        let shapes = Shapes::of(&model, &input)?;
        Ok(Self { model: Arc::new(model), shapes, input })
    }

    /// Its graph.
    #[must_use]
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Sides of a tensor; none where there is no such tensor.
    #[must_use]
    pub fn dims(&self, name: &str) -> Option<Vec<usize>> {
        let dims = self.shapes.dims(name);
        (!dims.is_empty()).then(|| dims.to_vec())
    }

    /// What opens it to give these tensors.
    ///
    /// # Errors
    /// [`TrainError::ParentTensor`]: it makes no such tensor.
    pub fn giving(&self, taps: &[String]) -> Result<ParentSpec, TrainError> {
        let path = self.model.path().to_owned();
        if let Some(name) = taps.iter().find(|name| self.shapes.dims(name).is_empty()) {
            return Err(TrainError::ParentTensor { path, name: name.clone() });
        }
        Ok(ParentSpec { model: Arc::clone(&self.model), input: self.input, taps: taps.to_vec() })
    }
}

impl ParentSpec {
    /// Opens a session.
    ///
    /// # Errors
    /// ONNX Runtime refuses the model.
    pub fn open(&self) -> Result<Parent, TrainError> {
        let taps = self.taps.iter().map(String::as_str);
        let session = InferenceSession::open_on(1, &self.model, &self.input, taps)?;
        Ok(Parent { session, spec: self.clone(), outputs: Vec::new() })
    }
}

impl Parent {
    /// Runs it on an image; the tensors are in the order in which they were asked for.
    ///
    /// # Errors
    /// ONNX Runtime cannot run it, or a tensor is not float32.
    pub fn run(&mut self, input: &Tensor) -> Result<&[Tensor], TrainError> {
        let place = self.session.input_mut();
        if place.len() != input.len() {
            return Err(crate::engine::RunError::Input {
                expected: self.spec.input.iter().map(|side| *side as usize).collect(),
                found: input.dims().to_vec(),
            }
            .into());
        }
        place.copy_from_slice(input.data());
        let Self { session, spec, outputs } = self;
        let mut found: Vec<Option<Tensor>> = Vec::new();
        found.resize_with(spec.taps.len(), || None);
        session.run_floats(|name, dims, values| {
            let dims: Vec<usize> = dims.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
            for (tap, place) in spec.taps.iter().zip(&mut found) {
                if tap == name && dims.iter().product::<usize>() == values.len() {
                    let mut tensor = Tensor::scratch(&dims);
                    tensor.data_mut().copy_from_slice(values);
                    *place = Some(tensor);
                }
            }
        })?;
        outputs.clear();
        for (tensor, tap) in found.into_iter().zip(&spec.taps) {
            let missing =
                || TrainError::ParentTensor { path: spec.model.path().to_owned(), name: tap.clone() };
            outputs.push(tensor.ok_or_else(missing)?);
        }
        Ok(outputs)
    }
}
