//! Our kernels and their parameters, laid out as in `kernels.cu`.

use std::sync::Arc;

use cudarc::driver::{CudaContext, CudaFunction};
use cudarc::nvrtc::Ptx;

use super::GpuError;
use super::error::During;

/// Blocks of rows that one launch can pick from; as many as the structure in `kernels.cu` has.
pub(crate) const MAX_BLOCKS: usize = 8;

/// The kernels, loaded.
#[derive(Debug)]
pub(crate) struct Kernels {
    pub(super) prepare: CudaFunction,
    pub(super) pick: CudaFunction,
}

impl Kernels {
    pub(super) fn load(context: &Arc<CudaContext>, code: Vec<u8>) -> Result<Self, GpuError> {
        let module = context.load_module(Ptx::from_binary(code)).during("loading the kernels")?;
        Ok(Self {
            prepare: module.load_function("prepare").during("loading the kernel `prepare`")?,
            pick: module.load_function("pick").during("loading the kernel `pick`")?,
        })
    }
}

/// Which source pixels one column or row of the resized image is made of.
///
/// [`ResizeKind::Linear`]: pixels `first` and `count` with 11-bit weights `weight_a` and `weight_b`.
/// [`ResizeKind::Area`]: `count` pixels from `first` on, with weights from place `weight_a` of the list on.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tap {
    pub(crate) first: i32,
    pub(crate) count: i32,
    pub(crate) weight_a: i32,
    pub(crate) weight_b: i32,
}

/// How the image is resized.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResizeKind {
    /// Not at all.
    None = 0,
    /// Bilinear.
    Linear = 1,
    /// The mean of the covered area.
    Area = 2,
    /// To exactly half of both sides: means of four pixels.
    Halve = 3,
}

/// From an image to an input tensor. Addresses are the GPU's.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct PrepareParameters {
    pub(crate) source: u64,
    pub(crate) columns: u64,
    pub(crate) rows: u64,
    pub(crate) column_weights: u64,
    pub(crate) row_weights: u64,
    pub(crate) target: u64,
    /// Counters to set to zero, or 0.
    pub(crate) header: u64,
    /// Bytes from one row of the source to the next.
    pub(crate) step: u64,
    pub(crate) channels: i32,
    pub(crate) resize: ResizeKind,
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) left: i32,
    pub(crate) top: i32,
    pub(crate) input_width: i32,
    pub(crate) input_height: i32,
    /// 1 for `(height, width, 3)`, 0 for `(3, height, width)`.
    pub(crate) interleaved: i32,
    /// 1 for float16, 0 for float32.
    pub(crate) half_precision: i32,
    /// The source's channel for each of the tensor's.
    pub(crate) order: [i32; 3],
    pub(crate) scale: [f32; 3],
    pub(crate) offset: [f32; 3],
    pub(crate) pad: [f32; 3],
}

impl PrepareParameters {
    pub(super) fn input_size(&self) -> (u32, u32) {
        (self.input_width.max(1) as u32, self.input_height.max(1) as u32)
    }
}

/// A matrix inside an output: element (row, column) lies `row * row_stride + column * column_stride` elements in.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Strided {
    /// On the GPU; 0 for none.
    pub(crate) data: u64,
    pub(crate) row_stride: u64,
    pub(crate) column_stride: u64,
    pub(crate) columns: i32,
    /// 1 for float16, 0 for float32.
    pub(crate) half_precision: i32,
}

/// Rows of boxes with their scores.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Block {
    pub(crate) scores: Strided,
    pub(crate) boxes: Strided,
    pub(crate) objectness: Strided,
    pub(crate) rows: i32,
    /// Number of the first row.
    pub(crate) first_row: i32,
}

/// Which rows of the outputs may hold an object.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct PickParameters {
    pub(crate) blocks: [Block; MAX_BLOCKS],
    pub(crate) header: u64,
    pub(crate) records: u64,
    /// Records that fit.
    pub(crate) capacity: u32,
    /// Floats per record.
    pub(crate) record_length: i32,
    /// Floats of a record for scores.
    pub(crate) score_columns: i32,
    /// The lowest raw value that matters.
    pub(crate) threshold: f32,
}

impl PickParameters {
    pub(super) fn blocks(&self) -> u32 {
        self.blocks.iter().filter(|block| block.rows > 0).count() as u32
    }

    pub(super) fn longest_block(&self) -> u32 {
        self.blocks.iter().map(|block| block.rows.max(0) as u32).max().unwrap_or(0)
    }
}
