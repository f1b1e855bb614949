//! Operators that put the elements of one tensor elsewhere and compute nothing.

use smallvec::SmallVec;

use super::attributes::{any_at, axes, axis, gradient, i64_at, optional_i64, size};
use super::broadcast::broadcast_dims;
use super::view::{View, strides};
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, IntTensor, Tensor, Value, ValueRef};

#[derive(Debug)]
enum Layout {
    Identity,
    /// 0 copies a side of the input, unless zeros are allowed.
    Reshape {
        zeros: bool,
    },
    Flatten {
        axis: i64,
    },
    /// The axes of the attribute, before opset 13.
    Squeeze {
        axes: Option<Vec<i64>>,
    },
    /// As of [`Squeeze`](Self::Squeeze).
    Unsqueeze {
        axes: Option<Vec<i64>>,
    },
    Transpose {
        order: Option<Vec<i64>>,
    },
    Expand,
    Tile,
    /// Depth first, then the columns and rows of a block; or the blocks first.
    DepthToSpace {
        block: usize,
        depth_first: bool,
    },
    SpaceToDepth {
        block: usize,
    },
    /// Starts, ends and axes of the attributes, before opset 10.
    Slice {
        attributes: Option<[Vec<i64>; 3]>,
    },
}

/// The operator of this node, if it is one of these.
pub(super) fn build(context: &Context<'_>) -> Option<Result<Box<dyn Op>, String>> {
    let axes = || context.ints("axes").map(<[i64]>::to_vec);
    let block = || usize::try_from(context.int("blocksize", 1)).unwrap_or(0);
    let layout = match context.node.op_type() {
        "Identity" => Layout::Identity,
        "Dropout" => {
            let training = context.constants.get(2).and_then(Option::as_ref);
            if matches!(training, Some(Value::I64(flag)) if flag.data.contains(&1)) {
                return Some(Err(
                    "expected training_mode 0, found 1: export the model for inference".to_owned()
                ));
            }
            if let Err(problem) = context.at_most_outputs(1) {
                return Some(Err(problem));
            }
            Layout::Identity
        }
        "Reshape" => Layout::Reshape { zeros: context.int("allowzero", 0) != 0 },
        "Flatten" => Layout::Flatten { axis: context.int("axis", 1) },
        "Squeeze" => Layout::Squeeze { axes: axes() },
        "Unsqueeze" => Layout::Unsqueeze { axes: axes() },
        "Transpose" => Layout::Transpose { order: context.ints("perm").map(<[i64]>::to_vec) },
        "Expand" => Layout::Expand,
        "Tile" => Layout::Tile,
        "DepthToSpace" => {
            Layout::DepthToSpace { block: block(), depth_first: context.text("mode", "DCR") == "DCR" }
        }
        "SpaceToDepth" => Layout::SpaceToDepth { block: block() },
        "Slice" => {
            let list = |name| context.ints(name).unwrap_or_default().to_vec();
            let attributes = context.ints("starts").map(|_| [list("starts"), list("ends"), list("axes")]);
            Layout::Slice { attributes }
        }
        _ => return None,
    };
    Some(Ok(Box::new(layout)))
}

impl Layout {
    /// Sides of the output, and where its elements are in an input of sides `dims`.
    fn view(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<(Dims, View), OpError> {
        match self {
            Self::Identity => Ok((Dims::from_slice(dims), View::whole(dims))),
            Self::Reshape { zeros } => {
                Ok((reshape(dims, &i64_at(inputs, 1)?.data, *zeros)?, View::whole(dims)))
            }
            Self::Flatten { axis: at } => {
                let at = if *at == dims.len() as i64 { dims.len() } else { axis(*at, dims.len())? };
                let sides = Dims::from_slice(&[dims[..at].iter().product(), dims[at..].iter().product()]);
                Ok((sides, View::whole(dims)))
            }
            Self::Squeeze { axes } => {
                let axes = axes.as_deref().map_or_else(|| optional_i64(inputs, 1), |axes| Ok(Some(axes)))?;
                Ok((squeeze(dims, axes)?, View::whole(dims)))
            }
            Self::Unsqueeze { axes } => {
                let axes = axes.as_deref().map_or_else(|| Ok(i64_at(inputs, 1)?.data.as_slice()), Ok)?;
                Ok((unsqueeze(dims, axes)?, View::whole(dims)))
            }
            Self::Transpose { order } => transpose(dims, order.as_deref()),
            Self::Expand => {
                let wanted = sides(&i64_at(inputs, 1)?.data)?;
                let output = broadcast_dims(&[dims, &wanted])?;
                let mut steps: SmallVec<[isize; 6]> = SmallVec::from_elem(0, output.len() - dims.len());
                steps.extend(
                    dims.iter().zip(strides(dims)).map(|(side, step)| if *side == 1 { 0 } else { step }),
                );
                let view = View::new(&output, &steps, 0);
                Ok((output, view))
            }
            Self::Tile => tile(dims, &sides(&i64_at(inputs, 1)?.data)?),
            Self::DepthToSpace { block, depth_first } => depth_to_space(dims, *block, *depth_first),
            Self::SpaceToDepth { block } => space_to_depth(dims, *block),
            Self::Slice { attributes: Some([starts, ends, axes]) } => {
                let axes = Some(axes.as_slice()).filter(|axes| !axes.is_empty());
                slice(dims, starts, ends, axes, None)
            }
            Self::Slice { attributes: None } => slice(
                dims,
                &i64_at(inputs, 1)?.data,
                &i64_at(inputs, 2)?.data,
                optional_i64(inputs, 3)?,
                optional_i64(inputs, 4)?,
            ),
        }
    }
}

fn sides(values: &[i64]) -> Result<Dims, OpError> {
    values.iter().map(|value| size(*value, "sides")).collect()
}

fn reshape(dims: &[usize], wanted: &[i64], zeros: bool) -> Result<Dims, OpError> {
    let wrong = || OpError::new(format!("expected sides for {dims:?}, found {wanted:?}"));
    let count: usize = dims.iter().product();
    let mut sides = Dims::new();
    let mut open = None;
    for (place, side) in wanted.iter().enumerate() {
        sides.push(match side {
            -1 if open.is_none() => {
                open = Some(place);
                1
            }
            0 if !zeros => *dims.get(place).ok_or_else(wrong)?,
            side => usize::try_from(*side).map_err(|_| wrong())?,
        });
    }
    if let Some(place) = open {
        sides[place] = count.checked_div(sides.iter().product()).ok_or_else(wrong)?;
    }
    if sides.iter().product::<usize>() == count { Ok(sides) } else { Err(wrong()) }
}

fn squeeze(dims: &[usize], numbers: Option<&[i64]>) -> Result<Dims, OpError> {
    let gone = match numbers {
        Some(numbers) => axes(numbers, dims.len())?,
        None => dims.iter().map(|side| *side == 1).collect(),
    };
    if let Some((side, _)) = dims.iter().zip(&gone).find(|(side, gone)| **gone && **side != 1) {
        return Err(OpError::new(format!("expected axes of side 1 to squeeze, found one of {side}")));
    }
    Ok(dims.iter().zip(gone).filter(|(_, gone)| !gone).map(|(side, _)| *side).collect())
}

fn unsqueeze(dims: &[usize], numbers: &[i64]) -> Result<Dims, OpError> {
    let new = axes(numbers, dims.len() + numbers.len())?;
    if new.iter().filter(|new| **new).count() != numbers.len() {
        return Err(OpError::new(format!("expected axes that differ, found {numbers:?}")));
    }
    let mut old = dims.iter();
    Ok(new.iter().map(|new| if *new { 1 } else { old.next().copied().unwrap_or(1) }).collect())
}

fn transpose(dims: &[usize], order: Option<&[i64]>) -> Result<(Dims, View), OpError> {
    let order: Vec<usize> = match order {
        Some(order) => order.iter().map(|number| axis(*number, dims.len())).collect::<Result<_, _>>()?,
        None => (0..dims.len()).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..dims.len()) {
        return Err(OpError::new(format!("expected each of {} axes once, found {order:?}", dims.len())));
    }
    let from = strides(dims);
    let output: Dims = order.iter().map(|axis| dims[*axis]).collect();
    let steps: Vec<isize> = order.iter().map(|axis| from[*axis]).collect();
    let view = View::new(&output, &steps, 0);
    Ok((output, view))
}

fn tile(dims: &[usize], repeats: &[usize]) -> Result<(Dims, View), OpError> {
    if repeats.len() != dims.len() {
        return Err(OpError::new(format!("expected {} repeats, found {}", dims.len(), repeats.len())));
    }
    let output = dims.iter().zip(repeats).map(|(side, repeats)| side * repeats).collect();
    let inner: Vec<usize> = dims.iter().zip(repeats).flat_map(|(side, repeats)| [*repeats, *side]).collect();
    let steps: Vec<isize> = strides(dims).iter().flat_map(|step| [0, *step]).collect();
    Ok((output, View::new(&inner, &steps, 0)))
}

/// Sides of a batch of images, of which `divided` have to be multiples of the block.
fn image(dims: &[usize], block: usize, divided: impl Fn([usize; 4]) -> bool) -> Result<[usize; 4], OpError> {
    <[usize; 4]>::try_from(dims).ok().filter(|dims| block > 0 && divided(*dims)).ok_or_else(|| {
        OpError::new(format!("expected [N, C, H, W] that blocks of {block} divide, found {dims:?}"))
    })
}

fn depth_to_space(dims: &[usize], block: usize, depth_first: bool) -> Result<(Dims, View), OpError> {
    let [n, c, h, w] = image(dims, block, |[_, c, _, _]| c % (block * block).max(1) == 0)?;
    let depth = c / (block * block);
    // the input as it lies: [n, row of the block, column of it, depth, h, w], or the depth before the block
    let (split, order) = if depth_first {
        ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2])
    } else {
        ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3])
    };
    let (_, view) = transpose(&split, Some(&order))?;
    Ok((Dims::from_slice(&[n, depth, h * block, w * block]), view))
}

fn space_to_depth(dims: &[usize], block: usize) -> Result<(Dims, View), OpError> {
    let [n, c, h, w] = image(dims, block, |[_, _, h, w]| h % block.max(1) == 0 && w % block.max(1) == 0)?;
    let (h, w) = (h / block, w / block);
    let (_, view) = transpose(&[n, c, h, block, w, block], Some(&[0, 3, 5, 1, 2, 4]))?;
    Ok((Dims::from_slice(&[n, c * block * block, h, w]), view))
}

fn slice(
    dims: &[usize],
    starts: &[i64],
    ends: &[i64],
    numbers: Option<&[i64]>,
    steps: Option<&[i64]>,
) -> Result<(Dims, View), OpError> {
    let all: Vec<i64> = (0..starts.len() as i64).collect();
    let numbers = numbers.unwrap_or(&all);
    let ones = vec![1; starts.len()];
    let steps = steps.unwrap_or(&ones);
    if [ends.len(), numbers.len(), steps.len()].iter().any(|length| *length != starts.len()) {
        return Err(OpError::new("expected as many starts as ends, axes and steps, found others"));
    }
    let mut output = Dims::from_slice(dims);
    let mut distances = strides(dims);
    let mut offset = 0isize;
    for (((start, end), number), step) in starts.iter().zip(ends).zip(numbers).zip(steps) {
        let axis = axis(*number, dims.len())?;
        if *step == 0 {
            return Err(OpError::new("expected a step other than 0, found 0"));
        }
        let side = dims[axis] as i64;
        let counted = |value: i64| if value < 0 { value.saturating_add(side) } else { value };
        let (start, span) = if *step > 0 {
            let start = counted(*start).clamp(0, side);
            (start, counted(*end).clamp(0, side) - start)
        } else {
            let start = counted(*start).clamp(0, side - 1);
            (start, start - counted(*end).clamp(-1, side - 1))
        };
        output[axis] = usize::try_from(span).unwrap_or(0).div_ceil(step.unsigned_abs() as usize);
        offset += start as isize * distances[axis];
        distances[axis] *= *step as isize;
    }
    let view = View::new(&output, &distances, usize::try_from(offset).unwrap_or(0));
    Ok((output, view))
}

impl Op for Layout {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = any_at(inputs, 0)?;
        let (dims, view) = self.view(input.dims(), inputs)?;
        Ok((vec![read(input, &dims, &view)], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        let (_, view) = self.view(sink.dims(), call.inputs)?;
        view.add_write(gradient.data(), sink.data_mut());
        Ok(())
    }
}

/// What a view sees of a tensor, as one of its own.
pub(super) fn read(input: ValueRef<'_>, dims: &[usize], view: &View) -> Value {
    match input {
        ValueRef::F32(input) => {
            let mut made = Tensor::scratch(dims);
            view.read(input.data(), made.data_mut());
            Value::F32(made)
        }
        ValueRef::I64(input) => {
            let mut data = vec![0; dims.iter().product()];
            view.read(&input.data, &mut data);
            Value::I64(IntTensor { dims: Dims::from_slice(dims), data })
        }
    }
}
