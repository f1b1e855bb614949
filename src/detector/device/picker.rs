//! Which rows of the outputs come back from the GPU: those that may hold an object, or, where a head is small or there are
//! too many such rows, everything.

use crate::detector::decode::{Candidates, Decoder, Row, RowBlock, TensorView};
use crate::detector::{DetectorError, Thresholds};
use crate::gpu::{Block, DeviceBuffer, Gpu, GpuError, MAX_BLOCKS, PickParameters, PinnedBuffer, Strided};

use super::outputs::DeviceOutputs;

/// Rows that there is room for on the GPU, per image.
const CAPACITY: usize = 4096;
/// Rows that come back with the counters at least; more than expected cost a second copy.
const LEAST: usize = 64;
/// Bytes of the counters before the records; the records are aligned to 16 bytes.
const HEADER: usize = 16;

/// Picks rows of one model's outputs.
pub(super) struct Picker {
    blocks: Vec<RowBlock>,
    score_columns: usize,
    box_columns: usize,
    /// One after the other for every slot: counters, then records.
    device: DeviceBuffer,
    locked: PinnedBuffer,
    /// Rows that come back with the counters: somewhat more than the last images had.
    expected: usize,
    /// The most rows of an image since then.
    most: usize,
    /// Places of the records in the order of their rows.
    order: Vec<(u32, usize)>,
}

/// What one slot's counters say.
struct Counters {
    rows: usize,
    non_finite: usize,
}

impl Picker {
    /// A picker for `batch` slots; `None` where the head is read as a whole.
    pub(super) fn new(gpu: &Gpu, decoder: &Decoder, batch: usize) -> Result<Option<Self>, GpuError> {
        let blocks = decoder.row_blocks();
        if blocks.is_empty() || blocks.len() > MAX_BLOCKS {
            return Ok(None);
        }
        let score_columns = blocks.iter().map(|block| block.scores.columns).max().unwrap_or(0);
        let box_columns = blocks.iter().map(|block| block.boxes.columns).max().unwrap_or(0);
        let bytes = batch * slot_bytes(score_columns, box_columns);
        Ok(Some(Self {
            device: gpu.device_buffer(bytes)?,
            locked: gpu.pinned_buffer(bytes)?,
            order: Vec::with_capacity(CAPACITY),
            expected: LEAST,
            most: CAPACITY / 8,
            blocks,
            score_columns,
            box_columns,
        }))
    }

    /// Where the slot's counters lie on the GPU; they must be zero before [`pick`](Self::pick).
    pub(super) fn header(&self, slot: usize) -> u64 {
        self.device.at(slot * self.slot_bytes(), HEADER).unwrap_or(0)
    }

    /// Queues the picking from one slot's outputs, and the copy of the first rows to the host. Slots go in order.
    pub(super) fn pick(
        &mut self,
        gpu: &Gpu,
        outputs: &DeviceOutputs,
        slot: usize,
        decoder: &Decoder,
        thresholds: &Thresholds,
    ) -> Result<(), GpuError> {
        if slot == 0 {
            self.expected = (self.most + self.most / 4 + 16).clamp(LEAST, CAPACITY);
            self.most = 0;
        }
        let mut blocks = [Block::default(); MAX_BLOCKS];
        for (block, of) in blocks.iter_mut().zip(&self.blocks) {
            let strided = |part: crate::detector::decode::Part| Strided {
                data: outputs.address(part.output, slot, part.start),
                row_stride: part.row_stride as u64,
                column_stride: part.column_stride as u64,
                columns: part.columns as i32,
                half_precision: i32::from(outputs.is_half(part.output)),
            };
            *block = Block {
                scores: strided(of.scores),
                boxes: strided(of.boxes),
                objectness: of.objectness.map(strided).unwrap_or_default(),
                rows: of.rows as i32,
                first_row: of.first_row as i32,
            };
        }
        let start = slot * self.slot_bytes();
        let header = self.header(slot);
        gpu.pick(&PickParameters {
            blocks,
            header,
            records: header + HEADER as u64,
            capacity: CAPACITY as u32,
            record_length: self.record_length() as i32,
            score_columns: self.score_columns as i32,
            threshold: decoder.raw_threshold(thresholds.low_score),
        })?;
        let length = HEADER + self.expected * self.record_length() * 4;
        gpu.download(header, &mut self.locked, start, length)
    }

    /// Reads one slot's rows into `candidates`, after [`Gpu::wait`]. Where there are more rows than fit, the whole outputs
    /// are read.
    pub(super) fn read(
        &mut self,
        gpu: &Gpu,
        outputs: &mut DeviceOutputs,
        slot: usize,
        decoder: &mut Decoder,
        candidates: &mut Candidates,
    ) -> Result<Result<(), DetectorError>, GpuError> {
        let (start, length) = (slot * self.slot_bytes(), self.record_length());
        let Counters { rows, non_finite } = self.counters(slot);
        if rows > CAPACITY {
            outputs.download(gpu, slot)?;
            gpu.wait()?;
            return Ok(outputs.read(|views: &[TensorView<'_>]| decoder.decode(views, candidates)));
        }
        self.most = self.most.max(rows);
        if rows > self.expected {
            let (skip, rest) = (HEADER + self.expected * length * 4, (rows - self.expected) * length * 4);
            gpu.download(self.header(slot) + skip as u64, &mut self.locked, start + skip, rest)?;
            gpu.wait()?;
        }
        let records = self.locked.floats(start + HEADER, rows * length);
        self.order.clear();
        let numbers = records.chunks_exact(length).map(|record| record.first().map_or(0, |row| *row as u32));
        self.order.extend(numbers.zip(0..));
        // the GPU's threads finish in any order
        self.order.sort_unstable();
        let picked = self.order.iter().filter_map(|(number, place)| {
            let record = records.get(place * length..(place + 1) * length)?;
            let (scores, boxes) = record.get(2..)?.split_at_checked(self.score_columns)?;
            let number = *number as usize;
            let block = self.blocks.iter().rev().find(|block| block.first_row <= number)?;
            Some(Row {
                number,
                objectness: *record.get(1)?,
                scores: scores.get(..block.scores.columns)?,
                boxes: boxes.get(..block.boxes.columns)?,
            })
        });
        decoder.decode_rows(picked, non_finite, candidates);
        Ok(Ok(()))
    }

    fn counters(&self, slot: usize) -> Counters {
        match self.locked.words(slot * self.slot_bytes(), 2) {
            [rows, non_finite] => Counters { rows: *rows as usize, non_finite: *non_finite as usize },
            _ => Counters { rows: 0, non_finite: 0 },
        }
    }

    /// Floats per record: the row's number, its objectness, scores, box values.
    fn record_length(&self) -> usize {
        2 + self.score_columns + self.box_columns
    }

    fn slot_bytes(&self) -> usize {
        slot_bytes(self.score_columns, self.box_columns)
    }
}

fn slot_bytes(score_columns: usize, box_columns: usize) -> usize {
    (HEADER + CAPACITY * (2 + score_columns + box_columns) * 4).next_multiple_of(16)
}
