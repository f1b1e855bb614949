//! Data from outside: labelled images, videos, bags.

pub mod bag;
pub mod dataset;
pub mod source;

use std::path::Path;

/// How the names of image files end, in lower case.
pub const IMAGE_SUFFIXES: [&str; 3] = ["jpg", "jpeg", "png"];

/// Whether a file is an image by its name.
#[must_use]
pub fn is_image_file(path: &Path) -> bool {
    IMAGE_SUFFIXES.contains(&suffix(path).as_str())
}

/// The suffix of a file's name in lower case; empty without one.
fn suffix(path: &Path) -> String {
    path.extension().and_then(|suffix| suffix.to_str()).unwrap_or_default().to_ascii_lowercase()
}
