//! Functions of two numbers, element by element, with broadcasting.

use super::attributes::{any_at, f32_at, gradient};
use super::broadcast::{Rows, add_row, broadcast_dims};
use crate::engine::{Call, Context, Inputs, Op, OpError, Role, Saved};
use crate::tensor::{IntTensor, Tensor, Value, ValueRef};

#[derive(Debug, Clone, Copy)]
enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Max,
    Min,
    /// Of integers alone: the remainder with the divisor's sign, as ONNX has it.
    Mod,
    /// The second operand is the slope of the first where that is negative.
    PRelu,
}

/// The operator of this node, if it is a function of two numbers.
pub(super) fn build(context: &Context<'_>) -> Option<Result<Box<dyn Op>, String>> {
    let function = match context.node.op_type() {
        "Add" | "Sum" => Binary::Add,
        "Sub" => Binary::Sub,
        "Mul" => Binary::Mul,
        "Div" => Binary::Div,
        "Pow" => Binary::Pow,
        "Max" => Binary::Max,
        "Min" => Binary::Min,
        "Mod" => Binary::Mod,
        "PRelu" => Binary::PRelu,
        _ => return None,
    };
    let count = context.node.input.len();
    if count != 2 {
        return Some(Err(format!("expected 2 inputs, found {count}")));
    }
    Some(Ok(Box::new(function)))
}

fn combine<T: Copy>(
    rows: &Rows<2>,
    output: &mut [T],
    (first, second): (&[T], &[T]),
    function: impl Fn(T, T) -> T,
) {
    rows.for_each(|start, [a, b]| {
        let output = &mut output[start..start + rows.length];
        match (rows.cut(0, first, a), rows.cut(1, second, b), rows.steps) {
            (a, b, [1, 1]) => {
                for ((output, a), b) in output.iter_mut().zip(a).zip(b) {
                    *output = function(*a, *b);
                }
            }
            (a, b, [1, _]) => {
                let b = b[0];
                for (output, a) in output.iter_mut().zip(a) {
                    *output = function(*a, b);
                }
            }
            (a, b, [_, 1]) => {
                let a = a[0];
                for (output, b) in output.iter_mut().zip(b) {
                    *output = function(a, *b);
                }
            }
            (a, b, _) => output.fill(function(a[0], b[0])),
        }
    });
}

/// Both operands of a backward run, and the gradient by the output.
struct Back<'a> {
    rows: Rows<2>,
    first: &'a [f32],
    second: &'a [f32],
    gradient: &'a [f32],
}

impl Back<'_> {
    /// Adds to the gradient of one operand, by what an element of it is, from gradient and operands.
    fn add(&self, operand: usize, sink: &mut [f32], term: impl Fn(f32, f32, f32) -> f32) {
        let Self { rows, first, second, gradient } = self;
        let (count, step) = (rows.length, rows.steps[operand]);
        rows.for_each(|start, offsets| {
            let gradient = &gradient[start..start + count];
            let sink = rows.cut_mut(operand, sink, offsets[operand]);
            let (a, b) = (rows.cut(0, first, offsets[0]), rows.cut(1, second, offsets[1]));
            match rows.steps {
                [1, 1] => {
                    let (a, b) = (&a[..count], &b[..count]);
                    add_row(sink, count, step, |index| term(gradient[index], a[index], b[index]));
                }
                [1, _] => {
                    let (a, b) = (&a[..count], b[0]);
                    add_row(sink, count, step, |index| term(gradient[index], a[index], b));
                }
                [_, 1] => {
                    let (a, b) = (a[0], &b[..count]);
                    add_row(sink, count, step, |index| term(gradient[index], a, b[index]));
                }
                _ => {
                    let (a, b) = (a[0], b[0]);
                    add_row(sink, count, step, |index| term(gradient[index], a, b));
                }
            }
        });
    }
}

/// Whether a power is a square, which needs no logarithm.
#[allow(clippy::float_cmp, reason = "exponents of models are exact")]
fn squares(exponent: f32) -> bool {
    exponent == 2.0
}

fn power(a: f32, b: f32) -> f32 {
    if squares(b) { a * a } else { a.powf(b) }
}

fn first_if(condition: bool, value: f32) -> f32 {
    if condition { value } else { 0.0 }
}

impl Binary {
    fn integers(self, first: &IntTensor, second: &IntTensor) -> Result<Value, OpError> {
        let dims = broadcast_dims(&[&first.dims, &second.dims])?;
        let rows = Rows::new(&dims, [&first.dims, &second.dims]);
        let mut data = vec![0; dims.iter().product()];
        let (output, both) = (data.as_mut_slice(), (first.data.as_slice(), second.data.as_slice()));
        if matches!(self, Self::Div | Self::Mod) && second.data.contains(&0) {
            return Err(OpError::new("expected integers to divide by, found 0"));
        }
        match self {
            Self::Add => combine(&rows, output, both, i64::wrapping_add),
            Self::Sub => combine(&rows, output, both, i64::wrapping_sub),
            Self::Mul => combine(&rows, output, both, i64::wrapping_mul),
            Self::Div => combine(&rows, output, both, i64::wrapping_div),
            Self::Max => combine(&rows, output, both, i64::max),
            Self::Min => combine(&rows, output, both, i64::min),
            Self::Mod => combine(&rows, output, both, |a, b| {
                let rest = a.wrapping_rem(b);
                if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest }
            }),
            Self::Pow | Self::PRelu => return Err(OpError::new("expected float32, found integers")),
        }
        Ok(Value::I64(IntTensor { dims, data }))
    }
}

impl Op for Binary {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let (first, second) = match (any_at(inputs, 0)?, any_at(inputs, 1)?) {
            (ValueRef::I64(first), ValueRef::I64(second)) => {
                return Ok((vec![self.integers(first, second)?], Saved::Nothing));
            }
            (ValueRef::F32(first), ValueRef::F32(second)) => (first, second),
            _ => return Err(OpError::new("expected two inputs of one type, found integers and float32")),
        };
        let dims = broadcast_dims(&[first.dims(), second.dims()])?;
        let rows = Rows::new(&dims, [first.dims(), second.dims()]);
        let mut made = Tensor::scratch(&dims);
        let (output, both) = (made.data_mut(), (first.data(), second.data()));
        match self {
            Self::Add => combine(&rows, output, both, |a, b| a + b),
            Self::Sub => combine(&rows, output, both, |a, b| a - b),
            Self::Mul => combine(&rows, output, both, |a, b| a * b),
            Self::Div => combine(&rows, output, both, |a, b| a / b),
            Self::Pow => combine(&rows, output, both, power),
            Self::Max => combine(&rows, output, both, f32::max),
            Self::Min => combine(&rows, output, both, f32::min),
            Self::PRelu => combine(&rows, output, both, |a, b| if a < 0.0 { a * b } else { a }),
            Self::Mod => return Err(OpError::new("expected integers, found float32")),
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(gradient) = gradient(call) else { return Ok(()) };
        let (first, second) = (f32_at(call.inputs, 0)?, f32_at(call.inputs, 1)?);
        let back = Back {
            rows: Rows::new(gradient.dims(), [first.dims(), second.dims()]),
            first: first.data(),
            second: second.data(),
            gradient: gradient.data(),
        };
        if let Some(Some(sink)) = sinks.first_mut() {
            let sink = sink.data_mut();
            match self {
                Self::Add | Self::Sub => back.add(0, sink, |g, _, _| g),
                Self::Mul => back.add(0, sink, |g, _, b| g * b),
                Self::Div => back.add(0, sink, |g, _, b| g / b),
                Self::Pow => {
                    back.add(0, sink, |g, a, b| g * if squares(b) { 2.0 * a } else { b * a.powf(b - 1.0) });
                }
                Self::Max => back.add(0, sink, |g, a, b| first_if(a >= b, g)),
                Self::Min => back.add(0, sink, |g, a, b| first_if(a <= b, g)),
                Self::PRelu => back.add(0, sink, |g, a, b| if a < 0.0 { g * b } else { g }),
                Self::Mod => {}
            }
        }
        if let Some(Some(sink)) = sinks.get_mut(1) {
            let sink = sink.data_mut();
            match self {
                Self::Add => back.add(1, sink, |g, _, _| g),
                Self::Sub => back.add(1, sink, |g, _, _| -g),
                Self::Mul => back.add(1, sink, |g, a, _| g * a),
                Self::Div => back.add(1, sink, |g, a, b| -g * a / (b * b)),
                // at a base of zero or less the exponent has no gradient
                Self::Pow => back.add(1, sink, |g, a, b| if a > 0.0 { g * a.powf(b) * a.ln() } else { 0.0 }),
                Self::Max => back.add(1, sink, |g, a, b| first_if(a < b, g)),
                Self::Min => back.add(1, sink, |g, a, b| first_if(a > b, g)),
                Self::PRelu => back.add(1, sink, |g, a, _| first_if(a < 0.0, g * a)),
                Self::Mod => {}
            }
        }
        Ok(())
    }

    fn weights(&self) -> &[(usize, Role)] {
        match self {
            Self::PRelu => &[(1, Role::Scale)],
            _ => &[],
        }
    }
}
