//! Tensors in and out of ONNX's ways of storing them.

use super::GraphError;
use super::proto::{TensorProto, data_type};

impl TensorProto {
    /// A float32 tensor of `dims`.
    #[must_use]
    pub fn of_f32(name: &str, dims: &[i64], values: &[f32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, data_type::FLOAT, dims, raw)
    }

    /// An int32 tensor of `dims`.
    #[must_use]
    pub fn of_i32(name: &str, dims: &[i64], values: &[i32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, data_type::INT32, dims, raw)
    }

    /// An int8 tensor of `dims`.
    #[must_use]
    pub fn of_i8(name: &str, dims: &[i64], values: &[i8]) -> Self {
        Self::raw(name, data_type::INT8, dims, values.iter().map(|value| *value as u8).collect())
    }

    /// A uint8 tensor of `dims`.
    #[must_use]
    pub fn of_u8(name: &str, dims: &[i64], values: &[u8]) -> Self {
        Self::raw(name, data_type::UINT8, dims, values.to_vec())
    }

    /// An int64 tensor of `dims`.
    #[must_use]
    pub fn of_i64(name: &str, dims: &[i64], values: &[i64]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::raw(name, data_type::INT64, dims, raw)
    }

    /// A tensor of truth values.
    #[must_use]
    pub fn of_bool(name: &str, dims: &[i64], values: &[bool]) -> Self {
        Self::raw(name, data_type::BOOL, dims, values.iter().map(|value| u8::from(*value)).collect())
    }

    /// A float16 tensor of `dims`, from the bits of its elements.
    #[must_use]
    pub fn of_f16_bits(name: &str, dims: &[i64], bits: &[u16]) -> Self {
        let raw = bits.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        Self::raw(name, data_type::FLOAT16, dims, raw)
    }

    /// The number of its elements by its dimensions; `None` where they make no sense.
    #[must_use]
    pub fn elements(&self) -> Option<usize> {
        self.dims.iter().try_fold(1usize, |product, dim| {
            usize::try_from(*dim).ok().and_then(|dim| product.checked_mul(dim))
        })
    }

    /// Its int64 or int32 elements, in row-major order, wherever they are stored; `None` where it holds something else,
    /// or more or fewer than its dimensions say.
    #[must_use]
    pub fn integers(&self) -> Option<Vec<i64>> {
        let raw = self.raw_data.as_deref().filter(|raw| !raw.is_empty());
        let values: Vec<i64> = match (self.data_type(), raw) {
            (data_type::INT64, Some(raw)) => {
                raw.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()
            }
            (data_type::INT64, None) => self.int64_data.clone(),
            (data_type::INT32, Some(raw)) => {
                raw.as_chunks::<4>().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect()
            }
            (data_type::INT32, None) => self.int32_data.iter().map(|value| i64::from(*value)).collect(),
            _ => return None,
        };
        (self.elements() == Some(values.len())).then_some(values)
    }

    /// How many of its elements are zero (of either sign), and how many there are. Text counts as not zero.
    #[must_use]
    pub fn zeros(&self) -> (usize, usize) {
        let count = self.elements().unwrap_or(0);
        let kind = self.data_type();
        let float =
            matches!(kind, data_type::FLOAT | data_type::FLOAT16 | data_type::BFLOAT16 | data_type::DOUBLE);
        let raw = self.raw_data.as_deref().filter(|raw| !raw.is_empty());
        let zeros = if let Some(raw) = raw {
            let is_zero = |bytes: &[u8]| match bytes.split_last() {
                // the sign does not matter
                Some((last, rest)) if float => last << 1 == 0 && rest.iter().all(|byte| *byte == 0),
                _ => bytes.iter().all(|byte| *byte == 0),
            };
            raw.chunks_exact(data_type::bytes(kind).max(1)).filter(|bytes| is_zero(bytes)).count()
        } else {
            let bits = if kind == data_type::FLOAT16 || kind == data_type::BFLOAT16 { 0x7fff } else { -1 };
            self.float_data.iter().filter(|value| **value == 0.0).count()
                + self.double_data.iter().filter(|value| **value == 0.0).count()
                + self.int32_data.iter().filter(|value| **value & bits == 0).count()
                + self.int64_data.iter().filter(|value| **value == 0).count()
                + self.uint64_data.iter().filter(|value| **value == 0).count()
        };
        (zeros.min(count), count)
    }

    fn raw(name: &str, kind: i32, dims: &[i64], raw: Vec<u8>) -> Self {
        Self {
            name: Some(name.to_owned()),
            data_type: Some(kind),
            dims: dims.to_vec(),
            raw_data: Some(raw),
            ..Self::default()
        }
    }

    /// Whether its elements are float32.
    #[must_use]
    pub fn is_f32(&self) -> bool {
        self.data_type == Some(data_type::FLOAT)
    }

    /// Its float32 elements, in row-major order, wherever they are stored.
    ///
    /// # Errors
    /// [`GraphError::Tensor`] where they are of another type, or more or fewer than its dimensions say.
    pub fn f32_values(&self) -> Result<Vec<f32>, GraphError> {
        let wrong = |expected: String, found: String| GraphError::Tensor {
            tensor: self.name().to_owned(),
            expected,
            found,
        };
        if !self.is_f32() {
            return Err(wrong(
                "float32 elements".to_owned(),
                format!("elements of type {} (onnx.proto)", self.data_type()),
            ));
        }
        let values: Vec<f32> = match &self.raw_data {
            Some(raw) if self.float_data.is_empty() => {
                raw.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            _ => self.float_data.clone(),
        };
        let whole = self.raw_data.as_ref().is_none_or(|raw| raw.len().is_multiple_of(4));
        let count = self.dims.iter().try_fold(1usize, |product, dim| {
            usize::try_from(*dim).ok().and_then(|dim| product.checked_mul(dim))
        });
        if !whole || count != Some(values.len()) {
            return Err(wrong(
                format!("float32 elements for dimensions {:?}", self.dims),
                values.len().to_string(),
            ));
        }
        Ok(values)
    }
}
