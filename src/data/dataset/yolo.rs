//! The layout of YOLO: `images/NAME.jpg`, `labels/NAME.txt` with a line `class x y width height` per instance, centre and size in
//! shares of the image, and `classes.txt` with a name per line.

use std::path::{Path, PathBuf};

use super::{
    Dataset, DatasetError, IMAGE_SUFFIXES, Label, LabelledImage, Layout, files, image_size, is_box, read_text,
};

pub(super) fn read(name: String, path: &Path, images: Option<&Path>) -> Result<Dataset, DatasetError> {
    let names = path.join("classes.txt");
    let classes: Vec<String> = read_text(&names)?
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let images = images.map_or_else(|| path.join("images"), Path::to_owned);
    let mut dataset =
        Dataset { name, layout: Layout::Yolo, classes, images: Vec::new(), warnings: Vec::new() };
    for image in files(&images, &IMAGE_SUFFIXES)? {
        let stem = image.file_stem().unwrap_or_default().to_owned();
        let mut labels = PathBuf::from(&stem);
        labels.as_mut_os_string().push(".txt");
        let labels = path.join("labels").join(labels);
        // As YOLO has it: an image without a file has nothing in it.
        let labels =
            if labels.exists() { lines(&labels, image_size(&image)?, &mut dataset)? } else { Vec::new() };
        dataset.images.push(LabelledImage { id: stem.to_string_lossy().into_owned(), path: image, labels });
    }
    Ok(dataset)
}

fn lines(path: &Path, [width, height]: [f64; 2], dataset: &mut Dataset) -> Result<Vec<Label>, DatasetError> {
    let mut labels = Vec::new();
    for (number, line) in (1..).zip(read_text(path)?.lines()) {
        let wrong = |expected: &str| DatasetError::Line {
            path: path.to_owned(),
            line: number,
            expected: expected.to_owned(),
            found: line.to_owned(),
        };
        let mut fields = line.split_whitespace();
        let Some(class) = fields.next() else { continue };
        let class: usize = class.parse().map_err(|_| wrong("a class number first"))?;
        if class >= dataset.classes.len() {
            return Err(wrong(&format!(
                "a class below {}, the number of names in classes.txt",
                dataset.classes.len()
            )));
        }
        let numbers: Vec<f64> = fields
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| wrong("'class x y width height' in shares of the image"))?;
        let [x, y, box_width, box_height] = numbers[..] else {
            return Err(wrong("'class x y width height', five fields (polygons are not supported)"));
        };
        let bbox = [
            (x - box_width / 2.0) * width,
            (y - box_height / 2.0) * height,
            (x + box_width / 2.0) * width,
            (y + box_height / 2.0) * height,
        ];
        if !numbers.iter().all(|value| (-0.01..=1.01).contains(value)) {
            return Err(wrong("shares of the image, 0 to 1"));
        }
        if is_box(&bbox) {
            labels.push(Label::new(Some(class), bbox));
        } else {
            dataset.warnings.push(format!("{}:{number}: a box without area is left out", path.display()));
        }
    }
    Ok(labels)
}
