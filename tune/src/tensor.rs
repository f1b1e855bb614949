//! Dense tensors, and the memory that they are made of.
//!
//! A step of training makes and drops the same tensors again and again; a thread keeps the memory of those that it dropped
//! for the next, so that none of it is asked from and given back to the system each time.

use std::cell::RefCell;
use std::collections::HashMap;

/// Sides of a tensor, outermost first.
pub type Dims = smallvec::SmallVec<[usize; 6]>;

/// A float32 tensor, row-major.
#[derive(Debug, PartialEq)]
pub struct Tensor {
    dims: Dims,
    data: Vec<f32>,
}

/// An int64 tensor, row-major; truth values are 0 and 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntTensor {
    /// Its sides.
    pub dims: Dims,
    /// Its elements.
    pub data: Vec<i64>,
}

/// What flows through a graph.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Numbers; gradients flow back through these alone.
    F32(Tensor),
    /// Shapes, indices, truth values.
    I64(IntTensor),
}

/// A borrowed [`Value`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    /// Numbers.
    F32(&'a Tensor),
    /// Shapes, indices, truth values.
    I64(&'a IntTensor),
}

/// Memory that a thread keeps, in elements.
const KEPT: usize = 1 << 28;

#[derive(Default)]
struct Pool {
    free: HashMap<usize, Vec<Vec<f32>>>,
    kept: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

fn take(length: usize) -> Option<Vec<f32>> {
    POOL.with_borrow_mut(|pool| {
        let data = pool.free.get_mut(&length)?.pop()?;
        pool.kept -= length;
        Some(data)
    })
}

impl Tensor {
    /// All zero.
    #[must_use]
    pub fn zeros(dims: &[usize]) -> Self {
        let mut tensor = Self::scratch(dims);
        tensor.data.fill(0.0);
        tensor
    }

    /// With elements of no particular value, to be written over.
    #[must_use]
    pub fn scratch(dims: &[usize]) -> Self {
        let length = dims.iter().product();
        Self { dims: Dims::from_slice(dims), data: take(length).unwrap_or_else(|| vec![0.0; length]) }
    }

    /// With these elements; `None` if there are more or fewer than `dims` says.
    #[must_use]
    pub fn new(dims: &[usize], data: Vec<f32>) -> Option<Self> {
        (dims.iter().product::<usize>() == data.len()).then(|| Self { dims: Dims::from_slice(dims), data })
    }

    /// With each element made of its index.
    #[must_use]
    pub fn from_fn(dims: &[usize], mut element: impl FnMut(usize) -> f32) -> Self {
        let mut tensor = Self::scratch(dims);
        for (index, value) in tensor.data.iter_mut().enumerate() {
            *value = element(index);
        }
        tensor
    }

    /// The same elements under other sides; `None` if those say another number of elements.
    #[must_use]
    pub fn reshaped(&self, dims: &[usize]) -> Option<Self> {
        (dims.iter().product::<usize>() == self.data.len()).then(|| {
            let mut tensor = Self::scratch(dims);
            tensor.data.copy_from_slice(&self.data);
            tensor
        })
    }

    /// Its sides.
    #[must_use]
    pub fn dims(&self) -> &[usize] {
        &self.dims
    }

    /// Side `axis`; 1 beyond the last.
    #[must_use]
    pub fn dim(&self, axis: usize) -> usize {
        self.dims.get(axis).copied().unwrap_or(1)
    }

    /// Number of its elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether it has no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Its elements.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Its elements, to change.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Adds another of as many elements.
    pub fn add(&mut self, other: &Self) {
        debug_assert_eq!(self.len(), other.len());
        for (sum, value) in self.data.iter_mut().zip(&other.data) {
            *sum += value;
        }
    }
}

impl Clone for Tensor {
    fn clone(&self) -> Self {
        let mut tensor = Self::scratch(&self.dims);
        tensor.data.copy_from_slice(&self.data);
        tensor
    }
}

impl Drop for Tensor {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        let length = data.len();
        if length == 0 {
            return;
        }
        // not while the thread ends
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.kept + length <= KEPT {
                pool.kept += length;
                pool.free.entry(length).or_default().push(data);
            }
        });
    }
}

impl IntTensor {
    /// With these elements; `None` if there are more or fewer than `dims` says.
    #[must_use]
    pub fn new(dims: &[usize], data: Vec<i64>) -> Option<Self> {
        (dims.iter().product::<usize>() == data.len()).then(|| Self { dims: Dims::from_slice(dims), data })
    }
}

impl Value {
    /// It, borrowed.
    #[must_use]
    pub fn borrowed(&self) -> ValueRef<'_> {
        match self {
            Self::F32(tensor) => ValueRef::F32(tensor),
            Self::I64(tensor) => ValueRef::I64(tensor),
        }
    }

    /// The tensor of numbers, if it is one.
    #[must_use]
    pub fn as_f32(&self) -> Option<&Tensor> {
        match self {
            Self::F32(tensor) => Some(tensor),
            Self::I64(_) => None,
        }
    }
}

impl<'a> ValueRef<'a> {
    /// Its sides.
    #[must_use]
    pub fn dims(self) -> &'a [usize] {
        match self {
            Self::F32(tensor) => tensor.dims(),
            Self::I64(tensor) => &tensor.dims,
        }
    }

    /// The tensor of numbers, if it is one.
    #[must_use]
    pub fn as_f32(self) -> Option<&'a Tensor> {
        match self {
            Self::F32(tensor) => Some(tensor),
            Self::I64(_) => None,
        }
    }

    /// The tensor of integers, if it is one.
    #[must_use]
    pub fn as_i64(self) -> Option<&'a IntTensor> {
        match self {
            Self::I64(tensor) => Some(tensor),
            Self::F32(_) => None,
        }
    }
}

impl From<Tensor> for Value {
    fn from(tensor: Tensor) -> Self {
        Self::F32(tensor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_again_holds_nothing_of_before() {
        drop(Tensor::from_fn(&[2, 3], |index| index as f32));
        assert_eq!(Tensor::zeros(&[3, 2]).data(), [0.0; 6]);
        assert_eq!(Tensor::new(&[2, 2], vec![0.0; 3]), None);
        assert_eq!(Tensor::scratch(&[2, 0]).len(), 0);
    }
}
