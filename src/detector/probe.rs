//! A model run for the sake of its inner tensors.

use std::path::Path;

use super::manifest::InputSpec;
use super::session::{self, SessionOptions};
use super::{DetectorError, library};
use ort::session::Session;
use ort::value::Tensor;

/// A session on the CPU that gives every output, by name.
pub(crate) struct Probe {
    session: Session,
    tensor: Tensor<f32>,
    names: Vec<String>,
    path: std::path::PathBuf,
}

impl Probe {
    /// Opens the model; its one input is as the manifest says.
    pub(crate) fn open(path: &Path, input: &InputSpec) -> Result<Self, DetectorError> {
        let refused = |message: String| DetectorError::Session { path: path.to_owned(), message };
        let runtime = library::runtime()?;
        let options = SessionOptions { intra_op_threads: 0, ..SessionOptions::default() };
        let mut builder = session::configured(&runtime, &options).map_err(refused)?;
        let session = builder.commit_from_file(path).map_err(|error| refused(error.message().to_owned()))?;
        let shape = session::input_shape(input);
        session::check_input(session.inputs(), &shape, path)?;
        let count = usize::try_from(shape.iter().product::<i64>()).unwrap_or(0);
        let tensor = Tensor::from_array((shape.to_vec(), vec![0f32; count]))
            .map_err(|error| refused(error.to_string()))?;
        let names = session.outputs().iter().map(|output| output.name().to_owned()).collect();
        Ok(Self { session, tensor, names, path: path.to_owned() })
    }

    /// The input tensor's elements.
    pub(crate) fn input_mut(&mut self) -> &mut [f32] {
        self.tensor.extract_tensor_mut().1
    }

    /// Runs the model; `read` gets every output that is float32, one after the other.
    pub(crate) fn run(&mut self, mut read: impl FnMut(&str, &[f32])) -> Result<(), DetectorError> {
        let outputs = self.session.run(ort::inputs![&self.tensor]).map_err(|error| {
            DetectorError::Inference { name: self.path.display().to_string(), message: error.to_string() }
        })?;
        for name in &self.names {
            if let Some(Ok((_, data))) =
                outputs.get(name).map(ort::value::DynValue::try_extract_tensor::<f32>)
            {
                read(name, data);
            }
        }
        Ok(())
    }
}
