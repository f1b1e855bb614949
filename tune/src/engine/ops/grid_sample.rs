//! Images read at places that the network computes (Jaderberg et al., 2015, equation 5).

use super::attributes::{f32_at, gradient};
use crate::engine::{Call, Context, Inputs, Op, OpError, Saved};
use crate::tensor::{Tensor, Value};

/// Bilinear, with zeros beyond the edges.
#[derive(Debug)]
struct GridSample {
    align_corners: bool,
}

/// The operator of a `GridSample` node.
pub(super) fn build(context: &Context<'_>) -> Result<Box<dyn Op>, String> {
    match context.text("mode", "linear") {
        "linear" | "bilinear" => {}
        other => return Err(format!("expected mode linear, found {other}")),
    }
    match context.text("padding_mode", "zeros") {
        "zeros" => {}
        other => return Err(format!("expected padding_mode zeros, found {other}")),
    }
    Ok(Box::new(GridSample { align_corners: context.int("align_corners", 0) != 0 }))
}

/// Sides of an image of [N, C, H, W] and of places [N, rows, columns, 2].
#[derive(Clone, Copy)]
struct Sides {
    images: usize,
    channels: usize,
    height: usize,
    width: usize,
    rows: usize,
    columns: usize,
}

impl Sides {
    fn of(image: &Tensor, grid: &Tensor) -> Result<Self, OpError> {
        match (image.dims(), grid.dims()) {
            (&[images, channels, height, width], &[of_grid, rows, columns, 2]) if images == of_grid => {
                Ok(Self { images, channels, height, width, rows, columns })
            }
            (image, grid) => Err(OpError::new(format!(
                "expected an image of [N, C, H, W] and places of [N, rows, columns, 2], found {image:?} and {grid:?}"
            ))),
        }
    }
}

/// A corner of the square that a place is in.
struct Corner {
    /// Its index in a plane; `None` outside.
    index: Option<usize>,
    /// What it counts for.
    weight: f32,
    /// How that changes with the place, in pixels to the right and down.
    slope: [f32; 2],
}

impl GridSample {
    /// A place between -1 and 1 in pixels, and how many pixels 1 is.
    fn pixels(&self, place: f32, side: usize) -> (f32, f32) {
        let side = side as f32;
        if self.align_corners {
            ((place + 1.0) * 0.5 * (side - 1.0), 0.5 * (side - 1.0))
        } else {
            (((place + 1.0) * side - 1.0) * 0.5, 0.5 * side)
        }
    }

    /// The corners around a place, and how many pixels 1 is to the right and down.
    fn corners(&self, place: [f32; 2], sides: Sides) -> ([Corner; 4], [f32; 2]) {
        let (x, per_x) = self.pixels(place[0], sides.width);
        let (y, per_y) = self.pixels(place[1], sides.height);
        let (left, top) = (x.floor(), y.floor());
        let (right_share, bottom_share) = (x - left, y - top);
        let corner = |right: bool, bottom: bool| {
            let (column, row) = (left + f32::from(u8::from(right)), top + f32::from(u8::from(bottom)));
            let inside =
                column >= 0.0 && row >= 0.0 && column < sides.width as f32 && row < sides.height as f32;
            let (across, sign_x) = if right { (right_share, 1.0) } else { (1.0 - right_share, -1.0) };
            let (down, sign_y) = if bottom { (bottom_share, 1.0) } else { (1.0 - bottom_share, -1.0) };
            Corner {
                index: inside.then(|| row as usize * sides.width + column as usize),
                weight: across * down,
                slope: [sign_x * down, sign_y * across],
            }
        };
        let corners = [corner(false, false), corner(true, false), corner(false, true), corner(true, true)];
        (corners, [per_x, per_y])
    }
}

impl Op for GridSample {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let (image, grid) = (f32_at(inputs, 0)?, f32_at(inputs, 1)?);
        let sides = Sides::of(image, grid)?;
        let (plane, places) = (sides.height * sides.width, sides.rows * sides.columns);
        let mut made = Tensor::zeros(&[sides.images, sides.channels, sides.rows, sides.columns]);
        for (number, place) in grid.data().as_chunks::<2>().0.iter().enumerate() {
            let (of, at) = (number / places, number % places);
            let (corners, _) = self.corners(*place, sides);
            for channel in of * sides.channels..(of + 1) * sides.channels {
                let values = &image.data()[channel * plane..(channel + 1) * plane];
                let sum: f32 =
                    corners.iter().filter_map(|corner| Some(values[corner.index?] * corner.weight)).sum();
                made.data_mut()[channel * places + at] = sum;
            }
        }
        Ok((vec![made.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(gradient) = gradient(call) else { return Ok(()) };
        let (image, grid) = (f32_at(call.inputs, 0)?, f32_at(call.inputs, 1)?);
        let sides = Sides::of(image, grid)?;
        let (plane, places) = (sides.height * sides.width, sides.rows * sides.columns);
        let [to_image, to_grid] = sinks else { return Ok(()) };
        for (number, place) in grid.data().as_chunks::<2>().0.iter().enumerate() {
            let (of, at) = (number / places, number % places);
            let (corners, per_unit) = self.corners(*place, sides);
            let mut along = [0.0f32; 2];
            for channel in of * sides.channels..(of + 1) * sides.channels {
                let gradient = gradient.data()[channel * places + at];
                for corner in &corners {
                    let Some(index) = corner.index else { continue };
                    let index = channel * plane + index;
                    if let Some(sink) = to_image {
                        sink.data_mut()[index] += gradient * corner.weight;
                    }
                    for (along, slope) in along.iter_mut().zip(corner.slope) {
                        *along += gradient * slope * image.data()[index];
                    }
                }
            }
            if let Some(sink) = to_grid {
                for (axis, (along, per_unit)) in along.iter().zip(per_unit).enumerate() {
                    sink.data_mut()[2 * number + axis] += along * per_unit;
                }
            }
        }
        Ok(())
    }
}
