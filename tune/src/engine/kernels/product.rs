//! The product of two matrices.

use super::{Panels, correlate, dots};
use crate::tensor::Tensor;

/// Columns of a product that are computed at a time.
const BLOCK: usize = 960;

/// A matrix in row-major memory, or its transpose.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    transposed: bool,
}

impl<'a> Matrix<'a> {
    /// Of `rows` × `columns` elements; `None` where `data` holds more or fewer.
    #[must_use]
    pub fn new(data: &'a [f32], rows: usize, columns: usize) -> Option<Self> {
        (rows.checked_mul(columns) == Some(data.len())).then_some(Self {
            data,
            rows,
            columns,
            transposed: false,
        })
    }

    /// Rows become columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, transposed: !self.transposed, ..self }
    }

    /// Its rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    fn at(&self, row: usize, column: usize) -> f32 {
        self.data[if self.transposed { column * self.rows + row } else { row * self.columns + column }]
    }
}

/// `out += factor · a · b`, row-major.
///
/// # Panics
/// `b` has not a row for each column of `a`, or `out` not an element for each of the product.
pub fn product(factor: f32, a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32]) {
    assert_eq!(a.columns, b.rows, "a row of the second matrix for each column of the first");
    assert_eq!(out.len(), a.rows * b.columns, "an element for each of the product");
    if out.is_empty() {
        return;
    }
    if b.transposed {
        let rows = Tensor::from_fn(&[a.rows, a.columns], |index| {
            factor * a.at(index / a.columns, index % a.columns)
        });
        let offsets: Vec<usize> = (0..b.columns).map(|column| column * b.rows).collect();
        dots((rows.data(), a.columns), b.data, &offsets, a.columns, out);
        return;
    }
    let panels = Panels::new(a.rows, a.columns, |row, column| factor * a.at(row, column));
    let offsets: Vec<usize> = (0..b.rows).map(|row| row * b.columns).collect();
    let mut start = 0;
    while start < b.columns {
        let width = BLOCK.min(b.columns - start);
        let mut block = Tensor::scratch(&[a.rows, width]);
        correlate(&panels, b.data, &offsets, start..start + width, block.data_mut());
        for (row, sums) in block.data().chunks_exact(width).enumerate() {
            let out = &mut out[row * b.columns + start..][..width];
            for (out, sum) in out.iter_mut().zip(sums) {
                *out += sum;
            }
        }
        start += width;
    }
}
