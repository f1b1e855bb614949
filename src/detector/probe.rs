//! A model run for the sake of its inner tensors.

use std::path::{Path, PathBuf};

use ort::session::Session;
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};

use super::session::{self, SessionOptions};
use super::{DetectorError, library};

/// The elements of a tensor, in row-major order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    I64(&'a [i64]),
    I32(&'a [i32]),
    U8(&'a [u8]),
    I8(&'a [i8]),
    Bool(&'a [bool]),
    /// Of a type that nothing here computes with (half and double precision, text).
    Other,
}

/// A session on the CPU that gives every output, by name.
pub(crate) struct Probe {
    session: Session,
    tensor: Tensor<f32>,
    names: Vec<String>,
    path: PathBuf,
}

impl Probe {
    /// Opens a model in memory, to run on `threads`; 0 is one per core. Its one input is float32 of `shape`. `path` is for
    /// messages.
    pub(crate) fn open(
        bytes: &[u8],
        shape: &[i64],
        threads: usize,
        path: &Path,
    ) -> Result<Self, DetectorError> {
        let refused = |message: String| DetectorError::Session { path: path.to_owned(), message };
        let runtime = library::runtime()?;
        let options = SessionOptions { intra_op_threads: threads, ..SessionOptions::default() };
        let mut builder = session::configured(&runtime, &options).map_err(refused)?;
        let session =
            builder.commit_from_memory(bytes).map_err(|error| refused(error.message().to_owned()))?;
        session::check_input(session.inputs(), shape, path)?;
        let count = shape.iter().try_fold(1usize, |product, side| {
            usize::try_from(*side).ok().and_then(|side| product.checked_mul(side))
        });
        let tensor = Tensor::from_array((shape.to_vec(), vec![0f32; count.unwrap_or(0)]))
            .map_err(|error| refused(error.to_string()))?;
        let names = session.outputs().iter().map(|output| output.name().to_owned()).collect();
        Ok(Self { session, tensor, names, path: path.to_owned() })
    }

    /// The input tensor's elements.
    pub(crate) fn input_mut(&mut self) -> &mut [f32] {
        self.tensor.extract_tensor_mut().1
    }

    /// The element type of every output, as a number of `TensorProto.DataType`; 0 for what is no tensor.
    pub(crate) fn types(&self) -> impl Iterator<Item = (&str, i32)> {
        self.session.outputs().iter().map(|output| (output.name(), data_type(output.dtype())))
    }

    /// Runs the model; `read` gets the name, shape and values of every output, one after the other.
    pub(crate) fn run(
        &mut self,
        mut read: impl FnMut(&str, &[i64], Values<'_>),
    ) -> Result<(), DetectorError> {
        let outputs = self.session.run(ort::inputs![&self.tensor]).map_err(|error| {
            DetectorError::Inference { name: self.path.display().to_string(), message: error.to_string() }
        })?;
        for name in &self.names {
            if let Some(value) = outputs.get(name) {
                let (shape, values) = extract(value);
                read(name, shape, values);
            }
        }
        Ok(())
    }
}

fn data_type(value: &ValueType) -> i32 {
    let ValueType::Tensor { ty, .. } = value else { return 0 };
    match ty {
        TensorElementType::Float32 => 1,
        TensorElementType::Uint8 => 2,
        TensorElementType::Int8 => 3,
        TensorElementType::Uint16 => 4,
        TensorElementType::Int16 => 5,
        TensorElementType::Int32 => 6,
        TensorElementType::Int64 => 7,
        TensorElementType::String => 8,
        TensorElementType::Bool => 9,
        TensorElementType::Float16 => 10,
        TensorElementType::Float64 => 11,
        TensorElementType::Uint32 => 12,
        TensorElementType::Uint64 => 13,
        TensorElementType::Bfloat16 => 16,
        _ => 0,
    }
}

fn extract(value: &DynValue) -> (&[i64], Values<'_>) {
    if let Ok((shape, data)) = value.try_extract_tensor::<f32>() {
        return (shape, Values::F32(data));
    }
    if let Ok((shape, data)) = value.try_extract_tensor::<i64>() {
        return (shape, Values::I64(data));
    }
    if let Ok((shape, data)) = value.try_extract_tensor::<i32>() {
        return (shape, Values::I32(data));
    }
    if let Ok((shape, data)) = value.try_extract_tensor::<u8>() {
        return (shape, Values::U8(data));
    }
    if let Ok((shape, data)) = value.try_extract_tensor::<i8>() {
        return (shape, Values::I8(data));
    }
    if let Ok((shape, data)) = value.try_extract_tensor::<bool>() {
        return (shape, Values::Bool(data));
    }
    (value.shape(), Values::Other)
}
