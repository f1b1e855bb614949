//! `MatMul`: products of the matrices in the last two sides, those before broadcast as `NumPy` does.

use std::ops::Range;

use super::{factors, matrix};
use crate::engine::kernels::product;
use crate::engine::ops::Context;
use crate::engine::{Call, Inputs, Op, OpError, Role, Saved};
use crate::tensor::{Dims, Tensor, Value};

#[derive(Debug)]
struct MatMul {
    weights: &'static [(usize, Role)],
}

/// Builds a `MatMul`. A constant matrix among its factors, the second before the first, is its weight.
pub(in super::super) fn build(context: &Context<'_>) -> Box<dyn Op> {
    let is_weight = |place: usize| {
        let constant = context.constants.get(place).and_then(Option::as_ref).and_then(Value::as_f32);
        constant.is_some_and(|constant| constant.dims().len() == 2)
    };
    let weights: &'static [(usize, Role)] = if is_weight(1) {
        &[(1, Role::Weight)]
    } else if is_weight(0) {
        &[(0, Role::Weight)]
    } else {
        &[]
    };
    Box::new(MatMul { weights })
}

/// The products that make up a `MatMul`.
#[derive(Debug, PartialEq, Eq)]
struct Products {
    rows: usize,
    depth: usize,
    columns: usize,
    /// For each product the numbers of its factors' matrices.
    pairs: Vec<(usize, usize)>,
    output: Dims,
}

impl Products {
    fn new(a: &[usize], b: &[usize]) -> Result<Self, OpError> {
        let mismatch =
            || OpError::new(format!("expected sides that can be multiplied, found {a:?} and {b:?}"));
        // a vector is a matrix of one row or one column, which the output goes without
        let (a_batch, rows, depth) = match a {
            [batch @ .., rows, depth] => (batch, Some(*rows), *depth),
            [depth] => (&[][..], None, *depth),
            [] => return Err(mismatch()),
        };
        let (b_batch, height, columns) = match b {
            [batch @ .., height, columns] => (batch, *height, Some(*columns)),
            [height] => (&[][..], *height, None),
            [] => return Err(mismatch()),
        };
        if depth != height {
            return Err(mismatch());
        }
        let sides = a_batch.len().max(b_batch.len());
        let side = |batch: &[usize], axis: usize| {
            (axis + batch.len()).checked_sub(sides).and_then(|axis| batch.get(axis)).copied().unwrap_or(1)
        };
        let mut pairs = vec![(0, 0)];
        let mut output = Dims::new();
        for axis in 0..sides {
            let count = match (side(a_batch, axis), side(b_batch, axis)) {
                (left, right) if left == right || right == 1 => left,
                (1, right) => right,
                _ => return Err(mismatch()),
            };
            let next =
                |before: usize, side: usize, index: usize| before * side + if side == 1 { 0 } else { index };
            pairs = pairs
                .iter()
                .flat_map(|&(left, right)| {
                    let (of_a, of_b) = (side(a_batch, axis), side(b_batch, axis));
                    (0..count).map(move |index| (next(left, of_a, index), next(right, of_b, index)))
                })
                .collect();
            output.push(count);
        }
        output.extend(rows);
        output.extend(columns);
        let (mut rows, columns) = (rows.unwrap_or(1), columns.unwrap_or(1));
        if b_batch.iter().all(|side| *side == 1) {
            // one second matrix: the first ones are one tall matrix
            rows *= pairs.len();
            pairs = vec![(0, 0)];
        }
        Ok(Self { rows, depth, columns, pairs, output })
    }

    /// For each product where its factors and it lie.
    fn places(&self) -> impl Iterator<Item = [Range<usize>; 3]> {
        let place = |index: usize, size: usize| index * size..(index + 1) * size;
        let (a, b, y) = (self.rows * self.depth, self.depth * self.columns, self.rows * self.columns);
        self.pairs
            .iter()
            .enumerate()
            .map(move |(index, pair)| [place(pair.0, a), place(pair.1, b), place(index, y)])
    }
}

impl Op for MatMul {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let (a, b) = factors(inputs)?;
        let products = Products::new(a.dims(), b.dims())?;
        let Products { rows, depth, columns, .. } = products;
        let mut output = Tensor::zeros(&products.output);
        for [of_a, of_b, of_y] in products.places() {
            let (a, b) = (matrix(&a.data()[of_a], rows, depth)?, matrix(&b.data()[of_b], depth, columns)?);
            product(1.0, a, b, &mut output.data_mut()[of_y]);
        }
        Ok((vec![output.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(Some(gradient)) = call.gradients.first() else { return Ok(()) };
        let (a, b) = factors(call.inputs)?;
        let products = Products::new(a.dims(), b.dims())?;
        let Products { rows, depth, columns, .. } = products;
        let mut sinks = sinks.iter_mut();
        let (mut by_a, mut by_b) =
            (sinks.next().and_then(Option::as_mut), sinks.next().and_then(Option::as_mut));
        for [of_a, of_b, of_y] in products.places() {
            let by_output = matrix(&gradient.data()[of_y], rows, columns)?;
            if let Some(sink) = &mut by_a {
                let b = matrix(&b.data()[of_b.clone()], depth, columns)?;
                product(1.0, by_output, b.transposed(), &mut sink.data_mut()[of_a.clone()]);
            }
            if let Some(sink) = &mut by_b {
                let a = matrix(&a.data()[of_a], rows, depth)?;
                product(1.0, a.transposed(), by_output, &mut sink.data_mut()[of_b]);
            }
        }
        Ok(())
    }

    fn weights(&self) -> &[(usize, Role)] {
        self.weights
    }
}
