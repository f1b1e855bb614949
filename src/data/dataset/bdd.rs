//! BDD100K's detection labels: a list of frames (or an object with `frames`), each with `name` and `labels` of `category` and
//! `box2d` (Yu et al., CVPR 2020; the format of the Scalabel toolkit).

use std::path::Path;

use serde::Deserialize;

use super::kitti::class_index;
use super::{Dataset, DatasetError, ImageFolders, Label, LabelledImage, Layout, is_box};

#[derive(Deserialize)]
struct Frame {
    name: String,
    labels: Option<Vec<FrameLabel>>,
}

#[derive(Deserialize)]
struct FrameLabel {
    category: String,
    box2d: Option<Box2d>,
    attributes: Option<Attributes>,
}

#[derive(Deserialize)]
struct Box2d {
    x1: f64,
    y1: f64,
    x2: f64,
    y2: f64,
}

#[derive(Deserialize)]
struct Attributes {
    crowd: Option<bool>,
    ignored: Option<bool>,
}

pub(super) fn read(
    name: String,
    path: &Path,
    images: Option<&Path>,
    mut json: serde_json::Value,
) -> Result<Dataset, DatasetError> {
    let frames = if json.is_array() { json } else { json["frames"].take() };
    let frames: Vec<Frame> = serde_json::from_value(frames).map_err(|error| DatasetError::Json {
        path: path.to_owned(),
        problem: format!("expected BDD100K's frames with name and labels of category and box2d: {error}"),
    })?;
    let folders = ImageFolders::of(path, images);
    let mut dataset = Dataset {
        name,
        layout: Layout::Bdd100k,
        classes: Vec::new(),
        images: Vec::new(),
        warnings: Vec::new(),
    };
    for frame in frames {
        let mut labels = Vec::new();
        for label in frame.labels.unwrap_or_default() {
            // Lanes and drivable areas have polygons instead.
            let Some(Box2d { x1, y1, x2, y2 }) = label.box2d else { continue };
            if !is_box(&[x1, y1, x2, y2]) {
                dataset.warnings.push(format!(
                    "{}: {}: a box without area is left out",
                    path.display(),
                    frame.name
                ));
                continue;
            }
            let attributes = label.attributes.unwrap_or(Attributes { crowd: None, ignored: None });
            let is_ignored = attributes.ignored.unwrap_or(false) || label.category == "ignored";
            let class = (!is_ignored).then(|| class_index(&mut dataset.classes, &label.category));
            let is_crowd = is_ignored || attributes.crowd.unwrap_or(false);
            labels.push(Label { is_crowd, ..Label::new(class, [x1, y1, x2, y2]) });
        }
        let image = folders.find(&frame.name)?;
        dataset.images.push(LabelledImage { path: image, id: frame.name, labels });
    }
    Ok(dataset)
}
