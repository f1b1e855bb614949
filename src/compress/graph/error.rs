use std::path::PathBuf;

use crate::detector::DetectorError;

/// Why a model's graph cannot be read, edited or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The file cannot be read, or is plainly something else (a web page, a Git LFS pointer, an archive).
    #[error(transparent)]
    File(#[from] DetectorError),
    /// The bytes are no ONNX model, or only the beginning of one.
    #[error(
        "model `{}`: expected a complete ONNX model (a protobuf message), found bytes that make no sense from offset \
         {offset} of {length} on: the file is cut off or of another format",
        path.display()
    )]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// Where reading ended, in bytes.
        offset: usize,
        /// The file's length in bytes.
        length: usize,
    },
    /// A protobuf message, but no usable model.
    #[error("model `{}`: expected {expected}, found {found}", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A field would be lost when the model is written again.
    #[error(
        "model `{}`: `{place}` has field {field} of onnx.proto, which this version cannot carry over (subgraphs, \
         functions, sparse tensors, types other than tensors). Export the model without it",
        path.display()
    )]
    UnknownField {
        /// The file.
        path: PathBuf,
        /// The message it is in.
        place: String,
        /// The field's number.
        field: u64,
    },
    /// The weights are in another file.
    #[error(
        "model `{}`: the data of `{tensor}` are in an external file (`{location}`); expected all data in the model \
         itself. Save it as one file (`onnx.save(onnx.load(path), path)`)",
        path.display()
    )]
    ExternalData {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The other file.
        location: String,
    },
    /// A node's inputs come from nowhere, or nodes depend on each other in a circle.
    #[error(
        "node `{node}`: its input `{input}` is made by no node before it: the graph is broken or has a circle"
    )]
    Order {
        /// The node.
        node: String,
        /// The tensor.
        input: String,
    },
    /// A tensor does not hold what its header says.
    #[error("tensor `{tensor}`: expected {expected}, found {found}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The result cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
