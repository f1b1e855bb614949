//! Normalisations by what an image itself holds: by layer, by instance, by group.

use super::attributes::{axis, f32_at, gradient, size};
use super::broadcast::sum;
use super::reduce::mean;
use crate::engine::{Call, Context, Inputs, Op, OpError, Role, Saved};
use crate::tensor::{Tensor, Value};

/// Over which elements, and which factor each has.
#[derive(Debug)]
enum Norm {
    /// Ba et al., 2016: over all axes from one on; a factor per element.
    Layer { axis: i64 },
    /// Ulyanov et al., 2016: over each channel; a factor per channel.
    Instance,
    /// Wu and He, 2018: over groups of channels; a factor per channel.
    Group { groups: i64 },
}

#[derive(Debug)]
struct Normalisation {
    norm: Norm,
    epsilon: f32,
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Result<Box<dyn Op>, String>> {
    let norm = match context.node.op_type() {
        "LayerNormalization" => Norm::Layer { axis: context.int("axis", -1) },
        "InstanceNormalization" => Norm::Instance,
        "GroupNormalization" if context.opset < 21 => {
            return Some(Err("expected factors by channel (opset 21), found them by group".to_owned()));
        }
        "GroupNormalization" => Norm::Group { groups: context.int("num_groups", 1) },
        _ => return None,
    };
    let epsilon = context.float("epsilon", 1e-5);
    Some(context.at_most_outputs(1).map(|()| -> Box<dyn Op> { Box::new(Normalisation { norm, epsilon }) }))
}

/// How a tensor falls into parts that are normalised each for itself.
struct Parts {
    /// Elements of a part.
    length: usize,
    /// Factors.
    factors: usize,
    /// Neighbours that share a factor.
    shared: usize,
}

impl Parts {
    fn factor(&self, element: usize) -> usize {
        element / self.shared % self.factors
    }
}

impl Norm {
    fn parts(&self, dims: &[usize]) -> Result<Parts, OpError> {
        if let Self::Layer { axis: number } = self {
            let length = dims[axis(*number, dims.len())?..].iter().product();
            return Ok(Parts { length, factors: length, shared: 1 });
        }
        let [_, channels, rest @ ..] = dims else {
            return Err(OpError::new(format!("expected an image of channels, found sides {dims:?}")));
        };
        let groups = match self {
            Self::Group { groups } => size(*groups, "groups")?,
            _ => *channels,
        };
        if groups == 0 || channels % groups != 0 {
            return Err(OpError::new(format!(
                "expected groups that divide {channels} channels, found {groups}"
            )));
        }
        let plane = rest.iter().product();
        Ok(Parts { length: channels / groups * plane, factors: *channels, shared: plane })
    }
}

impl Normalisation {
    fn parts(&self, inputs: &Inputs<'_>) -> Result<Parts, OpError> {
        let parts = self.norm.parts(f32_at(inputs, 0)?.dims())?;
        let found = f32_at(inputs, 1)?.len();
        if found != parts.factors {
            return Err(OpError::new(format!("expected {} factors, found {found}", parts.factors)));
        }
        if let Some(Some(_)) = inputs.get(2) {
            let found = f32_at(inputs, 2)?.len();
            if found != parts.factors {
                return Err(OpError::new(format!("expected {} biases, found {found}", parts.factors)));
            }
        }
        Ok(parts)
    }

    /// Mean of a part, and one over its standard deviation.
    fn moments(&self, part: &[f32]) -> (f32, f32) {
        let mean = mean(part);
        let variance = sum(part.len(), |index| (part[index] - mean).powi(2)) / part.len().max(1) as f32;
        (mean, (variance + self.epsilon).sqrt().recip())
    }
}

impl Op for Normalisation {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let (input, scale) = (f32_at(inputs, 0)?, f32_at(inputs, 1)?.data());
        let parts = self.parts(inputs)?;
        let bias = match inputs.get(2) {
            Some(Some(_)) => Some(f32_at(inputs, 2)?.data()),
            _ => None,
        };
        let length = parts.length.max(1);
        let mut made = Tensor::scratch(input.dims());
        let pairs = made.data_mut().chunks_exact_mut(length).zip(input.data().chunks_exact(length));
        for (number, (output, input)) in pairs.enumerate() {
            let (mean, inverse) = self.moments(input);
            for (index, (output, input)) in output.iter_mut().zip(input).enumerate() {
                let factor = parts.factor(number * length + index);
                *output = (input - mean) * inverse * scale[factor] + bias.map_or(0.0, |bias| bias[factor]);
            }
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(gradient) = gradient(call) else { return Ok(()) };
        let (input, scale) = (f32_at(call.inputs, 0)?.data(), f32_at(call.inputs, 1)?.data());
        let parts = self.parts(call.inputs)?;
        let length = parts.length.max(1);
        let mut normal = vec![0.0f32; length];
        let mut scaled = vec![0.0f32; length];
        for (number, gradient) in gradient.data().chunks_exact(length).enumerate() {
            let start = number * length;
            let part = &input[start..start + length];
            let (mean_of_part, inverse) = self.moments(part);
            for (index, gradient) in gradient.iter().enumerate() {
                let factor = parts.factor(start + index);
                normal[index] = (part[index] - mean_of_part) * inverse;
                scaled[index] = gradient * scale[factor];
                if let Some(Some(sink)) = sinks.get_mut(1) {
                    sink.data_mut()[factor] += gradient * normal[index];
                }
                if let Some(Some(sink)) = sinks.get_mut(2) {
                    sink.data_mut()[factor] += gradient;
                }
            }
            if let Some(Some(sink)) = sinks.first_mut() {
                // (h - mean of h - x mean of h x) / deviation, with h the scaled gradient and x the normal input
                let along = sum(length, |index| scaled[index] * normal[index]) / length as f32;
                let level = mean(&scaled);
                for (index, sink) in sink.data_mut()[start..start + length].iter_mut().enumerate() {
                    *sink += (scaled[index] - level - normal[index] * along) * inverse;
                }
            }
        }
        Ok(())
    }

    fn weights(&self) -> &[(usize, Role)] {
        &[(1, Role::Scale), (2, Role::Bias)]
    }
}
