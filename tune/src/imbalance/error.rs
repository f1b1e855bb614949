use roadproof::detector::DetectorError;

use crate::data::DataError;

/// Why classes cannot be balanced.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImbalanceError {
    /// An option is out of its range, or images cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The parent cannot look at an image.
    #[error("{image}: {source}")]
    Detector {
        /// The image's file or frame.
        image: String,
        /// What is wrong.
        #[source]
        source: Box<DetectorError>,
    },
    /// Some images are labelled and others are not, and nobody says what is in those.
    #[error("expected labels of all images, found none of {unlabelled} of {images}, such as {example}")]
    Unlabelled {
        /// How many have no labels.
        unlabelled: usize,
        /// Of how many.
        images: usize,
        /// One of them.
        example: String,
    },
}
