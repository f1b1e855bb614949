use std::path::PathBuf;

use roadproof::corruption::CorruptionError;
use roadproof::data::dataset::DatasetError;
use roadproof::data::source::SourceError;
use roadproof::detector::DetectorError;
use roadproof::image::ImageError;

/// Why there are no samples.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// An option is out of its range.
    #[error("{key}: expected {expected}, found {found}")]
    Option {
        /// Where it stands among the options.
        key: String,
        /// What may stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Labels cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// A video, a bag or a folder cannot be opened.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A folder cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A source gives no images.
    #[error("{path}: expected at least one image, found none{hint}", path = path.display())]
    Empty {
        /// The source.
        path: PathBuf,
        /// What may be the reason.
        hint: &'static str,
    },
    /// The model knows none of a dataset's classes.
    #[error(
        "{path}: expected labels of classes that the model knows, found only others ({theirs}); give a class_map",
        path = path.display()
    )]
    NothingKnown {
        /// The dataset.
        path: PathBuf,
        /// Its classes.
        theirs: String,
    },
    /// A labelled box lies outside of its image.
    #[error(
        "{path}: label {number} of {image}: expected a box within the image's {width} x {height} px, found {found:?} \
         (x_min, y_min, x_max, y_max)",
        path = path.display(),
        image = image.display()
    )]
    Label {
        /// The dataset.
        path: PathBuf,
        /// The image's file.
        image: PathBuf,
        /// Which of its labels, from 1.
        number: usize,
        /// Width of the image, pixels.
        width: usize,
        /// Height of the image, pixels.
        height: usize,
        /// The box, pixels.
        found: [f64; 4],
    },
    /// The frames of a stream need more memory than they may.
    #[error(
        "{path}: expected frames of at most memory_mib = {limit_mib} MiB in all, found more after {frames} frames; take \
         fewer with every or limit, or allow more",
        path = path.display()
    )]
    Memory {
        /// The stream.
        path: PathBuf,
        /// Its frames that fit.
        frames: usize,
        /// The limit, MiB.
        limit_mib: u64,
    },
    /// More images cannot be read than may be.
    #[error(
        "expected at most one image in ten that cannot be read, found {count} of {images}, such as {}",
        examples.join("; ")
    )]
    Unreadable {
        /// How many.
        count: usize,
        /// Of how many.
        images: usize,
        /// A few of them, and what is wrong with them.
        examples: Vec<String>,
    },
    /// An image cannot be read.
    #[error("{name}: {problem}")]
    Image {
        /// Its file or frame.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no image of this number.
    #[error("expected the number of one of {images} images, found {found}")]
    NoImage {
        /// What was asked for.
        found: usize,
        /// How many there are.
        images: usize,
    },
    /// The input tensor cannot be made.
    #[error(transparent)]
    Detector(#[from] DetectorError),
    /// A picture cannot be corrupted.
    #[error(transparent)]
    Corruption(#[from] CorruptionError),
    /// A picture without pixels.
    #[error(transparent)]
    Pixels(#[from] ImageError),
    /// OpenCV fails, which it does to a valid picture only when memory runs out.
    #[error("OpenCV cannot {action}: {source}")]
    OpenCv {
        /// What it was to do.
        action: &'static str,
        /// Its own words.
        #[source]
        source: opencv::Error,
    },
}

/// An [`DataError::Option`] unless `good`.
pub(crate) fn check(
    good: bool,
    key: &str,
    expected: &'static str,
    found: &dyn std::fmt::Debug,
) -> Result<(), DataError> {
    if good {
        return Ok(());
    }
    Err(DataError::Option { key: key.to_owned(), expected, found: format!("{found:?}") })
}

/// Checks a probability, 0 to 1.
pub(crate) fn check_probability(key: &str, value: f64) -> Result<(), DataError> {
    check((0.0..=1.0).contains(&value), key, "a probability from 0 to 1", &value)
}

/// Checks a range `[low, high]` within `bounds`, both included.
pub(crate) fn check_range(
    key: &str,
    range: [f64; 2],
    bounds: [f64; 2],
    expected: &'static str,
) -> Result<(), DataError> {
    let [low, high] = range;
    check(bounds[0] <= low && low <= high && high <= bounds[1], key, expected, &range)
}
