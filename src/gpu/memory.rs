//! Memory of the GPU, and memory of the host that the GPU reads and writes by itself.
#![allow(unsafe_code, reason = "the driver hands out memory as addresses")]

use std::ffi::c_void;
use std::sync::Arc;

use cudarc::driver::{CudaContext, result, sys};

use super::GpuError;
use super::error::During;
use super::turns::with_others;

/// Bytes on the GPU. Freed with the value.
#[derive(Debug)]
pub(crate) struct DeviceBuffer {
    address: sys::CUdeviceptr,
    bytes: usize,
    context: Arc<CudaContext>,
}

impl DeviceBuffer {
    /// `bytes` on the GPU, at least one, all zero.
    pub(super) fn new(context: &Arc<CudaContext>, bytes: usize) -> Result<Self, GpuError> {
        let bytes = bytes.max(1);
        context.bind_to_thread().during("using the GPU's context")?;
        // SAFETY: the address is kept in `self` and freed once, on drop.
        let address = unsafe { result::malloc_sync(bytes) }.during("allocating GPU memory")?;
        let buffer = Self { address, bytes, context: Arc::clone(context) };
        // SAFETY: the range is the one just allocated.
        unsafe { result::memset_d8_sync(address, 0, bytes) }.during("clearing GPU memory")?;
        Ok(buffer)
    }

    /// Where it lies in the GPU's address space.
    pub(crate) fn address(&self) -> u64 {
        self.address
    }

    /// The address `offset` bytes in, where `length` bytes fit from there.
    pub(crate) fn at(&self, offset: usize, length: usize) -> Option<u64> {
        let end = offset.checked_add(length)?;
        (end <= self.bytes).then_some(self.address + offset as u64)
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        let _turn = with_others();
        let _ = self.context.bind_to_thread();
        // SAFETY: allocated in `new`, freed only here.
        let freed = unsafe { result::free_sync(self.address) };
        if let Err(error) = freed {
            tracing::warn!("GPU memory could not be freed: {error}");
        }
    }
}

/// Bytes of the host that are locked in memory, so that the GPU copies them without the CPU.
#[derive(Debug)]
pub(crate) struct PinnedBuffer {
    data: *mut u8,
    bytes: usize,
    context: Arc<CudaContext>,
}

// SAFETY: the memory belongs to this value alone, and any thread may touch it.
unsafe impl Send for PinnedBuffer {}

impl PinnedBuffer {
    /// `bytes` of locked memory, at least one, all zero.
    pub(super) fn new(context: &Arc<CudaContext>, bytes: usize) -> Result<Self, GpuError> {
        let bytes = bytes.max(1);
        context.bind_to_thread().during("using the GPU's context")?;
        // SAFETY: the address is kept in `self` and freed once, on drop.
        let data = unsafe { result::malloc_host(bytes, 0) }.during("allocating locked memory")?.cast::<u8>();
        // SAFETY: `bytes` bytes were allocated at `data`.
        unsafe { data.write_bytes(0, bytes) };
        Ok(Self { data, bytes, context: Arc::clone(context) })
    }

    /// The bytes. While the GPU copies to or from them they must be left alone: [`Gpu::wait`](super::Gpu::wait) first.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: allocated and initialised in `new`.
        unsafe { std::slice::from_raw_parts(self.data, self.bytes) }
    }

    /// The bytes, to be written; see [`bytes`](Self::bytes).
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: allocated and initialised in `new`; `self` is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.data, self.bytes) }
    }

    /// The first `count` floats from byte `offset` on, which is a multiple of 4; fewer where the buffer ends.
    pub(crate) fn floats(&self, offset: usize, count: usize) -> &[f32] {
        let bytes = self.bytes().get(offset..).unwrap_or_default();
        // SAFETY: every bit pattern is a float; `align_to` splits off what is not aligned, and the driver's allocations
        // are aligned to pages.
        let (_, floats, _) = unsafe { bytes.align_to::<f32>() };
        floats.get(..count.min(floats.len())).unwrap_or_default()
    }

    /// As [`floats`](Self::floats), as unsigned integers.
    pub(crate) fn words(&self, offset: usize, count: usize) -> &[u32] {
        let bytes = self.bytes().get(offset..).unwrap_or_default();
        // SAFETY: as for floats.
        let (_, words, _) = unsafe { bytes.align_to::<u32>() };
        words.get(..count.min(words.len())).unwrap_or_default()
    }
}

impl Drop for PinnedBuffer {
    fn drop(&mut self) {
        let _turn = with_others();
        let _ = self.context.bind_to_thread();
        // SAFETY: allocated in `new`, freed only here.
        let freed = unsafe { result::free_host(self.data.cast::<c_void>()) };
        if let Err(error) = freed {
            tracing::warn!("locked memory could not be freed: {error}");
        }
    }
}
