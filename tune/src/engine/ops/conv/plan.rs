//! Where the elements of a convolution lie, so that each tap of its kernel reads whole rows.
//!
//! With stride 1, the output's element `(y, x)` needs the padded image's elements `(y + ky, x + kx)`. In an image whose rows
//! are `pitch` elements apart, that is the flat position `y · pitch + x`, shifted by `ky · pitch + kx` for each tap: all
//! outputs at once are a sum of shifted copies of the flat image. What comes out between one row's last output and the
//! next row's first is left away.
//!
//! With stride `s`, the padded image is split into its `s · s` phases, the images of every `s`th element: each tap reads
//! one phase, there with stride 1.

use crate::engine::OpError;
use crate::engine::ops::window::Window;
use crate::tensor::Tensor;

/// The lie of one convolution; sides are height and width.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) groups: usize,
    /// Channels of the image in each group.
    pub(super) channels: usize,
    /// Channels of the output in each group.
    pub(super) filters: usize,
    pub(super) image: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) strides: [usize; 2],
    /// Zeros before the image's rows and columns.
    pub(super) before: [usize; 2],
    /// First row and column of each phase that some tap reads.
    pub(super) phases: Vec<[usize; 2]>,
    /// In the order of the kernel's weights.
    pub(super) taps: Vec<Tap>,
    /// From one row of a phase to the next.
    pub(super) pitch: usize,
    /// Of a phase.
    pub(super) rows: usize,
}

/// One weight's place in a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    /// Index in [`Plan::phases`].
    pub(super) phase: usize,
    /// Where in the phase it finds what the first output needs.
    pub(super) offset: usize,
}

/// Numbers in a layout of a [`Plan`].
#[derive(Debug)]
pub(super) enum Layout<'a> {
    /// The tensor has it already.
    AsIs(&'a [f32]),
    /// A copy.
    Copy(Tensor),
}

impl Layout<'_> {
    pub(super) fn data(&self) -> &[f32] {
        match self {
            Self::AsIs(data) => data,
            Self::Copy(tensor) => tensor.data(),
        }
    }
}

impl Plan {
    /// Of the convolution of an image of `channels` (of all groups), giving as many as `filters`.
    ///
    /// # Errors
    /// The channels cannot be divided into groups, or the image is smaller than the kernel.
    pub(super) fn new(
        window: &Window,
        (channels, filters): (usize, usize),
        image: [usize; 2],
        kernel: [usize; 2],
    ) -> Result<Self, OpError> {
        let mut before = [0, 0];
        let mut output = [0, 0];
        for side in 0..2 {
            [before[side], _] = window.border(side, kernel, image[side]);
            output[side] = window.free(side, kernel, image[side])? / window.strides[side] + 1;
        }
        Self::with_output(window, (channels, filters), (image, output), before, kernel)
    }

    /// The same with the output's sides and the padding before each side known.
    ///
    /// # Errors
    /// The channels cannot be divided into groups, or a side is 0.
    pub(super) fn with_output(
        window: &Window,
        (channels, filters): (usize, usize),
        (image, output): ([usize; 2], [usize; 2]),
        before: [usize; 2],
        kernel: [usize; 2],
    ) -> Result<Self, OpError> {
        let groups = window.groups;
        if !channels.is_multiple_of(groups)
            || !filters.is_multiple_of(groups)
            || channels == 0
            || filters == 0
        {
            return Err(OpError::new(format!(
                "expected channels of {groups} even groups, found {channels} that become {filters}"
            )));
        }
        if image.contains(&0) || output.contains(&0) {
            return Err(OpError::new(format!(
                "expected an image, found one of sides {image:?} that gives {output:?}"
            )));
        }
        let Window { strides, dilations, .. } = *window;
        let reach = |side: usize| (kernel[side] - 1) * dilations[side] / strides[side];
        let (rows, pitch) = (output[0] + reach(0), output[1] + reach(1));
        let mut phases = Vec::new();
        let mut taps = Vec::with_capacity(kernel[0] * kernel[1]);
        for ky in 0..kernel[0] {
            for kx in 0..kernel[1] {
                let (y, x) = (ky * dilations[0], kx * dilations[1]);
                let phase = [y % strides[0], x % strides[1]];
                let index = phases.iter().position(|known| *known == phase).unwrap_or_else(|| {
                    phases.push(phase);
                    phases.len() - 1
                });
                taps.push(Tap { phase: index, offset: y / strides[0] * pitch + x / strides[1] });
            }
        }
        let (channels, filters) = (channels / groups, filters / groups);
        Ok(Self { groups, channels, filters, image, output, strides, before, phases, taps, pitch, rows })
    }

    /// Elements of a phase.
    pub(super) fn plane(&self) -> usize {
        self.rows * self.pitch
    }

    /// From the first flat position of an output to behind the last.
    pub(super) fn width(&self) -> usize {
        (self.output[0] - 1) * self.pitch + self.output[1]
    }

    /// Where in a group's phases each weight of a filter finds what the first output needs; in the weights' order.
    pub(super) fn offsets(&self) -> Vec<usize> {
        let plane = self.plane();
        let channels = (0..self.channels).map(|channel| channel * self.phases.len() * plane);
        channels.flat_map(|at| self.taps.iter().map(move |tap| at + tap.phase * plane + tap.offset)).collect()
    }

    /// The furthest that a tap reaches; as many zeros stand before each channel of [`Plan::gradient`].
    pub(super) fn lead(&self) -> usize {
        self.taps.iter().map(|tap| tap.offset).max().unwrap_or(0)
    }

    /// Rows of an image (`side` 0) or columns (1) that `phase` holds: the phase's numbers of the first and behind the last.
    pub(super) fn inside(&self, phase: [usize; 2], side: usize) -> (usize, usize) {
        let (stride, before) = (self.strides[side], self.before[side]);
        let count = if side == 0 { self.rows } else { self.pitch };
        let first = before.saturating_sub(phase[side]).div_ceil(stride);
        let end = (self.image[side] + before).saturating_sub(phase[side]).div_ceil(stride).min(count);
        (first.min(end), end)
    }

    /// The padded image, taken apart into phases: channel by channel, in each phase by phase.
    pub(super) fn phases<'a>(&self, image: &'a [f32]) -> Layout<'a> {
        let [height, width] = self.image;
        if self.strides == [1, 1] && self.before == [0, 0] && self.rows == height && self.pitch == width {
            return Layout::AsIs(image);
        }
        let (plane, count) = (self.plane(), self.groups * self.channels);
        let mut tensor = Tensor::scratch(&[count, self.phases.len(), plane]);
        let channels = image.chunks_exact(height * width);
        for (channel, planes) in channels.zip(tensor.data_mut().chunks_exact_mut(self.phases.len() * plane)) {
            for (phase, plane) in self.phases.iter().zip(planes.chunks_exact_mut(plane)) {
                self.fill(channel, *phase, plane);
            }
        }
        Layout::Copy(tensor)
    }

    fn fill(&self, channel: &[f32], phase: [usize; 2], plane: &mut [f32]) {
        let (top, bottom) = self.inside(phase, 0);
        let (left, right) = self.inside(phase, 1);
        let stride = self.strides[1];
        for (row, out) in plane.chunks_exact_mut(self.pitch).enumerate() {
            if row < top || row >= bottom {
                out.fill(0.0);
                continue;
            }
            let y = row * self.strides[0] + phase[0] - self.before[0];
            let image = &channel[y * self.image[1]..(y + 1) * self.image[1]];
            out[..left].fill(0.0);
            out[right..].fill(0.0);
            let out = &mut out[left..right];
            let image =
                if out.is_empty() { image } else { &image[left * stride + phase[1] - self.before[1]..] };
            if stride == 1 {
                out.copy_from_slice(&image[..out.len()]);
            } else {
                for (out, value) in out.iter_mut().zip(image.iter().step_by(stride)) {
                    *out = *value;
                }
            }
        }
    }

    /// From one channel of [`Plan::gradient`] to the next.
    pub(super) fn gradient_stride(&self) -> usize {
        self.lead() + self.plane()
    }

    /// The gradient by the output at the outputs' flat positions, [`Plan::lead`] zeros before each channel and zeros
    /// wherever there is no output.
    pub(super) fn gradient<'a>(&self, gradient: &'a [f32]) -> Layout<'a> {
        let [height, width] = self.output;
        let lead = self.lead();
        if lead == 0 && self.pitch == width {
            return Layout::AsIs(gradient);
        }
        let stride = self.gradient_stride();
        let mut tensor = Tensor::zeros(&[self.groups * self.filters, stride]);
        for (channel, out) in
            gradient.chunks_exact(height * width).zip(tensor.data_mut().chunks_exact_mut(stride))
        {
            for (row, out) in channel.chunks_exact(width).zip(out[lead..].chunks_exact_mut(self.pitch)) {
                out[..width].copy_from_slice(row);
            }
        }
        Layout::Copy(tensor)
    }
}
