use crate::data::source::SourceError;
use crate::detector::DetectorError;
use crate::image::ImageError;
use crate::pipeline::PipelineError;

/// Why something cannot be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// The pictures cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A picture cannot be used.
    #[error("{name}: {source}; take it out of the input, or mend it")]
    Picture {
        /// Which one.
        name: String,
        /// Why.
        #[source]
        source: ImageError,
    },
    /// A picture cannot be brought to the wanted size.
    #[error("{name}: cannot be scaled to {size}: {source}")]
    Scale {
        /// Which one.
        name: String,
        /// The wanted size.
        size: super::Size,
        /// Why.
        #[source]
        source: opencv::Error,
    },
    /// There are no pictures.
    #[error("{name}: expected at least one picture, found none")]
    NoPictures {
        /// The input.
        name: String,
    },
    /// A model cannot be loaded, or fails.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// A picture that was fine when it was read fails in the pipeline.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// A size that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no size: expected WIDTHxHEIGHT in pixels, each from 1 to 16384, as 1280x720")]
pub struct SizeError {
    pub(super) found: String,
}
