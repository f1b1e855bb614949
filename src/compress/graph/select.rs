//! Parts of constants, whatever their elements are, and lists of integers (shapes, sizes, bounds).

use super::GraphError;
use super::proto::{TensorProto, data_type};

impl TensorProto {
    /// An int64 list.
    #[must_use]
    pub fn list(name: &str, values: &[i64]) -> Self {
        Self::of_i64(name, &[values.len() as i64], values)
    }

    /// The same with other integers of the same type; dimensions become those of a list.
    #[must_use]
    pub fn with_integers(&self, values: &[i64]) -> Self {
        let raw: Vec<u8> = if self.data_type() == data_type::INT32 {
            values.iter().flat_map(|value| (*value as i32).to_le_bytes()).collect()
        } else {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        Self { dims: vec![values.len() as i64], ..self.holding(raw) }
    }

    /// Number of elements that the dimensions give.
    #[must_use]
    pub fn count(&self) -> usize {
        self.dims.iter().map(|side| usize::try_from(*side).unwrap_or(0)).product()
    }

    /// Whether [`select`](Self::select) can read it.
    #[must_use]
    pub fn can_select(&self) -> bool {
        self.element_bytes().is_some()
    }

    /// What is left when only these indices of an axis stay, in this order.
    ///
    /// # Errors
    /// [`GraphError::Tensor`]: elements of no fixed size, fewer or more than the dimensions say, no such axis or index.
    pub fn select(&self, axis: usize, indices: &[usize]) -> Result<Self, GraphError> {
        let wrong = |expected: &str, found: String| GraphError::Tensor {
            tensor: self.name().to_owned(),
            expected: expected.to_owned(),
            found,
        };
        let bytes = self.element_bytes().ok_or_else(|| {
            wrong("numbers, as many as the dimensions say", format!("type {}", self.data_type()))
        })?;
        let sides: Vec<usize> = self.dims.iter().map(|side| usize::try_from(*side).unwrap_or(0)).collect();
        let Some(side) = sides.get(axis).copied() else {
            return Err(wrong(&format!("an axis {axis}"), format!("dimensions {:?}", self.dims)));
        };
        let count: usize = sides.iter().product();
        let behind: usize = sides.iter().skip(axis + 1).product();
        let row = behind * bytes.len().checked_div(count).unwrap_or(0);
        let mut raw = Vec::with_capacity(bytes.len());
        for block in bytes.chunks((row * side).max(1)) {
            for index in indices {
                let part = block.get(index * row..(index + 1) * row).filter(|_| *index < side);
                raw.extend(part.ok_or_else(|| {
                    wrong(&format!("an index {index} on axis {axis}"), format!("dimensions {:?}", self.dims))
                })?);
            }
        }
        let mut selected = self.holding(raw);
        if let Some(side) = selected.dims.get_mut(axis) {
            *side = indices.len() as i64;
        }
        Ok(selected)
    }

    /// The same with other elements, little endian.
    fn holding(&self, raw: Vec<u8>) -> Self {
        Self {
            name: self.name.clone(),
            data_type: self.data_type,
            dims: self.dims.clone(),
            doc_string: self.doc_string.clone(),
            metadata_props: self.metadata_props.clone(),
            raw_data: Some(raw),
            ..Self::default()
        }
    }

    /// Its elements, little endian, if there are as many as the dimensions say.
    fn element_bytes(&self) -> Option<Vec<u8>> {
        let size = match self.data_type() {
            2 | 3 | 9 => 1,
            4 | 5 | 10 | 16 => 2,
            1 | 6 | 12 => 4,
            7 | 11 | 13 => 8,
            _ => return None,
        };
        let bytes = match (&self.raw_data, self.data_type()) {
            (Some(raw), _) if !raw.is_empty() => raw.clone(),
            (_, data_type::FLOAT) => self.float_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            (_, data_type::INT32) => self.int32_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            (_, data_type::INT64) => self.int64_data.iter().flat_map(|v| v.to_le_bytes()).collect(),
            (Some(raw), _) => raw.clone(),
            _ => return None,
        };
        (bytes.len() == self.count().checked_mul(size)?).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_columns_are_taken_from_raw_and_typed_data() {
        let values = [0., 1., 2., 3., 4., 5.];
        let raw = TensorProto::of_f32("t", &[2, 3], &values);
        let typed = TensorProto { raw_data: None, float_data: values.to_vec(), ..raw.clone() };
        for tensor in [raw, typed] {
            let columns = tensor.select(1, &[2, 0]).unwrap();
            assert_eq!(
                (columns.dims.clone(), columns.f32_values().unwrap()),
                (vec![2, 2], vec![2., 0., 5., 3.])
            );
            assert_eq!(tensor.select(0, &[1]).unwrap().f32_values().unwrap(), [3., 4., 5.]);
            assert!(tensor.select(1, &[3]).unwrap_err().to_string().contains("index 3"));
            assert!(tensor.select(2, &[0]).unwrap_err().to_string().contains("axis 2"));
        }
        let short = TensorProto { dims: vec![7], ..TensorProto::list("t", &[1, 2]) };
        assert!(!short.can_select() && short.select(0, &[0]).is_err());
    }

    #[test]
    fn integers_come_from_both_types_and_places() {
        let list = TensorProto::list("t", &[-1, 1 << 40]);
        assert_eq!(list.integers().unwrap(), [-1, 1 << 40]);
        let typed = TensorProto { raw_data: None, int64_data: vec![5, 6], ..list.clone() };
        assert_eq!(typed.integers().unwrap(), [5, 6]);
        let short = TensorProto::of_i32("t", &[2], &[7, -8]);
        assert_eq!(short.integers().unwrap(), [7, -8]);
        assert_eq!(short.with_integers(&[9]).integers().unwrap(), [9]);
        assert!(TensorProto::of_f32("t", &[1], &[1.0]).integers().is_none());
    }
}
