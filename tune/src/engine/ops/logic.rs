//! Comparisons, truth values, choice and limits.

use super::attributes::{any_at, f32_at, gradient, i64_at};
use super::broadcast::{Rows, add_row, broadcast_dims};
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{IntTensor, Tensor, Value, ValueRef};

/// Operators that make truth values: 1 and 0.
#[derive(Debug, Clone, Copy)]
enum Truth {
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    And,
    Or,
    Xor,
    Not,
}

/// The first of two where a condition holds, else the second.
#[derive(Debug)]
struct Where;

/// Between a least and a greatest number.
#[derive(Debug)]
struct Clip {
    /// Those of the attributes, before opset 11.
    limits: (f32, f32),
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Box<dyn Op>> {
    let truth = match context.node.op_type() {
        "Where" => return Some(Box::new(Where)),
        "Clip" => {
            let limits = (context.float("min", f32::NEG_INFINITY), context.float("max", f32::INFINITY));
            return Some(Box::new(Clip { limits }));
        }
        "Equal" => Truth::Equal,
        "Greater" => Truth::Greater,
        "GreaterOrEqual" => Truth::GreaterOrEqual,
        "Less" => Truth::Less,
        "LessOrEqual" => Truth::LessOrEqual,
        "And" => Truth::And,
        "Or" => Truth::Or,
        "Xor" => Truth::Xor,
        "Not" => Truth::Not,
        _ => return None,
    };
    Some(Box::new(truth))
}

fn compare<T: Copy + PartialOrd>(
    (first, first_dims): (&[T], &[usize]),
    (second, second_dims): (&[T], &[usize]),
    holds: impl Fn(T, T) -> bool,
) -> Result<Value, OpError> {
    let dims = broadcast_dims(&[first_dims, second_dims])?;
    let rows = Rows::new(&dims, [first_dims, second_dims]);
    let [first_step, second_step] = rows.steps;
    let mut data = vec![0; dims.iter().product()];
    rows.for_each(|start, [a, b]| {
        for (index, truth) in data[start..start + rows.length].iter_mut().enumerate() {
            *truth = i64::from(holds(first[a + index * first_step], second[b + index * second_step]));
        }
    });
    Ok(Value::I64(IntTensor { dims, data }))
}

impl Truth {
    fn compared<T: Copy + PartialOrd>(
        self,
        first: (&[T], &[usize]),
        second: (&[T], &[usize]),
        holds: impl Fn(T) -> bool,
    ) -> Result<Value, OpError> {
        match self {
            Self::Equal => compare(first, second, |a, b| a == b),
            Self::Greater => compare(first, second, |a, b| a > b),
            Self::GreaterOrEqual => compare(first, second, |a, b| a >= b),
            Self::Less => compare(first, second, |a, b| a < b),
            Self::LessOrEqual => compare(first, second, |a, b| a <= b),
            Self::And => compare(first, second, |a, b| holds(a) && holds(b)),
            Self::Or => compare(first, second, |a, b| holds(a) || holds(b)),
            Self::Xor => compare(first, second, |a, b| holds(a) != holds(b)),
            Self::Not => compare(first, first, |a, _| !holds(a)),
        }
    }
}

impl Op for Truth {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let first = any_at(inputs, 0)?;
        let second = if matches!(self, Self::Not) { first } else { any_at(inputs, 1)? };
        let made = match (first, second) {
            (ValueRef::I64(a), ValueRef::I64(b)) => {
                self.compared((&a.data, &a.dims), (&b.data, &b.dims), |value| value != 0)?
            }
            (ValueRef::F32(a), ValueRef::F32(b)) => {
                self.compared((a.data(), a.dims()), (b.data(), b.dims()), |value| value != 0.0)?
            }
            _ => return Err(OpError::new("expected two inputs of one type, found integers and float32")),
        };
        Ok((vec![made], Saved::Nothing))
    }

    fn backward(&self, _: &Call<'_>, _: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        Ok(())
    }

    fn trains(&self) -> bool {
        false
    }
}

fn choose<T: Copy>(rows: &Rows<3>, condition: &[i64], both: [&[T]; 2], mut put: impl FnMut(usize, T)) {
    let [asked, one, other] = rows.steps;
    rows.for_each(|start, [condition_at, one_at, other_at]| {
        for index in 0..rows.length {
            let chosen = if condition[condition_at + index * asked] == 0 {
                both[1][other_at + index * other]
            } else {
                both[0][one_at + index * one]
            };
            put(start + index, chosen);
        }
    });
}

impl Op for Where {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let condition = i64_at(inputs, 0)?;
        let (one, other) = (any_at(inputs, 1)?, any_at(inputs, 2)?);
        let dims = broadcast_dims(&[&condition.dims, one.dims(), other.dims()])?;
        let rows = Rows::new(&dims, [&condition.dims, one.dims(), other.dims()]);
        let made = match (one, other) {
            (ValueRef::F32(one), ValueRef::F32(other)) => {
                let mut made = Tensor::scratch(&dims);
                let output = made.data_mut();
                choose(&rows, &condition.data, [one.data(), other.data()], |index, value| {
                    output[index] = value;
                });
                Value::F32(made)
            }
            (ValueRef::I64(one), ValueRef::I64(other)) => {
                let mut data = vec![0; dims.iter().product()];
                choose(&rows, &condition.data, [&one.data, &other.data], |index, value| data[index] = value);
                Value::I64(IntTensor { dims, data })
            }
            _ => return Err(OpError::new("expected two inputs of one type, found integers and float32")),
        };
        Ok((vec![made], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(gradient) = gradient(call) else { return Ok(()) };
        let condition = i64_at(call.inputs, 0)?;
        for place in 1..3 {
            let Some(Some(sink)) = sinks.get_mut(place) else { continue };
            let rows = Rows::new(gradient.dims(), [&condition.dims, f32_at(call.inputs, place)?.dims()]);
            let asked = rows.steps[0];
            rows.for_each(|start, [condition_at, at]| {
                let gradient = &gradient.data()[start..start + rows.length];
                add_row(rows.cut_mut(1, sink.data_mut(), at), rows.length, rows.steps[1], |index| {
                    let holds = condition.data[condition_at + index * asked] != 0;
                    if holds == (place == 1) { gradient[index] } else { 0.0 }
                });
            });
        }
        Ok(())
    }
}

impl Clip {
    fn limits(&self, inputs: &Inputs<'_>) -> Result<(f32, f32), OpError> {
        let limit = |place: usize, default: f32| match inputs.get(place) {
            Some(Some(_)) => {
                let tensor = f32_at(inputs, place)?;
                let found = tensor.data().first().copied();
                found.ok_or_else(|| OpError::new(format!("expected a number as input {place}, found none")))
            }
            _ => Ok(default),
        };
        Ok((limit(1, self.limits.0)?, limit(2, self.limits.1)?))
    }
}

impl Op for Clip {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let (least, greatest) = self.limits(inputs)?;
        let input = f32_at(inputs, 0)?;
        let mut made = Tensor::scratch(input.dims());
        for (output, input) in made.data_mut().iter_mut().zip(input.data()) {
            *output = input.max(least).min(greatest);
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        let (least, greatest) = self.limits(call.inputs)?;
        let given = f32_at(call.inputs, 0)?.data().iter().zip(gradient.data());
        for (sink, (input, gradient)) in sink.data_mut().iter_mut().zip(given) {
            *sink += if *input >= least && *input <= greatest { *gradient } else { 0.0 };
        }
        Ok(())
    }
}
