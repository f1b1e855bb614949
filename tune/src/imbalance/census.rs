//! How often each class is to be seen.

use super::Objects;

/// Counts of classes over a set of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Census {
    /// By class: number of objects.
    instances: Vec<u64>,
    /// By class: number of images with at least one.
    images: Vec<u64>,
    /// By image: the classes in it, each once, rising.
    classes: Vec<Vec<u32>>,
}

impl Census {
    /// Counts; objects of classes beyond `classes` are left out.
    #[must_use]
    pub fn of(objects: &Objects, classes: usize) -> Self {
        let mut census = Self { instances: vec![0; classes], images: vec![0; classes], classes: Vec::new() };
        for image in objects.images() {
            let mut present = Vec::new();
            for object in image {
                if let Some(count) = census.instances.get_mut(object.class_id as usize) {
                    *count += 1;
                    present.push(object.class_id);
                }
            }
            present.sort_unstable();
            present.dedup();
            for class in &present {
                if let Some(count) = census.images.get_mut(*class as usize) {
                    *count += 1;
                }
            }
            census.classes.push(present);
        }
        census
    }

    /// Number of objects of each class.
    #[must_use]
    pub fn instances(&self) -> &[u64] {
        &self.instances
    }

    /// Number of images with each class.
    #[must_use]
    pub fn images_with(&self) -> &[u64] {
        &self.images
    }

    /// The classes in each image, each once, rising.
    #[must_use]
    pub fn classes_of_images(&self) -> &[Vec<u32>] {
        &self.classes
    }

    /// Share of the images that show a class; 0 where there are no images.
    #[must_use]
    pub fn frequency(&self, class: u32) -> f64 {
        let with = self.images.get(class as usize).copied().unwrap_or(0);
        with as f64 / self.classes.len().max(1) as f64
    }
}
