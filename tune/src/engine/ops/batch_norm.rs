//! Batch normalisation as it is after training: by statistics that stay.

use super::attributes::{f32_at, gradient};
use super::broadcast::sum;
use crate::engine::{Call, Context, Inputs, Op, OpError, Role, Saved};
use crate::tensor::{Tensor, Value};

/// y = scale (x - mean) / sqrt(variance + epsilon) + bias, by channel (Ioffe and Szegedy, 2015, algorithm 2).
#[derive(Debug)]
struct BatchNorm {
    epsilon: f32,
}

/// The operator of a `BatchNormalization` node.
pub(super) fn build(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    if context.int("training_mode", 0) != 0 {
        return Err("expected training_mode 0, found 1: export the model for inference".to_owned());
    }
    if context.int("spatial", 1) == 0 {
        return Err("expected statistics by channel, found spatial 0".to_owned());
    }
    context.at_most_outputs(1)?;
    Ok(Box::new(BatchNorm { epsilon: context.float("epsilon", 1e-5) }))
}

/// By channel: scale, bias, mean, and one over the standard deviation.
struct Channels<'a> {
    scale: &'a [f32],
    bias: &'a [f32],
    mean: &'a [f32],
    inverse: Vec<f32>,
    /// Elements of a channel of an image.
    plane: usize,
}

impl BatchNorm {
    fn channels<'a>(&self, inputs: &Inputs<'a>) -> Result<Channels<'a>, OpError> {
        let dims = f32_at(inputs, 0)?.dims();
        let count = dims.get(1).copied().unwrap_or(1);
        let by_channel = |place: usize| {
            let values = f32_at(inputs, place)?.data();
            if values.len() == count {
                Ok(values)
            } else {
                let found = values.len();
                Err(OpError::new(format!("expected {count} numbers as input {place}, found {found}")))
            }
        };
        let inverse =
            by_channel(4)?.iter().map(|variance| (variance + self.epsilon).sqrt().recip()).collect();
        let plane = dims.iter().skip(2).product();
        Ok(Channels { scale: by_channel(1)?, bias: by_channel(2)?, mean: by_channel(3)?, inverse, plane })
    }
}

impl Op for BatchNorm {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let Channels { scale, bias, mean, inverse, plane } = self.channels(inputs)?;
        let mut made = Tensor::scratch(input.dims());
        let planes =
            made.data_mut().chunks_exact_mut(plane.max(1)).zip(input.data().chunks_exact(plane.max(1)));
        for (number, (output, input)) in planes.enumerate() {
            let channel = number % scale.len();
            let factor = scale[channel] * inverse[channel];
            let offset = bias[channel] - mean[channel] * factor;
            for (output, input) in output.iter_mut().zip(input) {
                *output = input * factor + offset;
            }
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(gradient) = gradient(call) else { return Ok(()) };
        let input = f32_at(call.inputs, 0)?.data();
        let Channels { scale, mean, inverse, plane, .. } = self.channels(call.inputs)?;
        let [to_input, to_scale, to_bias, to_mean, to_variance] = sinks else { return Ok(()) };
        if to_mean.is_some() || to_variance.is_some() {
            return Err(OpError::new("expected statistics that are constant, found some that are computed"));
        }
        for (number, gradient) in gradient.data().chunks_exact(plane.max(1)).enumerate() {
            let channel = number % scale.len();
            let start = number * plane;
            if let Some(sink) = to_input {
                let factor = scale[channel] * inverse[channel];
                for (sink, gradient) in sink.data_mut()[start..start + plane].iter_mut().zip(gradient) {
                    *sink += gradient * factor;
                }
            }
            if let Some(sink) = to_scale {
                let (input, mean) = (&input[start..start + plane], mean[channel]);
                let total = sum(plane, |index| gradient[index] * (input[index] - mean));
                sink.data_mut()[channel] += total * inverse[channel];
            }
            if let Some(sink) = to_bias {
                sink.data_mut()[channel] += sum(plane, |index| gradient[index]);
            }
        }
        Ok(())
    }

    fn weights(&self) -> &[(usize, Role)] {
        &[(1, Role::Scale), (2, Role::Bias)]
    }
}
