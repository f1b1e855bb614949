//! Types, shapes and sequences of numbers.

use super::attributes::{any_at, gradient, i64_at, size};
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, IntTensor, Tensor, Value, ValueRef};
use roadproof::compress::graph::proto::data_type;

#[derive(Debug, Clone, Copy)]
enum Cast {
    Number,
    Integer,
    Truth,
}

/// Operators whose outputs do not depend on what a tensor holds, or are made of integers.
#[derive(Debug)]
enum Facts {
    /// Of some axes, from one to another.
    Sides {
        start: i64,
        end: i64,
    },
    Size,
    Range,
    Filled {
        value: Value,
    },
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Result<Box<dyn Op>, String>> {
    let shape = match context.node.op_type() {
        "Cast" => return Some(cast(context)),
        "Shape" => Facts::Sides { start: context.int("start", 0), end: context.int("end", i64::MAX) },
        "Size" => Facts::Size,
        "Range" => Facts::Range,
        "ConstantOfShape" => {
            let given = context.node.attribute("value").and_then(|attribute| attribute.t.as_ref());
            let value = given.map_or_else(|| Ok(Value::F32(Tensor::zeros(&[1]))), crate::engine::load::value);
            match value {
                Ok(value) => Facts::Filled { value },
                Err(found) => return Some(Err(format!("expected a number as value, found {found}"))),
            }
        }
        _ => return None,
    };
    Some(Ok(Box::new(shape)))
}

fn cast(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    let to = i32::try_from(context.int("to", 0)).unwrap_or(0);
    let cast = match to {
        data_type::FLOAT => Cast::Number,
        data_type::INT64 | data_type::INT32 => Cast::Integer,
        data_type::BOOL => Cast::Truth,
        data_type::FLOAT16 | data_type::BFLOAT16 => {
            return Err(
                "expected a float32 model, found one of half precision: tune before `--fp16`".to_owned()
            );
        }
        other => {
            return Err(format!("expected float32, int64, int32 or bool, found {}", data_type::name(other)));
        }
    };
    Ok(Box::new(cast))
}

impl Op for Cast {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = any_at(inputs, 0)?;
        let dims = Dims::from_slice(input.dims());
        let made = match (self, input) {
            (Self::Number, ValueRef::F32(input)) => Value::F32(input.clone()),
            (Self::Number, ValueRef::I64(input)) => {
                Value::F32(Tensor::from_fn(&dims, |index| input.data[index] as f32))
            }
            (Self::Integer, ValueRef::I64(input)) => Value::I64(input.clone()),
            (Self::Integer, ValueRef::F32(input)) => {
                let data = input.data().iter().map(|value| *value as i64).collect();
                Value::I64(IntTensor { dims, data })
            }
            (Self::Truth, ValueRef::I64(input)) => {
                let data = input.data.iter().map(|value| i64::from(*value != 0)).collect();
                Value::I64(IntTensor { dims, data })
            }
            (Self::Truth, ValueRef::F32(input)) => {
                let data = input.data().iter().map(|value| i64::from(*value != 0.0)).collect();
                Value::I64(IntTensor { dims, data })
            }
        };
        Ok((vec![made], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        if let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) {
            sink.add(gradient);
        }
        Ok(())
    }

    fn trains(&self) -> bool {
        matches!(self, Self::Number)
    }
}

fn scalar(inputs: &Inputs<'_>, place: usize) -> Result<i64, OpError> {
    let integers = i64_at(inputs, place)?;
    let first = integers.data.first().copied();
    first.ok_or_else(|| OpError::new(format!("expected a number as input {place}, found none")))
}

impl Op for Facts {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let made = match self {
            Self::Sides { start, end } => {
                let dims = any_at(inputs, 0)?.dims();
                let rank = dims.len() as i64;
                let counted =
                    |axis: i64| if axis < 0 { axis.saturating_add(rank) } else { axis }.clamp(0, rank);
                let (start, end) = (counted(*start) as usize, counted(*end) as usize);
                let data: Vec<i64> = dims[start.min(end)..end].iter().map(|side| *side as i64).collect();
                Value::I64(IntTensor { dims: Dims::from_slice(&[data.len()]), data })
            }
            Self::Size => {
                let count = any_at(inputs, 0)?.dims().iter().product::<usize>() as i64;
                Value::I64(IntTensor { dims: Dims::new(), data: vec![count] })
            }
            Self::Range => {
                let (start, limit, step) = (scalar(inputs, 0)?, scalar(inputs, 1)?, scalar(inputs, 2)?);
                if step == 0 {
                    return Err(OpError::new("expected a step other than 0, found 0"));
                }
                let goes_on = |value: &i64| if step > 0 { *value < limit } else { *value > limit };
                let next = |value: &i64| value.checked_add(step);
                let data: Vec<i64> = std::iter::successors(Some(start), next).take_while(goes_on).collect();
                Value::I64(IntTensor { dims: Dims::from_slice(&[data.len()]), data })
            }
            Self::Filled { value } => {
                let sides = &i64_at(inputs, 0)?.data;
                let dims: Dims = sides.iter().map(|side| size(*side, "sides")).collect::<Result<_, _>>()?;
                match value {
                    Value::F32(value) => {
                        let value = value.data().first().copied().unwrap_or(0.0);
                        Value::F32(Tensor::from_fn(&dims, |_| value))
                    }
                    Value::I64(value) => {
                        let value = value.data.first().copied().unwrap_or(0);
                        Value::I64(IntTensor { data: vec![value; dims.iter().product()], dims })
                    }
                }
            }
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
