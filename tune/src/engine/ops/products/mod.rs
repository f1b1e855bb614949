//! Products of matrices.

mod gemm;
mod matmul;

pub(super) use gemm::build as build_gemm;
pub(super) use matmul::build as build_matmul;

use crate::engine::kernels::Matrix;
use crate::engine::{Inputs, OpError};
use crate::tensor::{Tensor, ValueRef};

/// The two factors.
fn factors<'a>(inputs: &Inputs<'a>) -> Result<(&'a Tensor, &'a Tensor), OpError> {
    let input = |place: usize| inputs.get(place).copied().flatten().and_then(ValueRef::as_f32);
    input(0).zip(input(1)).ok_or_else(|| OpError::new("expected two factors of float32"))
}

/// A matrix of `rows` × `columns` elements of a tensor.
fn matrix(data: &[f32], rows: usize, columns: usize) -> Result<Matrix<'_>, OpError> {
    Matrix::new(data, rows, columns).ok_or_else(|| {
        OpError::new(format!("expected a matrix of sides [{rows}, {columns}], found {} elements", data.len()))
    })
}

#[cfg(test)]
mod tests;
