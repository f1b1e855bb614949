//! A model run on images for the sake of its inner tensors.

use std::collections::HashSet;

use super::graph::Model;
use super::graph::proto::ValueInfo;
use super::images::Loader;
use super::{CalibrationImages, CompressError, Progress};
use crate::detector::manifest::InputSpec;
use crate::detector::probe::{Probe, Values};

/// A tensor that ONNX Runtime made.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputTensor {
    /// Its name in the graph.
    pub name: String,
    /// Its sides, outermost first.
    pub dims: Vec<i64>,
    /// Its elements, row-major.
    pub elements: Elements,
}

/// The elements of a tensor.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Elements {
    /// Of float32.
    F32(Vec<f32>),
    /// Of int64, int32, uint8, int8 or bool (0 and 1), widened.
    I64(Vec<i64>),
    /// Of another type, not read.
    Other,
}

/// A model in memory under ONNX Runtime, on the CPU and in float32, for any of its tensors.
pub struct InferenceSession(Runner);

impl std::fmt::Debug for InferenceSession {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("InferenceSession").finish_non_exhaustive()
    }
}

impl InferenceSession {
    /// Opens as much of a model as `tensors` need: names of outputs or of what nodes make; inputs and constants are left
    /// out. `shape` is that of the model's one input, of float32.
    ///
    /// # Errors
    /// ONNX Runtime refuses the model, or it has another input.
    pub fn open<'a>(
        model: &Model,
        shape: &[i64],
        tensors: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CompressError> {
        Self::open_on(0, model, shape, tensors)
    }

    /// The same on so many threads; 0 is one per core.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on<'a>(
        threads: usize,
        model: &Model,
        shape: &[i64],
        tensors: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CompressError> {
        Ok(Self(Runner::new_on(threads, model, shape, tensors)?))
    }

    /// The elements of the input, row-major, to be written before [`run`](Self::run).
    pub fn input_mut(&mut self) -> &mut [f32] {
        self.0.input_mut()
    }

    /// Runs the model on what [`input_mut`](Self::input_mut) holds; `read` gets name, sides and elements of each float32
    /// tensor.
    ///
    /// # Errors
    /// ONNX Runtime cannot run it.
    pub fn run_floats(&mut self, mut read: impl FnMut(&str, &[i64], &[f32])) -> Result<(), CompressError> {
        self.0.run(|name, dims, values| {
            if let Values::F32(values) = values {
                read(name, dims, values);
            }
        })
    }

    /// Runs the model on what [`input_mut`](Self::input_mut) holds. The tensors come in the order of the model's part that
    /// is run.
    ///
    /// # Errors
    /// ONNX Runtime cannot run it.
    pub fn run(&mut self) -> Result<Vec<OutputTensor>, CompressError> {
        let mut made = Vec::new();
        self.0.run(|name, dims, values| {
            let elements = match values {
                Values::F32(values) => Elements::F32(values.to_vec()),
                Values::I64(values) => Elements::I64(values.to_vec()),
                Values::I32(values) => Elements::I64(values.iter().map(|value| i64::from(*value)).collect()),
                Values::U8(values) => Elements::I64(values.iter().map(|value| i64::from(*value)).collect()),
                Values::I8(values) => Elements::I64(values.iter().map(|value| i64::from(*value)).collect()),
                Values::Bool(values) => Elements::I64(values.iter().map(|value| i64::from(*value)).collect()),
                Values::Other => Elements::Other,
            };
            made.push(OutputTensor { name: name.to_owned(), dims: dims.to_vec(), elements });
        })?;
        Ok(made)
    }
}

/// Runs as much of a model as some of its tensors need.
pub(super) struct Runner {
    probe: Probe,
}

impl Runner {
    /// For these tensors of the model; those that are inputs or constants are left out. `shape` is the input's.
    pub(super) fn new<'a>(
        model: &Model,
        shape: &[i64],
        tensors: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CompressError> {
        Self::new_on(0, model, shape, tensors)
    }

    /// The same on so many threads; 0 is one per core.
    fn new_on<'a>(
        threads: usize,
        model: &Model,
        shape: &[i64],
        tensors: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CompressError> {
        let mut part = model.clone();
        let graph = part.graph_mut();
        let mut known: HashSet<String> =
            graph.initializer.iter().map(|tensor| tensor.name().to_owned()).collect();
        known.extend(graph.input.iter().map(|value| value.name().to_owned()));
        let described: Vec<ValueInfo> =
            graph.output.drain(..).chain(graph.value_info.iter().cloned()).collect();
        for tensor in tensors {
            if !known.insert(tensor.to_owned()) {
                continue;
            }
            // ONNX Runtime infers the types of outputs that have only a name
            let bare = || ValueInfo { name: Some(tensor.to_owned()), ..ValueInfo::default() };
            let value = described.iter().find(|value| value.name() == tensor).cloned();
            graph.output.push(value.unwrap_or_else(bare));
        }
        graph.remove_dead();
        Ok(Self { probe: Probe::open(&part.to_bytes(), shape, threads, model.path())? })
    }

    /// The elements of the model's input.
    pub(super) fn input_mut(&mut self) -> &mut [f32] {
        self.probe.input_mut()
    }

    /// The element type of each tensor, as a number of `TensorProto.DataType`; 0 for what is no tensor.
    pub(super) fn types(&self) -> impl Iterator<Item = (&str, i32)> {
        self.probe.types()
    }

    /// Runs the model on what [`input_mut`](Self::input_mut) holds; `read` gets name, shape and values of each tensor.
    pub(super) fn run(&mut self, read: impl FnMut(&str, &[i64], Values<'_>)) -> Result<(), CompressError> {
        Ok(self.probe.run(read)?)
    }

    /// Runs the model on every image; `read` gets the image's number, and name, shape and values of each float32 tensor. The
    /// error is a value of the tensor that is not finite.
    pub(super) fn run_on(
        &mut self,
        images: &CalibrationImages,
        input: &InputSpec,
        (what, progress): (&'static str, &mut dyn FnMut(Progress)),
        mut read: impl FnMut(usize, &str, &[i64], &[f32]) -> Result<(), f32>,
    ) -> Result<(), CompressError> {
        let mut loader = Loader::new(input, images);
        for (number, image) in images.iter().enumerate() {
            loader.load(image, self.input_mut())?;
            let mut failure = None;
            self.run(|name, dims, values| {
                if let Values::F32(values) = values
                    && let Err(found) = read(number, name, dims, values)
                {
                    failure.get_or_insert_with(|| CompressError::not_finite(name, found, image.path));
                }
            })?;
            if let Some(failure) = failure {
                return Err(failure);
            }
            progress(Progress { what, done: number + 1, total: images.count() });
        }
        Ok(())
    }
}
