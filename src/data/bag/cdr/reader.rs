//! Bounds-checked reading of plain CDR.

use super::CdrError;

/// Bytes of the encapsulation header.
pub(super) const HEADER: usize = 4;

pub(super) struct Reader<'a> {
    message: &'static str,
    /// What follows the header; alignment counts from here.
    body: &'a [u8],
    at: usize,
    big_endian: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(message: &'static str, bytes: &'a [u8]) -> Result<Self, CdrError> {
        match bytes {
            [0, order @ (0 | 1), _, _, body @ ..] => {
                Ok(Self { message, body, at: 0, big_endian: *order == 0 })
            }
            _ => Err(CdrError::Encapsulation { found: bytes.iter().take(HEADER).copied().collect() }),
        }
    }

    fn left(&self) -> usize {
        self.body.len().saturating_sub(self.at)
    }

    fn take(&mut self, field: &'static str, len: u64) -> Result<&'a [u8], CdrError> {
        let truncated = |left| CdrError::Truncated {
            message: self.message,
            field,
            offset: HEADER + self.at,
            needed: len,
            left,
        };
        let len = usize::try_from(len).map_err(|_| truncated(self.left()))?;
        let end = self.at.checked_add(len).ok_or_else(|| truncated(self.left()))?;
        let bytes = self.body.get(self.at..end).ok_or_else(|| truncated(self.left()))?;
        self.at = end;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CdrError> {
        self.at = self.at.next_multiple_of(N);
        let mut array = [0; N];
        array.copy_from_slice(self.take(field, N as u64)?);
        if self.big_endian {
            array.reverse();
        }
        Ok(array)
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, CdrError> {
        self.array::<1>(field).map(u8::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, CdrError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self, field: &'static str) -> Result<i32, CdrError> {
        self.array(field).map(i32::from_le_bytes)
    }

    pub(super) fn f64(&mut self, field: &'static str) -> Result<f64, CdrError> {
        self.array(field).map(f64::from_le_bytes)
    }

    /// `builtin_interfaces/Time`, in nanoseconds.
    pub(super) fn time(&mut self) -> Result<i64, CdrError> {
        let sec = i64::from(self.i32("stamp.sec")?);
        Ok(sec * 1_000_000_000 + i64::from(self.u32("stamp.nanosec")?))
    }

    pub(super) fn str(&mut self, field: &'static str) -> Result<&'a str, CdrError> {
        let len = self.u32(field)?;
        let offset = HEADER + self.at;
        let text = match self.take(field, u64::from(len))? {
            // Not what the standard says, but some writers leave an empty text's zero byte out.
            [] => Some(""),
            [text @ .., 0] => std::str::from_utf8(text).ok(),
            _ => None,
        };
        text.ok_or(CdrError::Text { message: self.message, field, offset })
    }

    pub(super) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], CdrError> {
        let len = self.u32(field)?;
        self.take(field, u64::from(len))
    }

    /// The length of a sequence whose elements have at least `min_size` bytes.
    pub(super) fn count(&mut self, field: &'static str, min_size: usize) -> Result<usize, CdrError> {
        let count = self.u32(field)?;
        let needed = u64::from(count) * min_size as u64;
        if needed > self.left() as u64 {
            let (offset, left) = (HEADER + self.at, self.left());
            return Err(CdrError::Truncated { message: self.message, field, offset, needed, left });
        }
        Ok(count as usize)
    }
}
