//! Functions of one number, element by element.

use std::f32::consts::FRAC_2_SQRT_PI;

use super::attributes::{f32_at, gradient};
use super::math::{erf, mish_gate, normal_cdf, normal_density, sigmoid, softplus};
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Tensor, Value};

/// sqrt(2 / pi)
const GELU_SLOPE: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

#[derive(Debug, Clone, Copy)]
enum Unary {
    Relu,
    LeakyRelu(f32),
    Elu(f32),
    HardSwish,
    HardSigmoid(f32, f32),
    Sigmoid,
    Tanh,
    Erf,
    Gelu,
    /// By tanh instead of the error function.
    FastGelu,
    Softplus,
    Mish,
    Exp,
    Log,
    Sqrt,
    Neg,
    Abs,
    Reciprocal,
    Sin,
    Cos,
}

/// The operator of this node, if it is a function of one number.
pub(super) fn build(context: &Context<'_>) -> Option<Box<dyn Op>> {
    let function = match context.node.op_type() {
        "Relu" => Unary::Relu,
        "LeakyRelu" => Unary::LeakyRelu(context.float("alpha", 0.01)),
        "Elu" => Unary::Elu(context.float("alpha", 1.0)),
        "HardSwish" => Unary::HardSwish,
        "HardSigmoid" => Unary::HardSigmoid(context.float("alpha", 0.2), context.float("beta", 0.5)),
        "Sigmoid" => Unary::Sigmoid,
        "Tanh" => Unary::Tanh,
        "Erf" => Unary::Erf,
        "Gelu" if context.text("approximate", "none") == "tanh" => Unary::FastGelu,
        "Gelu" => Unary::Gelu,
        "Softplus" => Unary::Softplus,
        "Mish" => Unary::Mish,
        "Exp" => Unary::Exp,
        "Log" => Unary::Log,
        "Sqrt" => Unary::Sqrt,
        "Neg" => Unary::Neg,
        "Abs" => Unary::Abs,
        "Reciprocal" => Unary::Reciprocal,
        "Sin" => Unary::Sin,
        "Cos" => Unary::Cos,
        _ => return None,
    };
    Some(Box::new(function))
}

fn map(input: &[f32], output: &mut [f32], function: impl Fn(f32) -> f32) {
    for (output, input) in output.iter_mut().zip(input) {
        *output = function(*input);
    }
}

/// Input, output and gradient by the output of a backward run.
struct Back<'a> {
    input: &'a [f32],
    output: &'a [f32],
    gradient: &'a [f32],
}

impl Back<'_> {
    /// By a slope that is known from input and output.
    fn add(&self, sink: &mut [f32], slope: impl Fn(f32, f32) -> f32) {
        let given = self.input.iter().zip(self.output).zip(self.gradient);
        for (sink, ((input, output), gradient)) in sink.iter_mut().zip(given) {
            *sink += gradient * slope(*input, *output);
        }
    }
}

fn step(condition: bool, then: f32, otherwise: f32) -> f32 {
    if condition { then } else { otherwise }
}

/// What the tanh of the approximated GELU is taken of (Hendrycks and Gimpel, 2016, section 2).
fn gelu_inner(x: f32) -> f32 {
    GELU_SLOPE * (x + GELU_CUBE * x * x * x)
}

impl Op for Unary {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let mut made = Tensor::scratch(input.dims());
        let (x, y) = (input.data(), made.data_mut());
        match *self {
            Self::Relu => map(x, y, |x| x.max(0.0)),
            Self::LeakyRelu(alpha) => map(x, y, |x| x * step(x < 0.0, alpha, 1.0)),
            Self::Elu(alpha) => map(x, y, |x| step(x < 0.0, alpha * x.exp_m1(), x)),
            Self::HardSwish => map(x, y, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
            Self::HardSigmoid(alpha, beta) => map(x, y, |x| (alpha * x + beta).clamp(0.0, 1.0)),
            Self::Sigmoid => map(x, y, sigmoid),
            Self::Tanh => map(x, y, f32::tanh),
            Self::Erf => map(x, y, erf),
            Self::Gelu => map(x, y, |x| x * normal_cdf(x)),
            Self::FastGelu => map(x, y, |x| 0.5 * x * (1.0 + gelu_inner(x).tanh())),
            Self::Softplus => map(x, y, softplus),
            Self::Mish => map(x, y, |x| x * mish_gate(x)),
            Self::Exp => map(x, y, f32::exp),
            Self::Log => map(x, y, f32::ln),
            Self::Sqrt => map(x, y, f32::sqrt),
            Self::Neg => map(x, y, |x| -x),
            Self::Abs => map(x, y, f32::abs),
            Self::Reciprocal => map(x, y, f32::recip),
            Self::Sin => map(x, y, f32::sin),
            Self::Cos => map(x, y, f32::cos),
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        let back = Back {
            input: f32_at(call.inputs, 0)?.data(),
            output: f32_at(call.outputs, 0)?.data(),
            gradient: gradient.data(),
        };
        let sink = sink.data_mut();
        match *self {
            Self::Relu => back.add(sink, |x, _| step(x > 0.0, 1.0, 0.0)),
            Self::LeakyRelu(alpha) => back.add(sink, |x, _| step(x < 0.0, alpha, 1.0)),
            Self::Elu(alpha) => back.add(sink, |x, y| step(x < 0.0, y + alpha, 1.0)),
            Self::HardSwish => {
                back.add(sink, |x, _| step(x <= -3.0, 0.0, step(x >= 3.0, 1.0, x / 3.0 + 0.5)));
            }
            Self::HardSigmoid(alpha, _) => back.add(sink, |_, y| step(y > 0.0 && y < 1.0, alpha, 0.0)),
            Self::Sigmoid => back.add(sink, |_, y| y * (1.0 - y)),
            Self::Tanh => back.add(sink, |_, y| 1.0 - y * y),
            Self::Erf => back.add(sink, |x, _| FRAC_2_SQRT_PI * (-x * x).exp()),
            Self::Gelu => back.add(sink, |x, _| normal_cdf(x) + x * normal_density(x)),
            Self::FastGelu => back.add(sink, |x, _| {
                let tanh = gelu_inner(x).tanh();
                let slope = GELU_SLOPE * (1.0 + 3.0 * GELU_CUBE * x * x);
                0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * slope
            }),
            Self::Softplus => back.add(sink, |x, _| sigmoid(x)),
            Self::Mish => back.add(sink, |x, _| {
                let gate = mish_gate(x);
                gate + x * (1.0 - gate * gate) * sigmoid(x)
            }),
            Self::Exp => back.add(sink, |_, y| y),
            Self::Log => back.add(sink, |x, _| x.recip()),
            Self::Sqrt => back.add(sink, |_, y| 0.5 / y),
            Self::Neg => back.add(sink, |_, _| -1.0),
            Self::Abs => back.add(sink, |x, _| step(x > 0.0, 1.0, step(x < 0.0, -1.0, 0.0))),
            Self::Reciprocal => back.add(sink, |_, y| -y * y),
            Self::Sin => back.add(sink, |x, _| x.cos()),
            Self::Cos => back.add(sink, |x, _| -x.sin()),
        }
        Ok(())
    }
}
