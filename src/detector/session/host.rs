//! A model whose input and outputs lie in the host's memory.

use std::path::Path;

use ort::memory::MemoryInfo;
use ort::session::{Session, SessionInputValue, SessionInputs};
use ort::value::{Shape, Tensor, TensorRefMut};

use super::checks::{check_input, check_output_names, describe_output, takes_batches};
use crate::detector::DetectorError;
use crate::detector::decode::{OutputInfo, TensorView, shape_text};
use crate::detector::manifest::InputSpec;

/// At most so many outputs are read; the largest heads have 12.
pub(crate) const MAX_OUTPUTS: usize = 32;

/// A model in ONNX Runtime, with its input tensors.
pub(crate) struct HostSession {
    session: Session,
    /// The first one, two, … images of `memory`, as tensors; read by every run, made once. They go before what they
    /// point to.
    inputs: Vec<SessionInputValue<'static>>,
    /// Written by the preprocessing: the largest input tensor, image after image.
    memory: Tensor<f32>,
    output_names: Vec<String>,
}

impl HostSession {
    /// Checks the session's input against the manifest and makes its tensors, for up to `max_batch` images where the
    /// model leaves their number free.
    pub(crate) fn new(
        session: Session,
        path: &Path,
        input: &InputSpec,
        max_batch: usize,
    ) -> Result<Self, DetectorError> {
        let shape = input.shape();
        check_input(session.inputs(), &shape, path)?;
        check_output_names(session.outputs(), path)?;
        let images = if takes_batches(session.inputs()) { max_batch.max(1) } else { 1 };
        let (inputs, memory) = tensors(&shape, images)
            .map_err(|error| DetectorError::Session { path: path.to_owned(), message: error.to_string() })?;
        let output_names = session.outputs().iter().map(|output| output.name().to_owned()).collect();
        Ok(Self { session, inputs, memory, output_names })
    }

    /// How many images a run can take.
    pub(crate) fn max_batch(&self) -> usize {
        self.inputs.len()
    }

    /// The session itself.
    pub(crate) fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(crate) fn output_count(&self) -> usize {
        self.output_names.len()
    }

    /// The input tensor's elements of one image, counted from 0.
    pub(crate) fn input_mut(&mut self, image: usize) -> Result<&mut [f32], String> {
        let (_, data) = self.memory.extract_tensor_mut();
        let each = data.len() / self.inputs.len().max(1);
        let most = self.inputs.len();
        data.get_mut(image * each..(image + 1) * each)
            .ok_or_else(|| format!("there is no place for image {image}, only for {most}"))
    }

    /// Runs the model on the first `images` of the input and hands its outputs, in the model's order, to `read`. Outputs
    /// that are not float32 are handed over empty.
    pub(crate) fn run<T>(
        &mut self,
        images: usize,
        read: impl FnOnce(&[TensorView<'_>]) -> T,
    ) -> Result<T, String> {
        let input = images.checked_sub(1).and_then(|index| self.inputs.get(index));
        let input =
            input.ok_or_else(|| format!("a run takes 1 to {} images, not {images}", self.inputs.len()))?;
        let inputs = SessionInputs::<0>::ValueSlice(std::slice::from_ref(input));
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

    /// Names and real shapes of the outputs, from a run of one image.
    pub(crate) fn probe_outputs(&mut self) -> Result<Vec<OutputInfo>, String> {
        let declared: Vec<_> = self.session.outputs().iter().map(describe_output).collect();
        self.run(1, |views| {
            let real = |(mut info, view): (OutputInfo, &TensorView<'_>)| {
                if info.is_f32 {
                    info.shape = view.shape.to_vec();
                }
                info
            };
            declared.into_iter().zip(views).map(real).collect()
        })
    }

    /// Runs `images` images and checks that every output that can be read has one part for each of them.
    pub(crate) fn check_batch(&mut self, images: usize) -> Result<(), String> {
        let declared: Vec<_> = self.session.outputs().iter().map(describe_output).collect();
        let wrong = self.run(images, |views| {
            let whole =
                |view: &TensorView<'_>| view.shape.first().is_some_and(|first| *first == images as i64);
            let wrong = declared.iter().zip(views).find(|(info, view)| info.is_f32 && !whole(view));
            wrong.map(|(info, view)| format!("found `{}` {}", info.name, shape_text(view.shape)))
        })?;
        wrong.map_or(Ok(()), |found| {
            Err(format!("expected outputs whose first dimension is the number of images, {images}; {found}"))
        })
    }
}

/// A tensor of `images` images of `shape`, all zeros, and views of it: the first image, the first two, and so on.
#[allow(unsafe_code, reason = "tensors of several sizes over the same memory")]
fn tensors(shape: &[i64], images: usize) -> ort::Result<(Vec<SessionInputValue<'static>>, Tensor<f32>)> {
    let of = |images: usize| {
        let mut shape = shape.to_vec();
        if let Some(first) = shape.first_mut() {
            *first = images as i64;
        }
        shape
    };
    let elements = usize::try_from(of(images).iter().product::<i64>()).unwrap_or(0);
    let mut memory = Tensor::from_array((of(images), vec![0f32; elements]))?;
    let data = memory.data_ptr_mut();
    let view = |images: usize| {
        // SAFETY: `data` points to the floats of `memory`, in the host's memory, of which this view takes no more than
        // there are. They stay where they are until `memory` is dropped, which `HostSession` does after the views. A
        // view is only read, by `HostSession::run`, while nobody holds the slice that `HostSession::input_mut` lends.
        let view =
            unsafe { TensorRefMut::<f32>::from_raw(MemoryInfo::default(), data, Shape::from(of(images))) };
        view.map(SessionInputValue::from)
    };
    let views = (1..=images).map(view).collect::<ort::Result<_>>()?;
    Ok((views, memory))
}
