//! Images of another size, one axis after the other.

use super::attributes::{around, f32_at, gradient, i64_at, optional_i64, size};
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Dims, Tensor, Value};

/// Which place of the input a place of the output means (ONNX, `Resize`, `coordinate_transformation_mode`).
#[derive(Debug, Clone, Copy)]
enum Coordinates {
    Asymmetric,
    HalfPixel,
    /// 0 where the output has one element.
    PytorchHalfPixel,
    AlignCorners,
}

/// Which neighbour is nearest.
#[derive(Debug, Clone, Copy)]
enum Nearest {
    Floor,
    Ceil,
    RoundPreferFloor,
    RoundPreferCeil,
    /// Floor where the image grows and ceil where it shrinks: before opset 11.
    BySize,
}

#[derive(Debug, Clone, Copy)]
enum Interpolation {
    Nearest(Nearest),
    Linear,
}

#[derive(Debug)]
struct Resize {
    coordinates: Coordinates,
    interpolation: Interpolation,
    /// Factors of the attribute, before opset 9.
    scales: Option<Vec<f32>>,
    /// The inputs of factors and of sizes.
    places: (usize, usize),
    axes: Option<Vec<i64>>,
}

/// The operator of a `Resize` or `Upsample` node.
pub(super) fn build(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    let old = context.node.op_type() == "Upsample" || context.opset < 11;
    let coordinates = match context.text("coordinate_transformation_mode", "half_pixel") {
        _ if old => Coordinates::Asymmetric,
        "half_pixel" => Coordinates::HalfPixel,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        other => {
            return Err(format!(
                "expected coordinates half_pixel, pytorch_half_pixel, align_corners or asymmetric, found {other}"
            ));
        }
    };
    let nearest = match context.text("nearest_mode", "round_prefer_floor") {
        _ if old => Nearest::BySize,
        "floor" => Nearest::Floor,
        "ceil" => Nearest::Ceil,
        "round_prefer_floor" => Nearest::RoundPreferFloor,
        "round_prefer_ceil" => Nearest::RoundPreferCeil,
        other => return Err(format!("expected a known nearest_mode, found {other}")),
    };
    let interpolation = match context.text("mode", "nearest") {
        "nearest" => Interpolation::Nearest(nearest),
        "linear" | "bilinear" => Interpolation::Linear,
        other => return Err(format!("expected mode nearest or linear, found {other}")),
    };
    if context.int("antialias", 0) != 0 {
        return Err("expected antialias 0, found 1".to_owned());
    }
    let policy = context.text("keep_aspect_ratio_policy", "stretch");
    if policy != "stretch" {
        return Err(format!("expected keep_aspect_ratio_policy stretch, found {policy}"));
    }
    let scales = context.node.attribute("scales").map(|attribute| attribute.floats.clone());
    let axes = context.ints("axes").map(<[i64]>::to_vec);
    let places = if old { (1, usize::MAX) } else { (2, 3) };
    Ok(Box::new(Resize { coordinates, interpolation, scales, places, axes }))
}

/// An axis that changes: for each element of the output its neighbours in the input, and what the second counts for.
struct Axis {
    axis: usize,
    taps: Vec<(usize, usize, f32)>,
}

impl Resize {
    fn place(&self, index: usize, input: usize, output: usize, scale: f32) -> f32 {
        let at = index as f32;
        match self.coordinates {
            Coordinates::Asymmetric => at / scale,
            Coordinates::PytorchHalfPixel | Coordinates::AlignCorners if output <= 1 => 0.0,
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => (at + 0.5) / scale - 0.5,
            Coordinates::AlignCorners => at * (input - 1) as f32 / (output - 1) as f32,
        }
    }

    fn tap(&self, place: f32, input: usize, shrinks: bool) -> (usize, usize, f32) {
        let last = input - 1;
        match self.interpolation {
            Interpolation::Nearest(nearest) => {
                let nearest = match nearest {
                    Nearest::RoundPreferFloor => (place - 0.5).ceil(),
                    Nearest::RoundPreferCeil => (place + 0.5).floor(),
                    Nearest::Ceil => place.ceil(),
                    Nearest::BySize if shrinks => place.ceil(),
                    Nearest::BySize | Nearest::Floor => place.floor(),
                };
                let index = (nearest.max(0.0) as usize).min(last);
                (index, index, 0.0)
            }
            Interpolation::Linear => {
                let place = place.clamp(0.0, last as f32);
                let first = (place.floor() as usize).min(last);
                (first, (first + 1).min(last), place - first as f32)
            }
        }
    }

    /// Output side and factor of each axis.
    fn sides(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<(usize, f32)>, OpError> {
        let all: Vec<usize> = (0..dims.len()).collect();
        let axes = match &self.axes {
            Some(axes) => axes
                .iter()
                .map(|axis| super::attributes::axis(*axis, dims.len()))
                .collect::<Result<_, _>>()?,
            None => all,
        };
        let wrong =
            |found: usize| OpError::new(format!("expected {} factors or sizes, found {found}", axes.len()));
        let mut sides: Vec<(usize, f32)> = dims.iter().map(|side| (*side, 1.0)).collect();
        if let Some(sizes) = optional_i64(inputs, self.places.1)?.filter(|sizes| !sizes.is_empty()) {
            if sizes.len() != axes.len() {
                return Err(wrong(sizes.len()));
            }
            for (axis, wanted) in axes.iter().zip(&i64_at(inputs, self.places.1)?.data) {
                let wanted = size(*wanted, "sizes")?;
                sides[*axis] = (wanted, wanted as f32 / dims[*axis] as f32);
            }
            return Ok(sides);
        }
        let scales = match &self.scales {
            Some(scales) => scales.as_slice(),
            None => f32_at(inputs, self.places.0)?.data(),
        };
        if scales.len() != axes.len() {
            return Err(wrong(scales.len()));
        }
        for (axis, scale) in axes.iter().zip(scales) {
            sides[*axis] = ((dims[*axis] as f32 * scale).floor() as usize, *scale);
        }
        Ok(sides)
    }

    /// The axes that change, in order.
    fn axes(&self, dims: &[usize], inputs: &Inputs<'_>) -> Result<Vec<Axis>, OpError> {
        let sides = self.sides(dims, inputs)?;
        if dims.contains(&0) || sides.iter().any(|(side, _)| *side == 0) {
            return Err(OpError::new(format!("expected sides of at least 1, found {dims:?} to {sides:?}")));
        }
        let changed = sides.iter().enumerate().filter(|(axis, (side, _))| *side != dims[*axis]);
        let axes = changed.map(|(axis, (output, scale))| {
            let input = dims[axis];
            let tap = |index| self.tap(self.place(index, input, *output, *scale), input, *scale < 1.0);
            Axis { axis, taps: (0..*output).map(tap).collect() }
        });
        Ok(axes.collect())
    }
}

impl Axis {
    fn forward(&self, input: &Tensor) -> Tensor {
        let (_, side, inner) = around(input.dims(), self.axis);
        let mut dims = Dims::from_slice(input.dims());
        dims[self.axis] = self.taps.len();
        let mut made = Tensor::scratch(&dims);
        let blocks = input.data().chunks_exact(side * inner);
        for (output, input) in made.data_mut().chunks_exact_mut(self.taps.len() * inner).zip(blocks) {
            for (output, (first, second, share)) in output.chunks_exact_mut(inner).zip(&self.taps) {
                let first = &input[first * inner..][..inner];
                let second = &input[second * inner..][..inner];
                if *share == 0.0 {
                    output.copy_from_slice(first);
                } else {
                    for ((output, first), second) in output.iter_mut().zip(first).zip(second) {
                        *output = first + (second - first) * share;
                    }
                }
            }
        }
        made
    }

    /// The gradient by an input of sides `dims`.
    fn backward(&self, dims: &[usize], gradient: &Tensor) -> Tensor {
        let (_, side, inner) = around(dims, self.axis);
        let mut sink = Tensor::zeros(dims);
        let blocks = gradient.data().chunks_exact(self.taps.len() * inner);
        for (sink, gradient) in sink.data_mut().chunks_exact_mut(side * inner).zip(blocks) {
            for (gradient, (first, second, share)) in gradient.chunks_exact(inner).zip(&self.taps) {
                for (index, share) in [(first, 1.0 - share), (second, *share)] {
                    if share != 0.0 {
                        for (sink, gradient) in sink[index * inner..][..inner].iter_mut().zip(gradient) {
                            *sink += gradient * share;
                        }
                    }
                }
            }
        }
        sink
    }
}

impl Op for Resize {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let input = f32_at(inputs, 0)?;
        let mut made: Option<Tensor> = None;
        for axis in self.axes(input.dims(), inputs)? {
            made = Some(axis.forward(made.as_ref().unwrap_or(input)));
        }
        Ok((vec![made.unwrap_or_else(|| input.clone()).into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let (Some(gradient), [Some(sink), ..]) = (gradient(call), sinks) else { return Ok(()) };
        let mut back: Option<Tensor> = None;
        for axis in self.axes(sink.dims(), call.inputs)?.iter().rev() {
            let gradient = back.as_ref().unwrap_or(gradient);
            let mut dims = Dims::from_slice(gradient.dims());
            dims[axis.axis] = sink.dims()[axis.axis];
            back = Some(axis.backward(&dims, gradient));
        }
        sink.add(back.as_ref().unwrap_or(gradient));
        Ok(())
    }
}
