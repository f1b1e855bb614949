//! Tensors read in another order than they lie in memory.

use smallvec::SmallVec;

use crate::tensor::Dims;

/// Elements at fixed distances: where the elements of a row-major tensor are in another one.
#[derive(Debug)]
pub(super) struct View {
    /// Sides and distances, outermost first, axes joined where that changes nothing.
    axes: SmallVec<[(usize, isize); 6]>,
    length: usize,
    step: isize,
    offset: usize,
}

/// Distances between neighbours along each axis of a row-major tensor.
pub(super) fn strides(dims: &[usize]) -> SmallVec<[isize; 6]> {
    let mut strides = SmallVec::from_elem(1, dims.len());
    for axis in (1..dims.len()).rev() {
        strides[axis - 1] = strides[axis] * dims[axis] as isize;
    }
    strides
}

impl View {
    /// Of sides `dims`, with these distances, from `offset` on.
    pub(super) fn new(dims: &[usize], strides: &[isize], offset: usize) -> Self {
        let mut axes: SmallVec<[(usize, isize); 6]> = SmallVec::new();
        for (side, stride) in dims.iter().zip(strides).rev().filter(|(side, _)| **side != 1) {
            match axes.last_mut() {
                Some((inner, step)) if *stride == *step * *inner as isize => *inner *= side,
                _ => axes.push((*side, *stride)),
            }
        }
        axes.reverse();
        let (length, step) = axes.pop().unwrap_or((1, 1));
        Self { axes, length, step, offset }
    }

    /// All of a row-major tensor as it is.
    pub(super) fn whole(dims: &[usize]) -> Self {
        Self::new(&[dims.iter().product()], &[1], 0)
    }

    /// The part of a row-major tensor of sides `dims` that begins at `start` of an axis and is `side` long there.
    pub(super) fn part(dims: &[usize], axis: usize, start: usize, side: usize) -> Self {
        let mut part = Dims::from_slice(dims);
        part[axis] = side;
        let strides = strides(dims);
        Self::new(&part, &strides, start * strides[axis] as usize)
    }

    /// Calls `row` with the start of each row in the row-major tensor and in the other.
    fn for_each(&self, mut row: impl FnMut(usize, usize)) {
        let count: usize = self.axes.iter().map(|(side, _)| side).product();
        if self.length == 0 {
            return;
        }
        let mut place = Dims::from_elem(0, self.axes.len());
        let mut offset = self.offset as isize;
        for number in 0..count {
            row(number * self.length, offset as usize);
            for ((side, stride), place) in self.axes.iter().zip(&mut place).rev() {
                *place += 1;
                offset += stride;
                if *place < *side {
                    break;
                }
                *place = 0;
                offset -= stride * *side as isize;
            }
        }
    }

    fn at(&self, start: usize, index: usize) -> usize {
        start.wrapping_add_signed(self.step * index as isize)
    }

    /// Reads the elements into a row-major tensor.
    pub(super) fn read<T: Copy>(&self, from: &[T], to: &mut [T]) {
        self.for_each(|start, other| {
            let to = &mut to[start..start + self.length];
            if self.step == 1 {
                to.copy_from_slice(&from[other..other + self.length]);
            } else {
                for (index, to) in to.iter_mut().enumerate() {
                    *to = from[self.at(other, index)];
                }
            }
        });
    }

    /// Writes the elements of a row-major tensor to where they belong.
    pub(super) fn write<T: Copy>(&self, from: &[T], to: &mut [T]) {
        self.for_each(|start, other| {
            let from = &from[start..start + self.length];
            if self.step == 1 {
                to[other..other + self.length].copy_from_slice(from);
            } else {
                for (index, from) in from.iter().enumerate() {
                    to[self.at(other, index)] = *from;
                }
            }
        });
    }

    /// Adds the elements to those of a row-major tensor.
    pub(super) fn add_read(&self, from: &[f32], to: &mut [f32]) {
        self.for_each(|start, other| {
            let to = &mut to[start..start + self.length];
            if self.step == 1 {
                for (to, from) in to.iter_mut().zip(&from[other..other + self.length]) {
                    *to += from;
                }
            } else {
                for (index, to) in to.iter_mut().enumerate() {
                    *to += from[self.at(other, index)];
                }
            }
        });
    }

    /// Adds the elements of a row-major tensor to where they belong.
    pub(super) fn add_write(&self, from: &[f32], to: &mut [f32]) {
        self.for_each(|start, other| {
            let from = &from[start..start + self.length];
            if self.step == 1 {
                for (to, from) in to[other..other + self.length].iter_mut().zip(from) {
                    *to += from;
                }
            } else {
                for (index, from) in from.iter().enumerate() {
                    to[self.at(other, index)] += from;
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_and_its_inverse_undo_each_other() {
        // 2 x 3, transposed
        let view = View::new(&[3, 2], &[1, 3], 0);
        let mut turned = [0; 6];
        view.read(&[0, 1, 2, 3, 4, 5], &mut turned);
        assert_eq!(turned, [0, 3, 1, 4, 2, 5]);
        let mut back = [0; 6];
        view.write(&turned, &mut back);
        assert_eq!(back, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn what_is_read_several_times_gets_all_of_the_gradient() {
        let view = View::new(&[3, 2], &[0, 1], 0);
        let mut sink = [1.0, 1.0];
        view.add_write(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &mut sink);
        assert_eq!(sink, [10.0, 13.0]);
        let backwards = View::new(&[3], &[-1], 2);
        let mut sums = [1.0; 3];
        backwards.add_read(&[0.0, 1.0, 2.0], &mut sums);
        assert_eq!(sums, [3.0, 2.0, 1.0]);
    }

    #[test]
    fn neighbouring_axes_are_one_copy() {
        let view = View::part(&[4, 5, 6], 0, 1, 2);
        assert_eq!((view.axes.len(), view.length, view.offset), (0, 60, 30));
        assert_eq!(View::part(&[4, 5, 6], 1, 1, 2).axes.as_slice(), [(4, 30)]);
    }
}
