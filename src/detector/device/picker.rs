//! Which rows of the outputs come back from the GPU: those that may hold an object, or, where a head is small or there are
//! too many such rows, everything.

use crate::detector::Thresholds;
use crate::detector::decode::{Decoder, Part};
use crate::detector::engine::Reading;
use crate::gpu::{DeviceBuffer, Gpu, GpuError, PinnedBuffer, Strided};

use super::DeviceFailure;
use super::outputs::DeviceOutputs;
use super::records::{Place, Records};

/// Rows that there is room for on the GPU, per image.
const CAPACITY: usize = 4096;
/// Rows that come back with the counters at least; more than expected cost a second copy.
const LEAST: usize = 64;
/// Bytes of the counters before the records; the records are aligned to 16 bytes.
const HEADER: usize = 16;

/// Picks rows of one model's outputs.
pub(super) struct Picker {
    records: Records,
    /// One after the other for every slot: counters, then records.
    device: DeviceBuffer,
    locked: PinnedBuffer,
    /// Rows that come back with the counters: somewhat more than the last images had.
    expected: usize,
    /// The most rows of an image since then.
    most: usize,
}

impl Picker {
    /// A picker for `batch` slots; `None` where the head is read as a whole.
    pub(super) fn new(gpu: &Gpu, decoder: &Decoder, batch: usize) -> Result<Option<Self>, GpuError> {
        let Some(records) = Records::new(decoder) else { return Ok(None) };
        let bytes = batch * slot_bytes(&records);
        Ok(Some(Self {
            records,
            device: gpu.device_buffer(bytes)?,
            locked: gpu.pinned_buffer(bytes)?,
            expected: LEAST,
            most: CAPACITY / 8,
        }))
    }

    /// Where the slot's counters lie on the GPU; they must be zero before [`pick`](Self::pick).
    pub(super) fn header(&self, slot: usize) -> u64 {
        self.device.at(slot * slot_bytes(&self.records), HEADER).unwrap_or(0)
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
        let strided = |part: Part| Strided {
            data: outputs.address(part.output, slot, part.start),
            row_stride: part.row_stride as u64,
            column_stride: part.column_stride as u64,
            columns: part.columns as i32,
            half_precision: i32::from(outputs.is_half(part.output)),
        };
        let header = self.header(slot);
        let place = Place { header, records: header + HEADER as u64, capacity: CAPACITY };
        gpu.pick(&self.records.parameters(strided, &place, decoder.raw_threshold(thresholds.low_score)))?;
        let start = slot * slot_bytes(&self.records);
        let length = HEADER + self.expected * self.records.length() * 4;
        gpu.download(header, &mut self.locked, start, length)
    }

    /// Reads one slot's rows, after [`Gpu::wait`]. Where there are more rows than fit, the whole outputs are read.
    pub(super) fn read(
        &mut self,
        gpu: &Gpu,
        outputs: &mut DeviceOutputs,
        slot: usize,
        reading: &mut Reading<'_>,
    ) -> Result<(), DeviceFailure> {
        let (start, length) = (slot * slot_bytes(&self.records), self.records.length());
        let (rows, non_finite) = match self.locked.words(start, 2) {
            [rows, non_finite] => (*rows as usize, *non_finite as usize),
            _ => (0, 0),
        };
        if rows > CAPACITY {
            return outputs.read_whole(gpu, slot, reading);
        }
        self.most = self.most.max(rows);
        if rows > self.expected {
            let (skip, rest) = (HEADER + self.expected * length * 4, (rows - self.expected) * length * 4);
            gpu.download(self.header(slot) + skip as u64, &mut self.locked, start + skip, rest)?;
            gpu.wait()?;
        }
        let picked = self.records.rows(self.locked.floats(start + HEADER, rows * length));
        reading.decoder.decode_rows(picked, non_finite, reading.candidates);
        Ok(())
    }
}

fn slot_bytes(records: &Records) -> usize {
    (HEADER + CAPACITY * records.length() * 4).next_multiple_of(16)
}
