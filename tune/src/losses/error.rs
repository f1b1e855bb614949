//! Why there is no loss.

use crate::engine::RunError;
use crate::heads::HeadError;

/// Why a loss cannot be set up or computed.
#[derive(Debug, thiserror::Error)]
pub enum LossError {
    /// An option is out of its range.
    #[error("`{key}`: expected {expected}")]
    Option {
        /// The option.
        key: &'static str,
        /// Its range, and what was found.
        expected: String,
    },
    /// The network's head cannot be trained.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The network cannot be tried.
    #[error("a trial run of the network failed: {0}")]
    Run(#[from] RunError),
    /// A tensor is not there.
    #[error("expected a tensor of numbers \"{name}\" in the {model}, found none")]
    Missing {
        /// `student` or `parent`.
        model: &'static str,
        /// The tensor.
        name: String,
    },
    /// Parent and student do not go together.
    #[error(
        "parent and student differ: expected \"{name}\" of the parent with sides {expected}, found {found:?}"
    )]
    Parent {
        /// The parent's tensor.
        name: String,
        /// What the student needs.
        expected: String,
        /// Its sides.
        found: Vec<usize>,
    },
    /// Class weights for another number of classes.
    #[error("expected {expected} class weights, each finite and at least 0, found {found:?}")]
    ClassWeights {
        /// Number of classes.
        expected: usize,
        /// The weights.
        found: Vec<f32>,
    },
    /// An adaptor is not as it was made.
    #[error("expected a parameter \"{name}\" with sides {expected:?} and its gradient, found {found:?}")]
    Adaptor {
        /// The parameter.
        name: String,
        /// Its sides.
        expected: Vec<usize>,
        /// Those found; none where it is not there.
        found: Vec<usize>,
    },
    /// Another number of tensors than of taps.
    #[error("expected {expected} tensors of the {model}, one per tap, found {found}")]
    Taps {
        /// `student` or `parent`.
        model: &'static str,
        /// Number of taps.
        expected: usize,
        /// Number of tensors.
        found: usize,
    },
    /// A tensor has other sides than before.
    #[error("expected \"{name}\" of the {model} with sides {expected:?}, found {found:?}")]
    Sides {
        /// `student` or `parent`.
        model: &'static str,
        /// The tensor.
        name: String,
        /// Sides when the loss was set up.
        expected: Vec<usize>,
        /// Sides now.
        found: Vec<usize>,
    },
    /// A tensor holds NaN or infinity.
    #[error("expected finite numbers, found {value} in \"{name}\" of the {model} at element {index}")]
    NotFinite {
        /// `student` or `parent`.
        model: &'static str,
        /// The tensor.
        name: String,
        /// The first such element.
        index: usize,
        /// Its value.
        value: f32,
    },
    /// A label makes no sense.
    #[error(
        "label {index}: expected a class below {classes} and a finite box with an area, found class {class} and {bbox:?}"
    )]
    Truth {
        /// Its place in the image.
        index: usize,
        /// Number of classes.
        classes: usize,
        /// Its class.
        class: u32,
        /// Left, top, right, bottom, pixels.
        bbox: [f32; 4],
    },
    /// More objects than queries.
    #[error("expected at most {queries} labels in an image, one per query, found {found}")]
    Queries {
        /// The head's queries.
        queries: usize,
        /// The labels.
        found: usize,
    },
    /// Labels are to be learnt from, but which cell a box comes from is not known.
    #[error(
        "`labels`: expected a {kind} head of strides 8, 16, 32 (and 64), found {locations} locations, whose cells are \
         not known"
    )]
    Cells {
        /// The family.
        kind: &'static str,
        /// The head's locations.
        locations: usize,
    },
}
