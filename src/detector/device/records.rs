//! How rows lie in a model's outputs, and in the records that come back from the GPU.

use crate::detector::decode::{Decoder, Part, Row, RowBlock};
use crate::gpu::{Block, MAX_BLOCKS, PickParameters, Strided};

/// Floats of a record before its scores: the row's number and its objectness.
const HEAD: usize = 2;

/// The rows of one model's outputs. A record of one is its number, its objectness, its scores, its box values.
pub(super) struct Records {
    blocks: Vec<RowBlock>,
    score_columns: usize,
    box_columns: usize,
    /// Places of the records in the order of their rows.
    order: Vec<(u32, usize)>,
}

/// Where records go on the GPU.
pub(super) struct Place {
    /// The counters.
    pub(super) header: u64,
    /// The records.
    pub(super) records: u64,
    /// Records that fit.
    pub(super) capacity: usize,
}

impl Records {
    /// Of what `decoder` reads row by row; `None` where it reads its outputs as a whole.
    pub(super) fn new(decoder: &Decoder) -> Option<Self> {
        let blocks = decoder.row_blocks();
        let score_columns = blocks.iter().map(|block| block.scores.columns).max()?;
        let box_columns = blocks.iter().map(|block| block.boxes.columns).max()?;
        (blocks.len() <= MAX_BLOCKS).then_some(Self { blocks, score_columns, box_columns, order: Vec::new() })
    }

    /// Floats per record.
    pub(super) fn length(&self) -> usize {
        HEAD + self.score_columns + self.box_columns
    }

    /// What the kernel is told to pick the rows that reach `threshold`; `strided` says where a part of an output lies.
    pub(super) fn parameters(
        &self,
        strided: impl Fn(Part) -> Strided,
        place: &Place,
        threshold: f32,
    ) -> PickParameters {
        let mut blocks = [Block::default(); MAX_BLOCKS];
        for (block, of) in blocks.iter_mut().zip(&self.blocks) {
            *block = Block {
                scores: strided(of.scores),
                boxes: strided(of.boxes),
                objectness: of.objectness.map(&strided).unwrap_or_default(),
                rows: of.rows as i32,
                first_row: of.first_row as i32,
            };
        }
        PickParameters {
            blocks,
            header: place.header,
            records: place.records,
            capacity: place.capacity as u32,
            record_length: self.length() as i32,
            score_columns: self.score_columns as i32,
            threshold,
        }
    }

    /// The rows in `records`, in ascending order: the GPU's threads finish in any.
    pub(super) fn rows<'a>(&'a mut self, records: &'a [f32]) -> impl Iterator<Item = Row<'a>> {
        let length = self.length();
        self.order.clear();
        let numbers = records.chunks_exact(length).map(|record| record.first().map_or(0, |row| *row as u32));
        self.order.extend(numbers.zip(0..));
        self.order.sort_unstable();
        let Self { blocks, score_columns, order, .. } = self;
        order.iter().filter_map(move |(number, place)| {
            let record = records.get(place * length..(place + 1) * length)?;
            let (head, values) = record.split_at_checked(HEAD)?;
            let (scores, boxes) = values.split_at_checked(*score_columns)?;
            let number = *number as usize;
            let block = blocks.iter().rev().find(|block| block.first_row <= number)?;
            Some(Row {
                number,
                objectness: *head.last()?,
                scores: scores.get(..block.scores.columns)?,
                boxes: boxes.get(..block.boxes.columns)?,
            })
        })
    }
}
