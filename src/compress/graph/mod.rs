//! A model's graph: load, look through, edit, save.
//!
//! [`Model::load`] refuses what it could not write again as it was; [`Model::save`] leaves either the whole file or none.

mod edit;
mod error;
pub mod proto;
mod select;
mod tensor;
mod wire;

#[cfg(test)]
pub(crate) mod build;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use prost::Message as _;

pub use edit::{Consumer, Index, Names};
pub use error::GraphError;
use proto::{GraphProto, ModelProto, NodeProto, StringEntry, ValueInfo};
use wire::WireProblem;

use crate::detector::model_file;

/// Versions of the operator set that can be read.
pub const OPSETS: std::ops::RangeInclusive<i64> = 7..=24;

/// A model in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    proto: ModelProto,
    graph: GraphProto,
    opset: i64,
    path: PathBuf,
    sha256: String,
}

impl Model {
    /// Reads a model file; `sha256` is what it should have, if that is known.
    ///
    /// # Errors
    /// [`GraphError`]: it cannot be read, is no ONNX, is cut off, has another hash, keeps data in other files, is of an
    /// unsupported version, or holds something that would be lost.
    pub fn load(path: &Path, sha256: Option<&str>) -> Result<Self, GraphError> {
        let sha256 = model_file::verify(path, sha256, &mut |_, _| ())?;
        let bytes = std::fs::read(path).map_err(|source| crate::detector::DetectorError::Read {
            what: "the model",
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes, path, sha256)
    }

    /// Reads a model from memory; `path` is for messages.
    ///
    /// # Errors
    /// As [`load`](Self::load), except for what is about the file.
    pub fn from_bytes(bytes: &[u8], path: &Path, sha256: String) -> Result<Self, GraphError> {
        let length = bytes.len();
        let not_onnx = |offset| GraphError::NotOnnx { path: path.to_owned(), offset, length };
        wire::check(bytes).map_err(|problem| match problem {
            WireProblem::Malformed { offset } => not_onnx(offset),
            // a message of some other kind
            WireProblem::Unknown { place, field } if place == "model" && field > 26 => not_onnx(0),
            WireProblem::Unknown { place, field } => {
                GraphError::UnknownField { path: path.to_owned(), place, field }
            }
        })?;
        let mut proto = ModelProto::decode(bytes).map_err(|_| not_onnx(0))?;
        let wrong = |expected: &str, found: String| GraphError::Model {
            path: path.to_owned(),
            expected: expected.to_owned(),
            found,
        };
        let graph = proto.graph.take().ok_or_else(|| wrong("a graph", "a model without one".to_owned()))?;
        let is_onnx = |domain: &Option<String>| matches!(domain.as_deref(), None | Some("" | "ai.onnx"));
        let opset = proto.opset_import.iter().find(|set| is_onnx(&set.domain)).and_then(|set| set.version);
        let opset = opset.ok_or_else(|| wrong("a version of ONNX's operators", "none".to_owned()))?;
        if !OPSETS.contains(&opset) {
            let expected = format!("operators of ONNX {} to {}", OPSETS.start(), OPSETS.end());
            return Err(wrong(&expected, format!("opset {opset}")));
        }
        for tensor in &graph.initializer {
            if tensor.data_location() == 1 || !tensor.external_data.is_empty() {
                let location = tensor.external_data.iter().find(|entry| entry.key() == "location");
                return Err(GraphError::ExternalData {
                    path: path.to_owned(),
                    tensor: tensor.name().to_owned(),
                    location: location.map_or("?", |entry| entry.value()).to_owned(),
                });
            }
        }
        Ok(Self { proto, graph, opset, path: path.to_owned(), sha256 })
    }

    /// The version of ONNX's operators that it uses.
    #[must_use]
    pub fn opset(&self) -> i64 {
        self.opset
    }

    /// The file that it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 of that file, lower-case hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Its graph.
    #[must_use]
    pub fn graph(&self) -> &GraphProto {
        &self.graph
    }

    /// Its graph, to edit.
    pub fn graph_mut(&mut self) -> &mut GraphProto {
        &mut self.graph
    }

    /// The version of the file format, if the file says it.
    #[must_use]
    pub fn ir_version(&self) -> Option<i64> {
        self.proto.ir_version
    }

    /// Raises the version of the file format to `least` where it is lower.
    pub fn require_ir_version(&mut self, least: i64) {
        self.proto.ir_version = Some(self.proto.ir_version.unwrap_or(0).max(least));
    }

    /// What wrote the file, and its version; empty where it does not say.
    #[must_use]
    pub fn producer(&self) -> (&str, &str) {
        (self.proto.producer_name(), self.proto.producer_version())
    }

    /// Sets of operators that it uses, with their versions; ONNX's own has the name `ai.onnx`.
    #[must_use]
    pub fn operator_sets(&self) -> Vec<(String, i64)> {
        let name = |domain: &str| if domain.is_empty() { "ai.onnx".to_owned() } else { domain.to_owned() };
        self.proto.opset_import.iter().map(|set| (name(set.domain()), set.version())).collect()
    }

    /// Says in the file what wrote it.
    pub fn set_producer(&mut self, name: &str, version: &str) {
        self.proto.producer_name = Some(name.to_owned());
        self.proto.producer_version = Some(version.to_owned());
    }

    /// An entry of the file's metadata.
    #[must_use]
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.proto.metadata_props.iter().find(|entry| entry.key() == key).map(StringEntry::value)
    }

    /// Sets an entry of the file's metadata.
    pub fn set_metadata(&mut self, key: &str, value: &str) {
        self.proto.metadata_props.retain(|entry| entry.key() != key);
        let entry = StringEntry { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        self.proto.metadata_props.push(entry);
    }

    /// The file's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut whole = self.proto.clone();
        whole.graph = Some(self.graph.clone());
        whole.encode_to_vec()
    }

    /// Writes the model to `path`: to a file beside it first, which takes its name when it is whole. Returns the bytes
    /// written.
    ///
    /// # Errors
    /// [`GraphError::Write`].
    pub fn save(&self, path: &Path) -> Result<Vec<u8>, GraphError> {
        let bytes = self.to_bytes();
        write_whole(path, &bytes)?;
        Ok(bytes)
    }

    /// The fixed shape of the model's one input that is no constant.
    ///
    /// # Errors
    /// [`GraphError::Model`]: it has none or several, or a side of it is free.
    pub fn input_shape(&self) -> Result<Vec<i64>, GraphError> {
        let constant = |name: &str| self.graph.initializer.iter().any(|tensor| tensor.name() == name);
        let given: Vec<&ValueInfo> =
            self.graph.input.iter().filter(|value| !constant(value.name())).collect();
        match given.as_slice() {
            [only] => self.static_shape(only),
            several => Err(GraphError::Model {
                path: self.path.clone(),
                expected: "one input".to_owned(),
                found: several.len().to_string(),
            }),
        }
    }

    /// The shape of a tensor that the model declares, if every side is fixed.
    ///
    /// # Errors
    /// [`GraphError::Model`] names the side that is not.
    pub fn static_shape(&self, value: &ValueInfo) -> Result<Vec<i64>, GraphError> {
        let shape = value.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
        let wrong = |found: String| GraphError::Model {
            path: self.path.clone(),
            expected: format!("a fixed shape of `{}`", value.name()),
            found,
        };
        let shape = shape.ok_or_else(|| wrong("none".to_owned()))?;
        let side = |(axis, dim): (usize, &proto::Dimension)| {
            dim.dim_value.filter(|side| *side > 0).ok_or_else(|| {
                wrong(format!(
                    "a free side `{}` on axis {axis}; export it with a fixed size",
                    dim.dim_param()
                ))
            })
        };
        shape.dim.iter().enumerate().map(side).collect()
    }
}

/// Writes a file under a partial name and renames it when it is whole.
///
/// # Errors
/// [`GraphError::Write`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), GraphError> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".part");
    let partial = PathBuf::from(partial);
    let written = std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path));
    written.map_err(|source| {
        let _ = std::fs::remove_file(&partial); // what matters is the first error
        GraphError::Write { path: path.to_owned(), source }
    })
}

/// A node's name, or where it has none its first output, which is as unique.
#[must_use]
pub fn node_name(node: &NodeProto) -> &str {
    match node.name() {
        "" => node.output.first().map_or("", String::as_str),
        name => name,
    }
}
