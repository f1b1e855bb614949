//! Labelled images.

use std::path::Path;

use roadproof::data::dataset::{ClassMap, Dataset, LabelledImage, Mapping};
use roadproof::detector::BoundingBox;

use super::{Entry, Object};
use crate::data::error::DataError;
use crate::data::options::SourceOptions;

/// How far a box may reach beyond its image: a share of the side, and whole pixels. Datasets round.
const OVERHANG: (f64, f64) = (0.01, 1.0);

/// Reads the labels, and maps their classes to those of the model. Crowds, regions that do not count and classes that the
/// model does not know are left out.
pub(super) fn open(
    source: &SourceOptions,
    classes: &[String],
    warnings: &mut Vec<String>,
) -> Result<Vec<Entry>, DataError> {
    let map = source.class_map.as_deref().map(ClassMap::load).transpose()?.unwrap_or_default();
    let mut dataset = Dataset::open(&source.path, None)?;
    let mapped = map.apply(&dataset, classes, source.class_map.as_deref().unwrap_or(Path::new("")))?.classes;
    if !mapped.iter().any(|mapping| matches!(mapping, Mapping::To(_))) {
        let theirs = dataset.classes.join(", ");
        return Err(DataError::NothingKnown { path: source.path.clone(), theirs });
    }
    let theirs = dataset.classes.iter().zip(&mapped);
    let unknown: Vec<_> =
        theirs.filter(|(_, mapping)| **mapping == Mapping::Unmapped).map(|(name, _)| name.as_str()).collect();
    if !unknown.is_empty() {
        let path = source.path.display();
        warnings.push(format!(
            "{path}: the model does not know, so labels of these are left out: {}",
            unknown.join(", ")
        ));
    }
    warnings.append(&mut dataset.warnings);
    dataset.images.sort_by(|one, other| one.path.cmp(&other.path));
    let images = source.pick(std::mem::take(&mut dataset.images));
    images.iter().map(|image| entry(image, &mapped, &source.path)).collect()
}

fn entry(image: &LabelledImage, mapped: &[Mapping], dataset: &Path) -> Result<Entry, DataError> {
    // an image that is none is found when it is read
    let size = imagesize::size(&image.path).ok();
    let mut objects = Vec::new();
    for (number, label) in (1..).zip(&image.labels) {
        let [x_min, y_min, x_max, y_max] = label.bbox;
        if let Some(size) = size {
            let within = |low: f64, high: f64, side: usize| {
                let side = side as f64;
                let beyond = OVERHANG.0 * side + OVERHANG.1;
                low >= -beyond && high <= side + beyond && low < side && high > 0.0
            };
            if !within(x_min, x_max, size.width) || !within(y_min, y_max, size.height) {
                return Err(DataError::Label {
                    path: dataset.to_owned(),
                    image: image.path.clone(),
                    number,
                    width: size.width,
                    height: size.height,
                    found: label.bbox,
                });
            }
        }
        let mapping = label.class.and_then(|class| mapped.get(class));
        if let (Some(Mapping::To(class_id)), false) = (mapping, label.is_crowd) {
            let bbox = BoundingBox::new(x_min as f32, y_min as f32, x_max as f32, y_max as f32);
            objects.push(Object { class_id: *class_id, bbox });
        }
    }
    Ok(Entry::of_file(&image.path, Some(objects)))
}
