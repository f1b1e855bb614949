use std::path::PathBuf;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The file cannot be read.
    #[error("report {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not JSON, or holds a key or value that is not a study's.
    #[error("report {}: {source}", .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: serde_json::Error,
    },
    /// The file has a layout that this version does not know.
    #[error("report {}: format must be {expected}, found {found}{}", .path.display(), hint(*.expected, .found))]
    Format {
        /// The file.
        path: PathBuf,
        /// The format that this version reads.
        expected: u32,
        /// What the file says; "none" where it says nothing.
        found: String,
    },
    /// The values do not fit each other.
    #[error("report {}: {problem}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What was expected, what was found, where.
        problem: String,
    },
    /// A template failed.
    #[error("the report cannot be rendered: {0}")]
    Render(#[from] askama::Error),
}

fn hint(expected: u32, found: &str) -> &'static str {
    match found.parse::<u64>() {
        Ok(found) if found > u64::from(expected) => "; a newer roadproof made it, use that one",
        Ok(_) => "; make it again with this version",
        Err(_) => "; is it the report.json of a study?",
    }
}
