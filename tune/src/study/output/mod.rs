//! What a study found, for people: a text, a page, and drawings.

mod charts;
mod page;
mod text;
mod words;

use std::path::{Path, PathBuf};

use roadproof::compress::CompressError;
use roadproof::compress::graph::write_whole;
use roadproof::report::charts::{html, svg};

use super::StudyError;
use super::results::StudyResults;
pub use page::page;
pub use text::text;

/// Folder of the drawings, beside the text.
const IMAGES: &str = "images";

/// Writes `results.json`, `study.md` with `images/`, and `report.html` into `folder`; gives their paths.
///
/// # Errors
/// A file cannot be written, or not be rendered.
pub fn write(results: &StudyResults, folder: &Path) -> Result<Vec<PathBuf>, StudyError> {
    let images = folder.join(IMAGES);
    std::fs::create_dir_all(&images).map_err(StudyError::file(&images, "cannot be made"))?;
    let json = folder.join("results.json");
    let results_text = serde_json::to_string_pretty(results).map_err(StudyError::json(&json))? + "\n";
    let mut files = vec![
        (json, results_text),
        (folder.join("study.md"), text(results)),
        (folder.join("report.html"), html(&page(results))?),
    ];
    for drawing in charts::drawings(results) {
        files.push((images.join(drawing.file), svg(&drawing.chart)?));
    }
    for (path, content) in &files {
        write_whole(path, content.as_bytes()).map_err(CompressError::from)?;
    }
    Ok(files.into_iter().map(|(path, _)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::results::tests::made_up;

    #[test]
    fn every_file_is_written_and_the_text_shows_drawings_that_are_there() {
        let results = made_up();
        let folder = tempfile::tempdir().unwrap();
        let files = write(&results, folder.path()).unwrap();
        assert!(files.iter().all(|file| file.is_file()));
        let json = std::fs::read_to_string(folder.path().join("results.json")).unwrap();
        assert_eq!(serde_json::from_str::<StudyResults>(&json).unwrap(), results);
        let text = std::fs::read_to_string(folder.path().join("study.md")).unwrap();
        let shown: Vec<&str> =
            text.split("](images/").skip(1).filter_map(|rest| rest.split(')').next()).collect();
        assert!(shown.len() >= 3, "{shown:?}");
        assert!(shown.iter().all(|name| folder.path().join(IMAGES).join(name).is_file()), "{shown:?}");
        let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
        for claim in &results.claims {
            assert!(text.contains(&claim.title) && page.contains(&claim.title), "{}", claim.title);
        }
        assert!(!text.contains("NaN") && !page.contains("NaN"));
    }
}
