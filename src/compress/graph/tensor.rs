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
