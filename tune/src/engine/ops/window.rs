//! Windows that pass over an image.

use super::attributes::size;
use crate::engine::{Context, OpError};

/// How the border is filled up.
#[derive(Debug, Clone, Copy)]
enum Padding {
    /// Before and behind.
    Given { before: usize, behind: usize },
    /// So that as many windows fit as the stride goes into the side; an odd element goes behind.
    SameUpper,
    /// As before, but an odd element goes before.
    SameLower,
}

/// Along one side of an image.
#[derive(Debug, Clone, Copy)]
struct Side {
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: Padding,
}

/// Windows of rows and columns.
#[derive(Debug)]
pub(super) struct Windows {
    sides: [Side; 2],
    ceil: bool,
}

/// Windows over a side of known length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Along {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    pub(super) before: usize,
    /// Elements of the border behind.
    pub(super) behind: usize,
}

impl Windows {
    /// Of the node's attributes.
    ///
    /// # Errors
    /// They are not of two sides, or make no sense.
    pub(super) fn of(context: &Context<'_>) -> Result<Self, String> {
        let kernel = context.ints("kernel_shape").unwrap_or_default();
        let read = |name: &str, default: usize, count: usize| -> Result<Vec<usize>, String> {
            let values = context.ints(name).map(|values| {
                values.iter().map(|value| size(*value, name)).collect::<Result<Vec<_>, OpError>>()
            });
            let values = values.transpose().map_err(|error| error.0)?;
            let values = values.filter(|values| !values.is_empty()).unwrap_or_else(|| vec![default; count]);
            if values.len() == count {
                Ok(values)
            } else {
                Err(format!("expected {name} of {count} numbers, found {}", values.len()))
            }
        };
        if kernel.len() != 2 {
            return Err(format!("expected windows of 2 sides, found {}", kernel.len()));
        }
        let kernel = read("kernel_shape", 1, 2)?;
        let strides = read("strides", 1, 2)?;
        let dilations = read("dilations", 1, 2)?;
        let pads = read("pads", 0, 4)?;
        if [&kernel, &strides, &dilations].iter().any(|values| values.contains(&0)) {
            return Err("expected kernel_shape, strides and dilations of at least 1, found 0".to_owned());
        }
        let side = |axis: usize| -> Result<Side, String> {
            let padding = match context.text("auto_pad", "NOTSET") {
                "NOTSET" => Padding::Given { before: pads[axis], behind: pads[axis + 2] },
                "VALID" => Padding::Given { before: 0, behind: 0 },
                "SAME_UPPER" => Padding::SameUpper,
                "SAME_LOWER" => Padding::SameLower,
                other => return Err(format!("expected a known auto_pad, found {other}")),
            };
            let span = (kernel[axis] - 1) * dilations[axis] + 1;
            if matches!(padding, Padding::SameUpper | Padding::SameLower) && span < strides[axis] {
                return Err(format!(
                    "expected windows of at least the stride {} with auto_pad, found {span}",
                    strides[axis]
                ));
            }
            Ok(Side { kernel: kernel[axis], stride: strides[axis], dilation: dilations[axis], padding })
        };
        Ok(Self { sides: [side(0)?, side(1)?], ceil: context.int("ceil_mode", 0) != 0 })
    }

    /// Planes (images by channels), and the windows over rows and over columns, of an input of sides [N, C, H, W].
    pub(super) fn over(&self, dims: &[usize]) -> Result<(usize, [Along; 2]), OpError> {
        let [images, channels, height, width] = *dims else {
            return Err(OpError::new(format!("expected sides [N, C, H, W], found {dims:?}")));
        };
        let [rows, columns] = self.sides;
        Ok((images * channels, [rows.along(height, self.ceil)?, columns.along(width, self.ceil)?]))
    }
}

impl Side {
    fn along(self, input: usize, ceil: bool) -> Result<Along, OpError> {
        let Self { kernel, stride, dilation, padding } = self;
        let span = (kernel - 1) * dilation + 1;
        let (before, behind) = match padding {
            Padding::Given { before, behind } => (before, behind),
            Padding::SameUpper | Padding::SameLower => {
                let missing = ((input.div_ceil(stride).max(1) - 1) * stride + span).saturating_sub(input);
                let less = missing / 2;
                if matches!(padding, Padding::SameUpper) {
                    (less, missing - less)
                } else {
                    (missing - less, less)
                }
            }
        };
        let free = (input + before + behind).checked_sub(span).ok_or_else(|| {
            OpError::new(format!("expected a side of at least {span} with its border, found {input}"))
        })?;
        let mut output = if ceil { free.div_ceil(stride) } else { free / stride } + 1;
        // no window lies in the border behind alone
        if ceil && (output - 1) * stride >= input + before {
            output -= 1;
        }
        Ok(Along { input, output, kernel, stride, dilation, before, behind })
    }
}

impl Along {
    /// The place in the input of element `tap` of window `window`; `None` in the border.
    pub(super) fn place(&self, window: usize, tap: usize) -> Option<usize> {
        (window * self.stride + tap * self.dilation)
            .checked_sub(self.before)
            .filter(|place| *place < self.input)
    }

    /// The windows whose element `tap` lies in the input.
    pub(super) fn inside(&self, tap: usize) -> std::ops::Range<usize> {
        let shift = tap * self.dilation;
        let first = self.before.saturating_sub(shift).div_ceil(self.stride);
        let end = (self.input + self.before).saturating_sub(shift).div_ceil(self.stride);
        first.min(self.output)..end.min(self.output).max(first.min(self.output))
    }

    /// Elements of a window that are in the input, or with the border in both.
    pub(super) fn count(&self, window: usize, border: bool) -> usize {
        let end = if border { self.before + self.input + self.behind } else { self.before + self.input };
        let start = if border { 0 } else { self.before };
        let taps = (0..self.kernel).map(|tap| window * self.stride + tap * self.dilation);
        taps.filter(|place| (start..end).contains(place)).count()
    }
}
