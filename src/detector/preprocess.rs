//! From an image to the model's input tensor.
//!
//! The image is resized as it lies, in its own channel order, with OpenCV into a reused buffer; one pass then turns the
//! bytes into normalised floats and puts the channels in the model's order. Padding is written once per image size.

use std::ffi::c_void;

use opencv::core::{CV_8UC1, CV_8UC3, CV_8UC4, Mat, Size};
use opencv::imgproc;
use opencv::prelude::*;

use super::fit::Fit;
use super::manifest::{Colour, InputSpec, Interpolation, Layout};
use super::normalise::{Normalisation, Planes};
use super::{DetectorError, normalise};
use crate::image::{ChannelOrder, PixelView};

/// Turns images into input tensors, with reused buffers.
pub struct Preprocessor {
    input: InputSpec,
    normalisation: Normalisation,
    resized: Mat,
    /// How the tensor was last filled; its padding is right for this.
    padded_for: Option<Fit>,
}

impl std::fmt::Debug for Preprocessor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Preprocessor")
            .field("input", &self.input)
            .field("padded_for", &self.padded_for)
            .finish_non_exhaustive()
    }
}

impl Preprocessor {
    /// A preprocessor for a (validated) input description.
    #[must_use]
    pub fn new(input: &InputSpec) -> Self {
        Self {
            normalisation: Normalisation::new(input.mean, input.std),
            input: input.clone(),
            resized: Mat::default(),
            padded_for: None,
        }
    }

    /// Number of floats in the tensor.
    #[must_use]
    pub fn tensor_len(&self) -> usize {
        3 * self.input.width as usize * self.input.height as usize
    }

    /// Fills `tensor`, the input of shape `(1, 3, height, width)` or `(1, height, width, 3)`, from the image.
    ///
    /// The padding is written only when the image's size changes, so `tensor` has to be the same one from call to
    /// call; [`forget_padding`](Self::forget_padding) allows for another one.
    ///
    /// # Errors
    /// [`DetectorError::Preprocess`] where the tensor has another length than [`tensor_len`](Self::tensor_len), or
    /// OpenCV fails.
    pub fn run(&mut self, image: &PixelView<'_>, tensor: &mut [f32]) -> Result<Fit, DetectorError> {
        let fit = Fit::new(&self.input, image.width(), image.height());
        self.fill(image, &fit, tensor).map_err(|message| DetectorError::Preprocess {
            width: image.width(),
            height: image.height(),
            message,
        })?;
        Ok(fit)
    }

    /// Makes the next [`run`](Self::run) write the padding again.
    pub fn forget_padding(&mut self) {
        self.padded_for = None;
    }

    fn fill(&mut self, image: &PixelView<'_>, fit: &Fit, tensor: &mut [f32]) -> Result<(), String> {
        if tensor.len() != self.tensor_len() {
            return Err(format!("expected a tensor of {} floats, found {}", self.tensor_len(), tensor.len()));
        }
        if self.padded_for != Some(*fit) {
            self.pad(tensor);
            self.padded_for = Some(*fit);
        }
        let (width, height) = fit.size();
        let row_bytes = width as usize * image.order().channels();
        if (width, height) == fit.source_size() {
            let rows = image.data().chunks(image.step()).take(height as usize);
            self.convert(image.order(), fit, rows.filter_map(|row| row.get(..row_bytes)), tensor);
            return Ok(());
        }
        resize(image, width, height, self.input.interpolation, &mut self.resized)
            .map_err(|error| format!("OpenCV cannot resize it to {width}x{height}: {}", error.message))?;
        let bytes = self.resized.data_bytes().map_err(|error| error.message)?;
        self.convert(image.order(), fit, bytes.chunks_exact(row_bytes), tensor);
        Ok(())
    }

    fn pad(&self, tensor: &mut [f32]) {
        let grey = self.normalisation.of_grey(self.input.pad_value);
        match self.input.layout {
            Layout::Nchw => {
                let plane = tensor.len() / 3;
                for (plane, value) in tensor.chunks_exact_mut(plane.max(1)).zip(grey) {
                    plane.fill(value);
                }
            }
            Layout::Nhwc => {
                for pixel in tensor.as_chunks_mut::<3>().0 {
                    *pixel = grey;
                }
            }
        }
    }

    /// Normalises rows of resized pixels into their place in the tensor.
    fn convert<'a>(
        &self,
        order: ChannelOrder,
        fit: &Fit,
        rows: impl Iterator<Item = &'a [u8]>,
        tensor: &mut [f32],
    ) {
        let (in_width, in_height) = (self.input.width as usize, self.input.height as usize);
        let (left, top) = fit.origin();
        let (left, top, width) = (left as usize, top as usize, fit.size().0 as usize);
        let row_of = normalise::row_function(order, self.input.colour == Colour::Rgb, self.input.layout);
        match self.input.layout {
            Layout::Nchw => {
                let (first, rest) = tensor.split_at_mut(in_width * in_height);
                let (second, third) = rest.split_at_mut(in_width * in_height);
                let planes = first
                    .chunks_exact_mut(in_width)
                    .zip(second.chunks_exact_mut(in_width))
                    .zip(third.chunks_exact_mut(in_width))
                    .skip(top);
                for (((first, second), third), row) in planes.zip(rows) {
                    let parts = [first, second, third].map(|line| line.get_mut(left..left + width));
                    if let [Some(first), Some(second), Some(third)] = parts {
                        row_of(row, Planes { first, second, third }, &self.normalisation);
                    }
                }
            }
            Layout::Nhwc => {
                for (line, row) in tensor.chunks_exact_mut(in_width * 3).skip(top).zip(rows) {
                    if let Some(first) = line.get_mut(left * 3..(left + width) * 3) {
                        row_of(row, Planes { first, second: &mut [], third: &mut [] }, &self.normalisation);
                    }
                }
            }
        }
    }
}

fn resize(
    image: &PixelView<'_>,
    width: u32,
    height: u32,
    interpolation: Interpolation,
    target: &mut Mat,
) -> opencv::Result<()> {
    let shrinks = width <= image.width() && height <= image.height();
    let method = if shrinks && interpolation == Interpolation::Area {
        imgproc::INTER_AREA
    } else {
        imgproc::INTER_LINEAR
    };
    let size = Size::new(whole(width)?, whole(height)?);
    imgproc::resize(&borrow(image)?, target, size, 0.0, 0.0, method)
}

/// An OpenCV matrix over the view's own bytes. It must not outlive them, and nobody may write to it.
#[allow(unsafe_code, reason = "OpenCV has no safe constructor over borrowed rows with padding")]
fn borrow(image: &PixelView<'_>) -> opencv::Result<Mat> {
    let kind = match image.order().channels() {
        1 => CV_8UC1,
        3 => CV_8UC3,
        _ => CV_8UC4,
    };
    let (rows, columns) = (whole(image.height())?, whole(image.width())?);
    let data = image.data().as_ptr().cast_mut().cast::<c_void>();
    // SAFETY: `PixelView` is built only where `data` holds `rows` rows of `step` bytes, each with room for `columns`
    // pixels of this type (the last row may lack its padding, which OpenCV never reads). The only caller, `resize`,
    // passes the matrix on as an input, which OpenCV does not write to, and drops it while the view is alive.
    unsafe { Mat::new_rows_cols_with_data_unsafe(rows, columns, kind, data, image.step()) }
}

fn whole(side: u32) -> opencv::Result<i32> {
    i32::try_from(side)
        .map_err(|_| opencv::Error::new(opencv::core::StsOutOfRange, format!("a side of {side} pixels")))
}

#[cfg(test)]
mod tests;
