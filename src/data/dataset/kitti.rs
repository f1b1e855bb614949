//! KITTI's object benchmark: `image_2/NAME.png`, `label_2/NAME.txt` with a line per instance of at least eight fields: type,
//! truncation, occlusion, alpha, left, top, right, bottom (Geiger et al., CVPR 2012; the development kit's readme).

use std::path::{Path, PathBuf};

use super::{Dataset, DatasetError, IMAGE_SUFFIXES, Label, LabelledImage, Layout, files, is_box, read_text};

/// The type of a region in which nothing counts.
const IGNORED: &str = "DontCare";

pub(super) fn read(name: String, path: &Path, images: Option<&Path>) -> Result<Dataset, DatasetError> {
    let images = images.map_or_else(|| path.join("image_2"), Path::to_owned);
    let mut dataset = Dataset {
        name,
        layout: Layout::Kitti,
        classes: Vec::new(),
        images: Vec::new(),
        warnings: Vec::new(),
    };
    for image in files(&images, &IMAGE_SUFFIXES)? {
        let stem = image.file_stem().unwrap_or_default().to_owned();
        let mut labels = PathBuf::from(&stem);
        labels.as_mut_os_string().push(".txt");
        let labels = lines(&path.join("label_2").join(labels), &mut dataset)?;
        dataset.images.push(LabelledImage { id: stem.to_string_lossy().into_owned(), path: image, labels });
    }
    Ok(dataset)
}

fn lines(path: &Path, dataset: &mut Dataset) -> Result<Vec<Label>, DatasetError> {
    let mut labels = Vec::new();
    for (number, line) in (1..).zip(read_text(path)?.lines()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let wrong = |expected: &str| DatasetError::Line {
            path: path.to_owned(),
            line: number,
            expected: expected.to_owned(),
            found: line.to_owned(),
        };
        let [kind, _, _, _, sides @ ..] = fields.as_slice() else {
            if fields.is_empty() {
                continue;
            }
            return Err(wrong("type, truncation, occlusion, alpha, left, top, right, bottom"));
        };
        let sides: Vec<f64> = sides.iter().take(4).map_while(|side| side.parse().ok()).collect();
        let [left, top, right, bottom] = sides[..] else {
            return Err(wrong("left, top, right, bottom in pixels as fields 5 to 8"));
        };
        let bbox = [left, top, right, bottom];
        if !is_box(&bbox) {
            dataset.warnings.push(format!("{}:{number}: a box without area is left out", path.display()));
            continue;
        }
        let class = (*kind != IGNORED).then(|| class_index(&mut dataset.classes, kind));
        labels.push(Label::new(class, bbox));
    }
    Ok(labels)
}

/// Index of a name, which is added where it is new.
pub(super) fn class_index(classes: &mut Vec<String>, name: &str) -> usize {
    classes.iter().position(|class| class == name).unwrap_or_else(|| {
        classes.push(name.to_owned());
        classes.len() - 1
    })
}
