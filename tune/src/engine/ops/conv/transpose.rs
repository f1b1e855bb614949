//! Transposed convolutions: the image takes the place of a convolution's output, the output that of its image.

use super::plan::{Layout, Plan};
use super::{Operands, WEIGHTS, check_rank, sums};
use crate::engine::ops::Context;
use crate::engine::ops::window::{Padding, Window, pair};
use crate::engine::{Call, Inputs, Op, OpError, Role, Saved};
use crate::tensor::{Tensor, Value};

/// `ConvTranspose`: image, weights (channels in, channels out of a group, kernel), bias.
#[derive(Debug)]
struct ConvTranspose {
    window: Window,
    /// Rows and columns that the output has beyond what its elements reach.
    output_padding: [usize; 2],
    output_shape: Option<[usize; 2]>,
}

/// Builds a `ConvTranspose` of two dimensions.
///
/// # Errors
/// Its attributes are those of another number of dimensions, or make no sense.
pub(in super::super) fn build(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    if let Some(weights) = context.constants.get(1).and_then(Option::as_ref).and_then(Value::as_f32) {
        check_rank(weights)?;
    }
    let output_padding = pair(context.node, "output_padding")?.unwrap_or([0, 0]);
    let output_shape = pair(context.node, "output_shape")?;
    Ok(Box::new(ConvTranspose { window: Window::read(context.node)?, output_padding, output_shape }))
}

impl ConvTranspose {
    /// The plan of the convolution whose transpose this is.
    ///
    /// The output's sides are those of ONNX: `stride · (side − 1) + output_padding + span − padding`.
    fn plan(&self, operands: &Operands<'_>) -> Result<Plan, OpError> {
        let [channels, height, width] = operands.image_dims;
        let [rows, of_group, kernel_height, kernel_width] = operands.weights_dims;
        if rows != channels {
            return Err(OpError::new(format!("expected weights of {channels} channels, found {rows}")));
        }
        let window = &self.window;
        let kernel = window.kernel(kernel_height, kernel_width)?;
        let image = [height, width];
        let mut output = [0, 0];
        let mut before = [0, 0];
        for side in 0..2 {
            let stride = window.strides[side];
            let reach = stride * image[side].saturating_sub(1)
                + self.output_padding[side]
                + window.span(side, kernel);
            let too_large = |size: usize| {
                OpError::new(format!(
                    "expected an output of sides that {reach} hold with padding, found {size}"
                ))
            };
            let (size, padding) = match (self.output_shape, window.padding) {
                (Some(shape), _) => {
                    let size = shape[side];
                    (size, reach.checked_sub(size).ok_or_else(|| too_large(size))?)
                }
                (None, Padding::Explicit { before, after }) => {
                    let padding = before[side] + after[side];
                    (reach.checked_sub(padding).ok_or_else(|| too_large(padding))?, padding)
                }
                (None, Padding::Same { .. }) => {
                    let size = image[side] * stride;
                    (size, reach.saturating_sub(size))
                }
            };
            output[side] = size;
            before[side] = match window.padding {
                Padding::Explicit { before, .. } if self.output_shape.is_none() => before[side],
                Padding::Same { upper: true } => padding / 2,
                _ => padding - padding / 2,
            };
        }
        Plan::with_output(window, (of_group * window.groups, channels), (output, image), before, kernel)
    }
}

impl Op for ConvTranspose {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let operands = Operands::new(inputs)?;
        let plan = self.plan(&operands)?;
        let channels = plan.groups * plan.channels;
        let [height, width] = plan.image;
        let mut output = Tensor::zeros(&[1, channels, height, width]);
        if let Some(bias) = operands.bias(channels)? {
            for (channel, bias) in output.data_mut().chunks_exact_mut(height * width).zip(bias) {
                channel.fill(*bias);
            }
        }
        let rows = plan.gradient(operands.image.data());
        sums::by_image(&plan, &rows, operands.weights.data(), output.data_mut());
        Ok((vec![output.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(Some(gradient)) = call.gradients.first() else { return Ok(()) };
        let operands = Operands::new(call.inputs)?;
        let plan = self.plan(&operands)?;
        let phases = plan.phases(gradient.data());
        let mut sinks = sinks.iter_mut();
        if let Some(Some(sink)) = sinks.next() {
            let mut sum = Tensor::scratch(sink.dims());
            sums::forward(&plan, &phases, operands.weights.data(), None, sum.data_mut());
            sink.add(&sum);
        }
        if let Some(Some(sink)) = sinks.next() {
            let rows: Layout<'_> = plan.gradient(operands.image.data());
            sums::by_weights(&plan, &phases, &rows, sink.data_mut());
        }
        if let Some(Some(sink)) = sinks.next() {
            sums::by_bias(gradient.data(), plan.image[0] * plan.image[1], sink.data_mut());
        }
        Ok(())
    }

    fn weights(&self) -> &[(usize, Role)] {
        &WEIGHTS
    }
}
