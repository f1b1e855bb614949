//! A head's outputs of one image, and the gradients by them.

use roadproof::detector::decode::Part;
use smallvec::SmallVec;

use super::{Block, Corners, Head, Location};
use crate::tensor::Tensor;

/// What a location's box is made of; the longest known are four sides of 17 bins.
pub type BoxValues = SmallVec<[f64; 68]>;

/// Visits every element of a part in the order in which they lie, with its row, column and place in the output.
pub fn each(part: &Part, rows: usize, mut visit: impl FnMut(usize, usize, usize)) {
    if part.row_stride >= part.column_stride {
        for row in 0..rows {
            for column in 0..part.columns {
                visit(row, column, place(part, row, column));
            }
        }
    } else {
        for column in 0..part.columns {
            for row in 0..rows {
                visit(row, column, place(part, row, column));
            }
        }
    }
}

fn place(part: &Part, row: usize, column: usize) -> usize {
    part.start + row * part.row_stride + column * part.column_stride
}

/// The highest of finite values, in eight lanes, so that it vectorises.
fn highest(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<8>();
    let mut lanes = [f32::NEG_INFINITY; 8];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = if *value > *lane { *value } else { *lane };
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The logistic function.
fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// A head's outputs of one image.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The head.
    pub head: &'a Head,
    /// Its outputs, in the order of [`Head::outputs`] and of their sides.
    pub outputs: &'a [&'a Tensor],
}

impl<'a> View<'a> {
    /// The elements of an output.
    #[must_use]
    pub fn data(&self, output: usize) -> &'a [f32] {
        self.outputs.get(output).map_or(&[], |tensor| tensor.data())
    }

    /// The probability that an element of scores or objectness stands for, in `[0, 1]`.
    #[must_use]
    pub fn probability(&self, raw: f32) -> f32 {
        if self.head.logits { sigmoid(raw) } else { raw.clamp(0.0, 1.0) }
    }

    /// The block of a location.
    #[must_use]
    pub fn block(&self, location: Location) -> Option<&'a Block> {
        self.head.blocks.get(location.block)
    }

    fn element(&self, part: &Part, row: usize, column: usize) -> f32 {
        self.data(part.output).get(place(part, row, column)).copied().unwrap_or(f32::NAN)
    }

    /// A location's objectness in `[0, 1]`; 1 where the head has none.
    #[must_use]
    pub fn objectness(&self, location: Location) -> f32 {
        let part = self.block(location).and_then(|block| block.objectness);
        part.map_or(1.0, |part| self.probability(self.element(&part, location.row, 0)))
    }

    /// The score of a class at a location, objectness included, in `[0, 1]`.
    #[must_use]
    pub fn score(&self, location: Location, class: usize) -> f32 {
        self.block(location).map_or(0.0, |block| {
            self.probability(self.element(&block.scores, location.row, class)) * self.objectness(location)
        })
    }

    /// For every location, in order, the score of its best class, objectness included.
    #[must_use]
    pub fn best_scores(&self) -> Tensor {
        let mut best = Tensor::scratch(&[self.head.locations]);
        best.data_mut().fill(f32::NEG_INFINITY);
        for (index, block) in self.head.blocks.iter().enumerate() {
            let data = self.data(block.scores.output);
            let Some(best) = best.data_mut().get_mut(block.first..block.first + block.rows) else { continue };
            // probabilities rise with what the output holds
            let part = &block.scores;
            if part.column_stride == 1 {
                for (row, best) in best.iter_mut().enumerate() {
                    let start = place(part, row, 0);
                    *best = highest(data.get(start..start + part.columns).unwrap_or_default());
                }
            } else {
                each(part, block.rows, |row, _, place| {
                    if let (Some(best), Some(raw)) = (best.get_mut(row), data.get(place)) {
                        *best = best.max(*raw);
                    }
                });
            }
            for (row, best) in best.iter_mut().enumerate() {
                *best = self.probability(*best) * self.objectness(Location { block: index, row });
            }
        }
        best
    }

    /// The best class of a location; of equal ones the first.
    #[must_use]
    pub fn best_class(&self, location: Location) -> usize {
        let Some(block) = self.block(location) else { return 0 };
        let element = |class| self.element(&block.scores, location.row, class);
        (1..self.head.classes)
            .fold(0, |best, class| if element(class) > element(best) { class } else { best })
    }

    /// What a location's box is made of.
    #[must_use]
    pub fn box_values(&self, location: Location) -> BoxValues {
        let Some(block) = self.block(location) else { return BoxValues::new() };
        (0..block.boxes.columns)
            .map(|column| f64::from(self.element(&block.boxes, location.row, column)))
            .collect()
    }

    /// A location's box.
    #[must_use]
    pub fn bbox(&self, location: Location) -> Corners {
        let values = self.box_values(location);
        self.block(location).map_or([f64::NAN; 4], |block| block.coder.decode(location.row, &values))
    }
}

/// Gradients by a head's outputs; memory is taken only for those that get one.
#[derive(Debug)]
pub struct Sinks<'a> {
    head: &'a Head,
    tensors: Vec<Option<Tensor>>,
}

impl<'a> Sinks<'a> {
    /// All zero.
    #[must_use]
    pub fn new(head: &'a Head) -> Self {
        let mut tensors = Vec::new();
        tensors.resize_with(head.outputs.len(), || None);
        Self { head, tensors }
    }

    /// The gradient by an output, to add to.
    pub fn data_mut(&mut self, output: usize) -> &mut [f32] {
        let Some((slot, known)) = self.tensors.get_mut(output).zip(self.head.outputs.get(output)) else {
            return &mut [];
        };
        slot.get_or_insert_with(|| Tensor::zeros(&known.dims)).data_mut()
    }

    /// Adds the gradient by what a location's box is made of.
    pub fn add_box_values(&mut self, location: Location, gradients: &[f64]) {
        let head = self.head;
        let Some(block) = head.blocks.get(location.block) else { return };
        let data = self.data_mut(block.boxes.output);
        for (column, gradient) in gradients.iter().enumerate() {
            if let Some(sink) = data.get_mut(place(&block.boxes, location.row, column)) {
                *sink += *gradient as f32;
            }
        }
    }

    /// One per output; `None` for those that got nothing.
    #[must_use]
    pub fn into_tensors(self) -> Vec<Option<Tensor>> {
        self.tensors
    }
}
