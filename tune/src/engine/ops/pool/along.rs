//! The windows of a pooling.

use crate::engine::ops::window::{Padding, Window};
use crate::engine::{Context, OpError};

/// Windows of rows and columns.
#[derive(Debug)]
pub(super) struct Windows {
    window: Window,
    kernel: [usize; 2],
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
        let window = Window::read(context.node)?;
        let kernel = window.kernel.ok_or("expected a kernel_shape, found none")?;
        let (spans, strides) = ([0, 1].map(|side| window.span(side, kernel)), window.strides);
        if matches!(window.padding, Padding::Same { .. }) && (spans[0] < strides[0] || spans[1] < strides[1])
        {
            return Err(format!(
                "expected windows of at least the stride {strides:?} with auto_pad, found {spans:?}"
            ));
        }
        Ok(Self { window, kernel, ceil: context.int("ceil_mode", 0) != 0 })
    }

    /// Planes (images by channels), and the windows over rows and over columns, of an input of sides [N, C, H, W].
    pub(super) fn over(&self, dims: &[usize]) -> Result<(usize, [Along; 2]), OpError> {
        let [images, channels, height, width] = *dims else {
            return Err(OpError::new(format!("expected sides [N, C, H, W], found {dims:?}")));
        };
        Ok((images * channels, [self.along(0, height)?, self.along(1, width)?]))
    }

    fn along(&self, side: usize, input: usize) -> Result<Along, OpError> {
        let Self { window, kernel, ceil } = self;
        let [before, behind] = window.border(side, *kernel, input);
        let (free, stride) = (window.free(side, *kernel, input)?, window.strides[side]);
        let mut output = if *ceil { free.div_ceil(stride) } else { free / stride } + 1;
        // no window lies in the border behind alone
        if *ceil && (output - 1) * stride >= input + before {
            output -= 1;
        }
        let (kernel, dilation) = (kernel[side], window.dilations[side]);
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
