//! Writing of plain CDR, little-endian.

use super::CdrError;
use super::reader::HEADER;

pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn with_capacity(body: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + body);
        bytes.extend_from_slice(&[0, 1, 0, 0]);
        Self { bytes }
    }

    fn array<const N: usize>(&mut self, value: [u8; N]) {
        let body = self.bytes.len() - HEADER;
        self.bytes.resize(HEADER + body.next_multiple_of(N), 0);
        self.bytes.extend_from_slice(&value);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.array(value.to_le_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.array(value.to_le_bytes());
    }

    pub(super) fn f32(&mut self, value: f32) {
        self.array(value.to_le_bytes());
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.array(value.to_le_bytes());
    }

    /// `builtin_interfaces/Time`; what its 32 bits of seconds do not hold is clamped.
    pub(super) fn time(&mut self, ns: i64) {
        let limit = if ns < 0 { i32::MIN } else { i32::MAX };
        let sec = i32::try_from(ns.div_euclid(1_000_000_000)).unwrap_or(limit);
        self.array(sec.to_le_bytes());
        self.u32(ns.rem_euclid(1_000_000_000) as u32);
    }

    pub(super) fn count(&mut self, field: &'static str, count: usize) -> Result<(), CdrError> {
        let expected = "at most 4294967294 bytes or elements";
        let count = u32::try_from(count).map_err(|_| CdrError::Unwritable { field, expected })?;
        self.u32(count);
        Ok(())
    }

    pub(super) fn str(&mut self, field: &'static str, text: &str) -> Result<(), CdrError> {
        if text.contains('\0') {
            return Err(CdrError::Unwritable { field, expected: "no zero byte inside a text" });
        }
        self.count(field, text.len() + 1)?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        Ok(())
    }

    pub(super) fn bytes(&mut self, field: &'static str, data: &[u8]) -> Result<(), CdrError> {
        self.count(field, data.len())?;
        self.bytes.extend_from_slice(data);
        Ok(())
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}
