//! Operands of different sides for one output (ONNX, "Multidirectional Broadcasting").

use smallvec::SmallVec;

use crate::engine::OpError;
use crate::tensor::Dims;

/// The sides of what operands of these sides are broadcast to.
///
/// # Errors
/// Two sides differ and neither is 1.
pub(super) fn broadcast_dims(shapes: &[&[usize]]) -> Result<Dims, OpError> {
    let rank = shapes.iter().map(|dims| dims.len()).max().unwrap_or(0);
    let mut output = Dims::from_elem(1, rank);
    for dims in shapes {
        for (side, operand) in output[rank - dims.len()..].iter_mut().zip(*dims) {
            if *side == 1 {
                *side = *operand;
            } else if *operand != 1 && *operand != *side {
                return Err(OpError::new(format!(
                    "expected sides that can be broadcast to each other, found {shapes:?}"
                )));
            }
        }
    }
    Ok(output)
}

/// The elements of an output in rows, and where those of `N` operands are. Along a row each operand either goes on by one
/// element or stays: the loops over rows need nothing but slices.
#[derive(Debug)]
pub(super) struct Rows<const N: usize> {
    /// Sides of the output, outermost first, axes joined where that changes nothing.
    axes: SmallVec<[(usize, [usize; N]); 6]>,
    /// Elements of a row.
    pub(super) length: usize,
    /// By operand: 1 where it goes on, 0 where it stays.
    pub(super) steps: [usize; N],
}

impl<const N: usize> Rows<N> {
    /// For operands that broadcast to `output`.
    pub(super) fn new(output: &[usize], operands: [&[usize]; N]) -> Self {
        let mut axes: SmallVec<[(usize, [usize; N]); 6]> = SmallVec::new();
        let mut reached = [1; N];
        // from the innermost axis outwards
        for back in 1..=output.len() {
            let side = output[output.len() - back];
            let mut strides = [0; N];
            for ((stride, reached), dims) in strides.iter_mut().zip(&mut reached).zip(operands) {
                let operand = dims.len().checked_sub(back).map_or(1, |axis| dims[axis]);
                *stride = if operand == 1 { 0 } else { *reached };
                *reached *= operand;
            }
            if side == 1 {
                continue;
            }
            match axes.last_mut() {
                Some((inner, steps))
                    if steps.iter().zip(&strides).all(|(step, stride)| *stride == step * *inner) =>
                {
                    *inner *= side;
                }
                _ => axes.push((side, strides)),
            }
        }
        axes.reverse();
        let (length, steps) = axes.pop().unwrap_or((1, [0; N]));
        Self { axes, length, steps }
    }

    /// Calls `row` with the offset of each row in the output and in the operands.
    pub(super) fn for_each(&self, mut row: impl FnMut(usize, [usize; N])) {
        let count: usize = self.axes.iter().map(|(side, _)| side).product();
        if self.length == 0 {
            return;
        }
        let mut place = Dims::from_elem(0, self.axes.len());
        let mut offsets = [0; N];
        for number in 0..count {
            row(number * self.length, offsets);
            for ((side, strides), place) in self.axes.iter().zip(&mut place).rev() {
                *place += 1;
                for (offset, stride) in offsets.iter_mut().zip(strides) {
                    *offset += stride;
                }
                if *place < *side {
                    break;
                }
                *place = 0;
                for (offset, stride) in offsets.iter_mut().zip(strides) {
                    *offset -= side * stride;
                }
            }
        }
    }

    /// What an operand holds along a row: `length` elements, or one that stays.
    pub(super) fn cut<'a, T>(&self, operand: usize, data: &'a [T], offset: usize) -> &'a [T] {
        &data[offset..offset + self.width(operand)]
    }

    /// As [`cut`](Self::cut), to change.
    pub(super) fn cut_mut<'a, T>(&self, operand: usize, data: &'a mut [T], offset: usize) -> &'a mut [T] {
        &mut data[offset..offset + self.width(operand)]
    }

    fn width(&self, operand: usize) -> usize {
        if self.steps[operand] == 0 { 1 } else { self.length }
    }
}

/// Partial sums that are kept side by side.
const LANES: usize = 16;

/// The sum of `count` terms, in an order that processors can compute side by side.
pub(super) fn sum(count: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let whole = count - count % LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    let rest: f32 = (whole..count).map(&term).sum();
    lanes.iter().sum::<f32>() + rest
}

/// Adds a row of terms to the gradient of an operand: one by one where it goes on, their sum where it stays.
pub(super) fn add_row(sink: &mut [f32], count: usize, step: usize, term: impl Fn(usize) -> f32) {
    if step == 0 {
        sink[0] += sum(count, term);
    } else {
        for (index, sink) in sink[..count].iter_mut().enumerate() {
            *sink += term(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<const N: usize>(output: &[usize], operands: [&[usize]; N]) -> Vec<(usize, [usize; N])> {
        let mut found = Vec::new();
        Rows::new(output, operands).for_each(|output, operands| found.push((output, operands)));
        found
    }

    #[test]
    fn axes_join_where_that_changes_nothing() {
        let same = Rows::new(&[2, 3, 4], [&[2, 3, 4], &[1]]);
        assert_eq!((same.length, same.steps), (24, [1, 0]));
        assert_eq!(rows(&[2, 3, 4], [&[3, 1], &[2, 3, 4]]).len(), 6);
        assert_eq!(rows(&[2, 3], [&[2, 1], &[3]]), [(0, [0, 0]), (3, [1, 0])]);
        assert_eq!(rows(&[1, 1], [&[1, 1]]), [(0, [0])]);
        assert_eq!(rows(&[2, 0], [&[2, 0]]), []);
        assert!(broadcast_dims(&[&[2, 3], &[2]]).is_err());
        assert_eq!(broadcast_dims(&[&[2, 1], &[4, 1, 3]]).unwrap().as_slice(), [4, 2, 3]);
    }

    #[test]
    fn a_sum_has_all_of_its_terms() {
        assert_eq!(sum(37, |index| index as f32), 666.0);
        assert_eq!(sum(0, |_| 1.0), 0.0);
    }
}
