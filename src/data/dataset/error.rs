use std::path::PathBuf;

/// What is wrong with a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A file or folder cannot be read.
    #[error("{path}: cannot be read: {source}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder has none of the known layouts.
    #[error(
        "{path}: no layout of labels that is known: expected images/ and labels/ with classes.txt (YOLO), image_2/ and label_2/ \
         (KITTI), or a .json file (COCO, BDD100K)",
        path = path.display()
    )]
    UnknownLayout {
        /// The folder or file.
        path: PathBuf,
    },
    /// A line of a label file is wrong.
    #[error("{path}:{line}: expected {expected}, found '{found}'", path = path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A JSON file is wrong.
    #[error("{path}: {problem}", path = path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// An image that labels speak of is missing or no image.
    #[error("{path}: {problem}", path = path.display())]
    Image {
        /// The image's file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file between the classes of dataset and model is wrong.
    #[error("{path}: {problem}", path = path.display())]
    ClassMap {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A bag cannot be used.
    #[error("{path}: {problem}", path = path.display())]
    Bag {
        /// The bag.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// There is no image.
    #[error("{path}: holds no labelled image", path = path.display())]
    Empty {
        /// The dataset.
        path: PathBuf,
    },
}
