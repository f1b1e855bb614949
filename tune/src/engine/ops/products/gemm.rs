//! `Gemm`: `y = α · a' · b' + β · c`, where `a'` and `b'` are matrices or their transposes.

use roadproof::compress::graph::proto::AttributeProto;

use super::{factors, matrix};
use crate::engine::kernels::{Matrix, product};
use crate::engine::ops::Context;
use crate::engine::{Call, Inputs, Op, OpError, Role, Saved};
use crate::tensor::{Tensor, Value, ValueRef};

#[derive(Debug)]
struct Gemm {
    alpha: f32,
    beta: f32,
    a_transposed: bool,
    b_transposed: bool,
}

/// Builds a `Gemm`.
pub(in super::super) fn build(context: &Context<'_>) -> Box<dyn Op> {
    let factor = |name: &str| context.node.attribute(name).map_or(1.0, AttributeProto::f);
    let flag = |name: &str| context.node.attribute(name).is_some_and(|attribute| attribute.i() != 0);
    Box::new(Gemm {
        alpha: factor("alpha"),
        beta: factor("beta"),
        a_transposed: flag("transA"),
        b_transposed: flag("transB"),
    })
}

impl Gemm {
    fn factors<'a>(&self, inputs: &Inputs<'a>) -> Result<(Matrix<'a>, Matrix<'a>), OpError> {
        let (a, b) = factors(inputs)?;
        let oriented = |tensor: &'a Tensor, transposed: bool| {
            let &[rows, columns] = tensor.dims() else {
                return Err(OpError::new(format!("expected a matrix, found sides {:?}", tensor.dims())));
            };
            let matrix = matrix(tensor.data(), rows, columns)?;
            Ok(if transposed { matrix.transposed() } else { matrix })
        };
        let (a, b) = (oriented(a, self.a_transposed)?, oriented(b, self.b_transposed)?);
        if a.columns() != b.rows() {
            return Err(OpError::new(format!(
                "expected a second factor of {} rows, found {}",
                a.columns(),
                b.rows()
            )));
        }
        Ok((a, b))
    }
}

/// How far the elements of a summand lie apart along the rows and columns of the sum to which it is broadcast.
fn steps(summand: &Tensor, rows: usize, columns: usize) -> Result<[usize; 2], OpError> {
    let (height, width) = match summand.dims() {
        [] => (1, 1),
        [width] => (1, *width),
        [height, width] => (*height, *width),
        dims => return Err(OpError::new(format!("expected a summand of at most two sides, found {dims:?}"))),
    };
    if (height != 1 && height != rows) || (width != 1 && width != columns) {
        let dims = summand.dims();
        return Err(OpError::new(format!(
            "expected a summand for sides [{rows}, {columns}], found {dims:?}"
        )));
    }
    Ok([if height == 1 { 0 } else { width }, usize::from(width != 1)])
}

impl Op for Gemm {
    fn forward(&self, inputs: &Inputs<'_>) -> Result<(Vec<Value>, Saved), OpError> {
        let (a, b) = self.factors(inputs)?;
        let columns = b.columns();
        let mut output = Tensor::zeros(&[a.rows(), columns]);
        if let Some(summand) = inputs.get(2).copied().flatten().and_then(ValueRef::as_f32) {
            let [down, right] = steps(summand, a.rows(), columns)?;
            for (index, value) in output.data_mut().iter_mut().enumerate() {
                *value = self.beta * summand.data()[index / columns * down + index % columns * right];
            }
        }
        product(self.alpha, a, b, output.data_mut());
        Ok((vec![output.into()], Saved::Nothing))
    }

    fn backward(&self, call: &Call<'_>, sinks: &mut [Option<&mut Tensor>]) -> Result<(), OpError> {
        let Some(Some(gradient)) = call.gradients.first() else { return Ok(()) };
        let (a, b) = self.factors(call.inputs)?;
        let (rows, columns) = (a.rows(), b.columns());
        let by_output = matrix(gradient.data(), rows, columns)?;
        let mut sinks = sinks.iter_mut();
        if let Some(Some(sink)) = sinks.next() {
            let (left, right) =
                if self.a_transposed { (b, by_output.transposed()) } else { (by_output, b.transposed()) };
            product(self.alpha, left, right, sink.data_mut());
        }
        if let Some(Some(sink)) = sinks.next() {
            let (left, right) =
                if self.b_transposed { (by_output.transposed(), a) } else { (a.transposed(), by_output) };
            product(self.alpha, left, right, sink.data_mut());
        }
        if let Some(Some(sink)) = sinks.next() {
            let [down, right] = steps(sink, rows, columns)?;
            for (index, value) in gradient.data().iter().enumerate() {
                sink.data_mut()[index / columns * down + index % columns * right] += self.beta * value;
            }
        }
        Ok(())
    }

    fn weights(&self) -> &[(usize, Role)] {
        &[(1, Role::Weight), (2, Role::Bias)]
    }
}
