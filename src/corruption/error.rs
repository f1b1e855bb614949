use crate::image::ImageError;

/// Why a picture could not be corrupted, or a corruption not be understood.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorruptionError {
    /// A severity that is none.
    #[error(
        "severity {found} is outside 0 … 5 (0 is none, 1 to 5 are the published levels, values between interpolate)"
    )]
    Severity {
        /// What was found.
        found: f64,
    },
    /// A name that is none of the corruptions.
    #[error("unknown corruption '{name}'{}; `roadproof corrupt --list` lists them all", suggestion(*.nearest))]
    UnknownName {
        /// What was found.
        name: String,
        /// The nearest known name, if one is near.
        nearest: Option<&'static str>,
    },
    /// A corruption with its severity that is not written as such.
    #[error("expected CORRUPTION:SEVERITY, for example fog:2.5, found '{found}'")]
    Step {
        /// What was found.
        found: String,
    },
    /// A picture too small for kernels that the published parameters give in pixels.
    #[error("a picture of {width} × {height} px is too small: corruptions need at least {min} × {min} px", min = crate::corruption::MIN_SIDE_PX)]
    TooSmall {
        /// Width found, pixels.
        width: u32,
        /// Height found, pixels.
        height: u32,
    },
    /// A picture whose size, step and data do not fit together.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// OpenCV fails, which it does to a valid picture only when memory runs out.
    #[error("{corruption} failed in OpenCV: {source}")]
    OpenCv {
        /// What was being applied.
        corruption: &'static str,
        /// OpenCV's own words.
        source: opencv::Error,
    },
    /// An asset that a corruption is made with is missing or broken.
    #[error("{corruption} needs {asset}: {problem}")]
    Asset {
        /// What was being applied.
        corruption: &'static str,
        /// The file or texture.
        asset: String,
        /// What is wrong with it, and what to do.
        problem: String,
    },
}

fn suggestion(nearest: Option<&'static str>) -> String {
    nearest.map(|name| format!("; did you mean '{name}'?")).unwrap_or_default()
}
