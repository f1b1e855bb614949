//! A walk over the raw bytes of an ONNX file, before it is read: nothing in it may get lost.
//!
//! Protobuf readers skip fields that they do not know. A model that is read and written again would lose them, so a file
//! that holds one is refused, with the field's place.

/// What is wrong with the bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WireProblem {
    /// They end early, or are no protobuf at all.
    Malformed { offset: usize },
    /// A field that [`super::proto`] lacks; `place` is such as `graph.node.attribute`.
    Unknown { place: String, field: u64 },
}

/// Messages that hold messages.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Model,
    Opset,
    Entry,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Dimension,
}

enum Field {
    Plain,
    Nested(Kind, &'static str),
    Unknown,
}

impl Kind {
    fn field(self, number: u64) -> Field {
        use Field::{Nested, Plain, Unknown};
        match (self, number) {
            (Self::Model, 7) => Nested(Self::Graph, "graph"),
            (Self::Model, 8) => Nested(Self::Opset, "opset_import"),
            (Self::Model, 14) | (Self::Graph | Self::Tensor, 16) | (Self::Node, 9) | (Self::ValueInfo, 4) => {
                Nested(Self::Entry, "metadata_props")
            }
            (Self::Graph, 1) => Nested(Self::Node, "node"),
            (Self::Graph, 5) => Nested(Self::Tensor, "initializer"),
            (Self::Graph, 11..=13) => Nested(Self::ValueInfo, "value"),
            (Self::Node, 5) => Nested(Self::Attribute, "attribute"),
            (Self::Attribute, 5 | 10) => Nested(Self::Tensor, "tensor"),
            (Self::Tensor, 13) => Nested(Self::Entry, "external_data"),
            (Self::ValueInfo, 2) => Nested(Self::Type, "type"),
            (Self::Type, 1) => Nested(Self::TensorType, "tensor_type"),
            (Self::TensorType, 2) => Nested(Self::Shape, "shape"),
            (Self::Shape, 1) => Nested(Self::Dimension, "dim"),
            (Self::Model, 1..=6)
            | (Self::Opset | Self::Entry, 1 | 2)
            | (Self::Graph, 2 | 10)
            | (Self::Node, 1..=4 | 6..=8)
            | (Self::Attribute, 1..=4 | 7..=9 | 13 | 20 | 21)
            | (Self::Tensor, 1 | 2 | 4..=12 | 14)
            | (Self::ValueInfo, 1 | 3)
            | (Self::Type, 6)
            | (Self::TensorType, 1)
            | (Self::Dimension, 1..=3) => Plain,
            _ => Unknown,
        }
    }
}

/// Checks that every field of a model file is known and whole.
pub(super) fn check(bytes: &[u8]) -> Result<(), WireProblem> {
    walk(&mut Reader { bytes, offset: 0 }, bytes.len(), Kind::Model, "model")
}

fn walk(reader: &mut Reader<'_>, end: usize, kind: Kind, place: &str) -> Result<(), WireProblem> {
    while reader.offset < end {
        let at = reader.offset;
        let malformed = WireProblem::Malformed { offset: at };
        let key = reader.varint(end)?;
        let (number, wire_type) = (key >> 3, key & 7);
        let length = match wire_type {
            0 => {
                reader.varint(end)?;
                0
            }
            1 => 8,
            2 => reader.varint(end)?,
            5 => 4,
            _ => return Err(malformed),
        };
        let stop = usize::try_from(length)
            .ok()
            .and_then(|length| reader.offset.checked_add(length))
            .filter(|stop| *stop <= end && number > 0);
        let Some(stop) = stop else { return Err(malformed) };
        match kind.field(number) {
            Field::Nested(inner, name) if wire_type == 2 => {
                // the place is only put together for a complaint
                walk(reader, stop, inner, name).map_err(|problem| match problem {
                    WireProblem::Unknown { place: inner, field } => {
                        WireProblem::Unknown { place: format!("{place}.{inner}"), field }
                    }
                    other @ WireProblem::Malformed { .. } => other,
                })?;
            }
            Field::Nested(..) => return Err(malformed),
            Field::Plain => reader.offset = stop,
            Field::Unknown => return Err(WireProblem::Unknown { place: place.to_owned(), field: number }),
        }
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Reader<'_> {
    fn varint(&mut self, end: usize) -> Result<u64, WireProblem> {
        let malformed = WireProblem::Malformed { offset: self.offset };
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes.get(self.offset).filter(|_| self.offset < end);
            let Some(byte) = byte else { return Err(malformed) };
            self.offset += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed)
    }
}
