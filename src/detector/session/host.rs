//! A model whose input and outputs lie in the host's memory.

use std::path::Path;

use ort::session::{Session, SessionInputValue, SessionInputs};
use ort::value::Tensor;

use super::checks::{check_input, check_output_names, describe_output};
use crate::detector::DetectorError;
use crate::detector::decode::{OutputInfo, TensorView};
use crate::detector::manifest::InputSpec;

/// At most so many outputs are read; the largest heads have 12.
pub(super) const MAX_OUTPUTS: usize = 32;

/// A model in ONNX Runtime, with its input tensor.
pub(crate) struct HostSession {
    session: Session,
    /// Written by the preprocessing, read by every run; allocated once.
    input: SessionInputValue<'static>,
    output_names: Vec<String>,
}

impl HostSession {
    /// Checks the session's input against the manifest and makes its tensor.
    pub(crate) fn new(session: Session, path: &Path, input: &InputSpec) -> Result<Self, DetectorError> {
        let shape = input.shape();
        check_input(session.inputs(), &shape, path)?;
        check_output_names(session.outputs(), path)?;
        let elements = shape.iter().product::<i64>();
        let data = vec![0f32; usize::try_from(elements).unwrap_or(0)];
        let tensor = Tensor::from_array((shape.to_vec(), data))
            .map_err(|error| DetectorError::Session { path: path.to_owned(), message: error.to_string() })?;
        let output_names = session.outputs().iter().map(|output| output.name().to_owned()).collect();
        Ok(Self { session, input: tensor.into(), output_names })
    }

    /// The session itself.
    pub(crate) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// The input tensor's elements.
    pub(crate) fn input_mut(&mut self) -> Result<&mut [f32], String> {
        let SessionInputValue::Owned(value) = &mut self.input else {
            return Err("the input tensor is gone".to_owned());
        };
        let (_, data) = value.try_extract_tensor_mut::<f32>().map_err(|error| error.to_string())?;
        Ok(data)
    }

    /// Runs the model on the input tensor and hands its outputs, in the model's order, to `read`. Outputs that are not
    /// float32 are handed over empty.
    pub(crate) fn run<T>(&mut self, read: impl FnOnce(&[TensorView<'_>]) -> T) -> Result<T, String> {
        let inputs = SessionInputs::<0>::ValueSlice(std::slice::from_ref(&self.input));
        let outputs = self.session.run(inputs).map_err(|error| error.to_string())?;
        let mut views = [TensorView::default(); MAX_OUTPUTS];
        for (view, name) in views.iter_mut().zip(&self.output_names) {
            let Some(value) = outputs.get(name) else { continue };
            if let Ok((shape, data)) = value.try_extract_tensor::<f32>() {
                *view = TensorView { shape, data };
            }
        }
        Ok(read(views.get(..self.output_names.len()).unwrap_or(&views)))
    }

    /// Names and real shapes of the outputs, from a run.
    pub(crate) fn probe_outputs(&mut self) -> Result<Vec<OutputInfo>, String> {
        let declared: Vec<_> = self.session.outputs().iter().map(describe_output).collect();
        self.run(|views| {
            let real = |(mut info, view): (OutputInfo, &TensorView<'_>)| {
                if info.is_f32 {
                    info.shape = view.shape.to_vec();
                }
                info
            };
            declared.into_iter().zip(views).map(real).collect()
        })
    }
}
