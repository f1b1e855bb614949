//! Labelled images: COCO JSON, YOLO, KITTI, BDD100K.

mod bag;
mod bdd;
mod class_map;
mod coco;
mod error;
mod kitti;
mod yolo;

use std::path::{Path, PathBuf};

use super::{IMAGE_SUFFIXES, suffix};

pub use bag::{BagLabels, Extent};
pub use class_map::{ClassMap, Mapped, Mapping, class_named};
pub use coco::read_detections;
pub use error::DatasetError;

/// Images and their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Name of its folder or file.
    pub name: String,
    /// How it is laid out.
    pub layout: Layout,
    /// Its own classes.
    pub classes: Vec<String>,
    /// In the order of their names (COCO and BDD100K: of the file).
    pub images: Vec<LabelledImage>,
    /// Labels that cannot be used, and why; they are left out.
    pub warnings: Vec<String>,
}

/// How a dataset is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `images/`, `labels/*.txt`, `classes.txt`.
    Yolo,
    /// One JSON file.
    Coco,
    /// `image_2/`, `label_2/*.txt`.
    Kitti,
    /// One JSON file.
    Bdd100k,
    /// A bag with a topic of labels.
    Bag,
}

/// An image and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledImage {
    /// Its file.
    pub path: PathBuf,
    /// What names it: COCO's id, or the file's name.
    pub id: String,
    /// Instances and regions.
    pub labels: Vec<Label>,
}

/// A labelled instance, or a region that does not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Label {
    /// Index into the dataset's classes; `None` for a region in which nothing counts.
    pub class: Option<usize>,
    /// `x_min`, `y_min`, `x_max`, `y_max`, pixels.
    pub bbox: [f64; 4],
    /// Area, square pixels.
    pub area: f64,
    /// A region with any number of instances: neither right nor wrong to detect there.
    pub is_crowd: bool,
}

impl Label {
    fn new(class: Option<usize>, bbox: [f64; 4]) -> Self {
        let area = (bbox[2] - bbox[0]) * (bbox[3] - bbox[1]);
        Self { class, bbox, area, is_crowd: class.is_none() }
    }
}

impl Dataset {
    /// Whether there are labels at `path`, as [`Dataset::open`] would look for them; whether they are right is not asked.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        if path.is_dir() {
            path.join("label_2").is_dir() || path.join("labels").is_dir()
        } else {
            suffix(path) == "json"
        }
    }

    /// Reads the labels at `path`: a folder (YOLO, KITTI) or a JSON file (COCO, BDD100K), recognised by what it holds.
    ///
    /// `images` is the folder of the images where it does not follow from `path`: beside a JSON file they are looked for in its own
    /// folder, in `images/`, and in a folder of the file's name.
    ///
    /// # Errors
    /// Nothing known is there, or a label or image cannot be read: file, line, and what was expected.
    pub fn open(path: &Path, images: Option<&Path>) -> Result<Self, DatasetError> {
        let name = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let name =
            name.file_name().map_or_else(|| "dataset".to_owned(), |name| name.to_string_lossy().into_owned());
        let unknown = || DatasetError::UnknownLayout { path: path.to_owned() };
        let dataset = if path.is_dir() {
            if path.join("label_2").is_dir() {
                kitti::read(name, path, images)?
            } else if path.join("labels").is_dir() {
                yolo::read(name, path, images)?
            } else {
                return Err(single_json(path).map_or_else(unknown, |json| DatasetError::Json {
                    path: json,
                    problem: "give this file instead of its folder".into(),
                }));
            }
        } else {
            let text = read_text(path)?;
            let json: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
                DatasetError::Json { path: path.to_owned(), problem: format!("no JSON: {error}") }
            })?;
            if json.get("annotations").is_some() {
                coco::read(name, path, &ImageFolders::of(path, images), json)?
            } else if json.is_array() || json.get("frames").is_some() {
                bdd::read(name, path, images, json)?
            } else {
                return Err(unknown());
            }
        };
        if dataset.images.is_empty() {
            return Err(DatasetError::Empty { path: path.to_owned() });
        }
        Ok(dataset)
    }

    /// Reads COCO's JSON file without looking for the images, which scoring given detections does not need.
    ///
    /// # Errors
    /// It is not COCO's.
    pub fn open_labels(path: &Path) -> Result<Self, DatasetError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let json = serde_json::from_str(&read_text(path)?).map_err(|error| DatasetError::Json {
            path: path.to_owned(),
            problem: format!("no JSON: {error}"),
        })?;
        coco::read(name, path, &ImageFolders(Vec::new()), json)
    }
}

fn single_json(folder: &Path) -> Option<PathBuf> {
    let mut files = files(folder, &["json"]).ok()?;
    (files.len() == 1).then(|| files.remove(0))
}

fn read_text(path: &Path) -> Result<String, DatasetError> {
    std::fs::read_to_string(path).map_err(|source| DatasetError::Read { path: path.to_owned(), source })
}

/// The files of a folder with one of the suffixes, by name.
fn files(folder: &Path, suffixes: &[&str]) -> Result<Vec<PathBuf>, DatasetError> {
    let wrong = |source| DatasetError::Read { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        let suffix = suffix(&path);
        if suffixes.contains(&suffix.as_str()) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Width and height of an image file, pixels.
fn image_size(path: &Path) -> Result<[f64; 2], DatasetError> {
    let size = imagesize::size(path).map_err(|error| DatasetError::Image {
        path: path.to_owned(),
        problem: format!("no image: {error}"),
    })?;
    Ok([size.width as f64, size.height as f64])
}

/// Where the images of a JSON file are looked for; nowhere: they are not needed.
struct ImageFolders(Vec<PathBuf>);

impl ImageFolders {
    fn of(json: &Path, given: Option<&Path>) -> Self {
        if let Some(given) = given {
            return Self(vec![given.to_owned()]);
        }
        let folder = json.parent().unwrap_or(Path::new("."));
        let stem = json.file_stem().unwrap_or_default();
        let above = folder.join("..");
        Self(vec![folder.to_owned(), folder.join("images"), folder.join(stem), above.join("images"), above])
    }

    fn find(&self, name: &str) -> Result<PathBuf, DatasetError> {
        if self.0.is_empty() {
            return Ok(PathBuf::from(name));
        }
        let candidates = self.0.iter().map(|folder| folder.join(name));
        candidates.clone().find(|path| path.is_file()).ok_or_else(|| DatasetError::Image {
            path: PathBuf::from(name),
            problem: format!(
                "is not in {}; give the folder of the images with --images",
                candidates
                    .map(|path| path.parent().unwrap_or(&path).display().to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        })
    }
}

/// A box that lies somewhere and has an area.
fn is_box(bbox: &[f64; 4]) -> bool {
    bbox.iter().all(|value| value.is_finite()) && bbox[2] > bbox[0] && bbox[3] > bbox[1]
}

#[cfg(test)]
mod tests;
