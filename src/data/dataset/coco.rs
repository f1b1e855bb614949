//! COCO's `instances_*.json`, and its results format (Lin et al., ECCV 2014, arXiv 1405.0312; cocodataset.org, "Data format").

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;

use super::{Dataset, DatasetError, ImageFolders, Label, LabelledImage, Layout, read_text};

#[derive(Deserialize)]
struct Instances {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    image_id: u64,
    category_id: u64,
    /// x, y, width, height.
    bbox: [f64; 4],
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

fn wrong(path: &Path, problem: String) -> DatasetError {
    DatasetError::Json { path: path.to_owned(), problem }
}

pub(super) fn read(
    name: String,
    path: &Path,
    folders: &ImageFolders,
    json: serde_json::Value,
) -> Result<Dataset, DatasetError> {
    let instances: Instances = serde_json::from_value(json).map_err(|error| {
        wrong(path, format!("expected COCO's images, annotations and categories: {error}"))
    })?;
    let classes: HashMap<u64, usize> =
        instances.categories.iter().enumerate().map(|(i, c)| (c.id, i)).collect();
    let mut by_id = HashMap::new();
    let mut dataset = Dataset {
        name,
        layout: Layout::Coco,
        classes: instances.categories.into_iter().map(|category| category.name).collect(),
        images: Vec::new(),
        warnings: Vec::new(),
    };
    for image in instances.images {
        if by_id.insert(image.id, dataset.images.len()).is_some() {
            return Err(wrong(path, format!("two images have the id {}", image.id)));
        }
        let path = folders.find(&image.file_name)?;
        dataset.images.push(LabelledImage { path, id: image.id.to_string(), labels: Vec::new() });
    }
    for (number, annotation) in instances.annotations.into_iter().enumerate() {
        let at =
            |what: &str, id: u64| wrong(path, format!("annotations[{number}]: no {what} has the id {id}"));
        let [x, y, width, height] = annotation.bbox;
        let image = by_id.get(&annotation.image_id).and_then(|index| dataset.images.get_mut(*index));
        let image = image.ok_or_else(|| at("image", annotation.image_id))?;
        let class =
            *classes.get(&annotation.category_id).ok_or_else(|| at("category", annotation.category_id))?;
        if !annotation.bbox.iter().all(|value| value.is_finite()) || width < 0.0 || height < 0.0 {
            return Err(wrong(path, format!("annotations[{number}]: no box: {:?}", annotation.bbox)));
        }
        image.labels.push(Label {
            class: Some(class),
            bbox: [x, y, x + width, y + height],
            area: annotation.area.unwrap_or(width * height),
            is_crowd: annotation.iscrowd != 0,
        });
    }
    Ok(dataset)
}

/// A detection of COCO's results format.
#[derive(Deserialize)]
struct ResultEntry {
    image_id: u64,
    category_id: u64,
    bbox: [f64; 4],
    score: f32,
}

/// Reads detections in COCO's results format (a list of `image_id`, `category_id`, `bbox`, `score`), for the images of `dataset`,
/// whose own JSON file is `labels`.
///
/// Gives for each image of the dataset its detections: class (index into the dataset's classes), x, y, width, height, and score.
///
/// # Errors
/// No JSON of that format, or an image or category that the dataset does not have.
#[expect(clippy::type_complexity, reason = "taken apart at the only place that calls")]
pub fn read_detections(
    path: &Path,
    labels: &Path,
    dataset: &Dataset,
) -> Result<Vec<Vec<(usize, [f64; 4], f32)>>, DatasetError> {
    #[derive(Deserialize)]
    struct Categories {
        categories: Vec<Category>,
    }
    let categories: Categories = serde_json::from_str(&read_text(labels)?)
        .map_err(|error| wrong(labels, format!("expected COCO's categories: {error}")))?;
    let classes: HashMap<u64, usize> =
        categories.categories.iter().enumerate().map(|(i, c)| (c.id, i)).collect();
    let entries: Vec<ResultEntry> = serde_json::from_str(&read_text(path)?).map_err(|error| {
        wrong(path, format!("expected a list of image_id, category_id, bbox and score: {error}"))
    })?;
    let images: HashMap<&str, usize> =
        dataset.images.iter().enumerate().map(|(i, image)| (image.id.as_str(), i)).collect();
    let mut found = vec![Vec::new(); dataset.images.len()];
    for (number, entry) in entries.into_iter().enumerate() {
        let at = |what: &str, id: u64| wrong(path, format!("entry {number}: the dataset has no {what} {id}"));
        let image = images.get(entry.image_id.to_string().as_str()).and_then(|index| found.get_mut(*index));
        let class = *classes.get(&entry.category_id).ok_or_else(|| at("category", entry.category_id))?;
        let entry_values = entry.bbox.iter().all(|value| value.is_finite()) && entry.score.is_finite();
        if !entry_values {
            return Err(wrong(path, format!("entry {number}: box or score is no number")));
        }
        image.ok_or_else(|| at("image", entry.image_id))?.push((class, entry.bbox, entry.score));
    }
    Ok(found)
}
