//! Two-dimensional convolutions and transposed convolutions of one image.
//!
//! No matrix of image patches is made: the image is padded (and, with a stride, split into phases) so that each tap of a
//! kernel reads whole rows ([`plan`]); the sums over them are those of [`kernels`](crate::engine::kernels).

mod plan;
mod sums;
mod transpose;

use super::Context;
use super::window::Window;
use crate::engine::{Call, Inputs, Op, OpError, Role, Saved};
use crate::tensor::{Tensor, Value, ValueRef};
use plan::Plan;
pub(super) use transpose::build as build_transposed;

/// `Conv`: image, weights, bias.
#[derive(Debug)]
struct Conv {
    window: Window,
    /// Whether its weights are the bins of a distribution, which no training may change.
    fixed: bool,
}

/// Inputs, by place, that are trained.
const WEIGHTS: [(usize, Role); 2] = [(1, Role::Weight), (2, Role::Bias)];

/// Builds a `Conv` of two dimensions.
///
/// # Errors
/// Its attributes are those of another number of dimensions, or make no sense.
pub(super) fn build(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    let weights = context.constants.get(1).and_then(Option::as_ref).and_then(Value::as_f32);
    if let Some(weights) = weights {
        check_rank(weights)?;
    }
    let fixed = weights.is_some_and(are_bins);
    Ok(Box::new(Conv { window: Window::read(context.node)?, fixed }))
}

/// Whether the weights are 0, 1, …, n − 1: they turn a distribution over bins into its mean (distribution focal loss,
/// arXiv:2006.04388, equation 4).
fn are_bins(weights: &Tensor) -> bool {
    weights.len() > 1
        && weights.dim(1) == weights.len()
        && weights.data().iter().enumerate().all(|(bin, weight)| weight.to_bits() == (bin as f32).to_bits())
}

fn check_rank(weights: &Tensor) -> Result<(), String> {
    match weights.dims() {
        [_, _, _, _] => Ok(()),
        dims => Err(format!("expected weights of a kernel of 2 sides, found weights of sides {dims:?}")),
    }
}

/// The inputs of a convolution: image and weights with their sides, and the bias.
struct Operands<'a> {
    image: &'a Tensor,
    /// Channels, height, width.
    image_dims: [usize; 3],
    weights: &'a Tensor,
    weights_dims: [usize; 4],
    bias: Option<&'a Tensor>,
}

impl<'a> Operands<'a> {
    fn new(inputs: &Inputs<'a>) -> Result<Self, OpError> {
        let input = |place: usize| inputs.get(place).copied().flatten().and_then(ValueRef::as_f32);
        let (Some(image), Some(weights)) = (input(0), input(1)) else {
            return Err(OpError::new("expected an image and weights of float32"));
        };
        let &[1, channels, height, width] = image.dims() else {
            let found = image.dims();
            return Err(OpError::new(format!(
                "expected one image, [1, channels, height, width], found {found:?}"
            )));
        };
        check_rank(weights).map_err(OpError)?;
        let weights_dims = [weights.dim(0), weights.dim(1), weights.dim(2), weights.dim(3)];
        Ok(Self { image, image_dims: [channels, height, width], weights, weights_dims, bias: input(2) })
    }

    /// The bias, one for each of `filters`.
    fn bias(&self, filters: usize) -> Result<Option<&'a [f32]>, OpError> {
        match self.bias.map(Tensor::data) {
            Some(bias) if bias.len() != filters => {
                Err(OpError::new(format!("expected {filters} biases, found {}", bias.len())))
            }
            bias => Ok(bias),
        }
    }
}

impl Conv {
    fn plan(&self, operands: &Operands<'_>) -> Result<Plan, OpError> {
        let [channels, height, width] = operands.image_dims;
        let [filters, of_group, kernel_height, kernel_width] = operands.weights_dims;
        let kernel = self.window.kernel(kernel_height, kernel_width)?;
        let plan = Plan::new(&self.window, (channels, filters), [height, width], kernel)?;
        if plan.channels != of_group {
            return Err(OpError::new(format!(
                "expected weights of {} channels ({channels} in {} groups), found {of_group}",
                plan.channels, plan.groups
            )));
        }
        Ok(plan)
    }
}

impl Op for Conv {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let operands = Operands::new(inputs)?;
        let plan = self.plan(&operands)?;
        let filters = operands.weights_dims[0];
        let bias = operands.bias(filters)?;
        let mut output = Tensor::scratch(&[1, filters, plan.output[0], plan.output[1]]);
        let image = plan.phases(operands.image.data());
        sums::forward(&plan, &image, operands.weights.data(), bias, output.data_mut());
        Ok((vec![output.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(Some(gradient)) = call.gradients.first() else { return Ok(()) };
        let operands = Operands::new(call.inputs)?;
        let plan = self.plan(&operands)?;
        let rows = plan.gradient(gradient.data());
        let mut sinks = sinks.iter_mut();
        if let Some(Some(sink)) = sinks.next() {
            sums::by_image(&plan, &rows, operands.weights.data(), sink.data_mut());
        }
        if let Some(Some(sink)) = sinks.next() {
            let image = plan.phases(operands.image.data());
            sums::by_weights(&plan, &image, &rows, sink.data_mut());
        }
        if let Some(Some(sink)) = sinks.next() {
            sums::by_bias(gradient.data(), plan.output[0] * plan.output[1], sink.data_mut());
        }
        Ok(())
    }

    fn weights(&self) -> &[(usize, Role)] {
        if self.fixed { &[] } else { &WEIGHTS }
    }
}

#[cfg(test)]
mod tests;
