//! What is in the images.

use roadproof::detector::{Detector, Thresholds};

use super::ImbalanceError;
use crate::data::{DataError, Object, Samples};

/// The objects of all images, in their own pixels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Objects {
    images: Vec<Vec<Object>>,
}

impl Objects {
    /// From the objects of each image.
    #[must_use]
    pub fn new(images: Vec<Vec<Object>>) -> Self {
        Self { images }
    }

    /// By image.
    #[must_use]
    pub fn images(&self) -> &[Vec<Object>] {
        &self.images
    }

    /// What is labelled.
    ///
    /// # Errors
    /// Not all images are labelled.
    pub fn labelled(samples: &Samples) -> Result<Self, ImbalanceError> {
        let images = samples.images();
        let bare: Vec<_> = (0..images).filter(|image| samples.objects(*image).is_none()).collect();
        if let Some(first) = bare.first() {
            let example = samples.name(*first).to_owned();
            return Err(ImbalanceError::Unlabelled { unlabelled: bare.len(), images, example });
        }
        let of = |image| samples.objects(image).unwrap_or_default().to_vec();
        Ok(Self { images: (0..images).map(of).collect() })
    }

    /// What is labelled, and where an image has no labels what the parent detects in it with at least `score`; an image that
    /// cannot be read has nothing. `thresholds` are the parent's own; `progress` is told after each image how many of how many
    /// are done.
    ///
    /// # Errors
    /// The parent does not run.
    pub fn detected(
        samples: &Samples,
        parent: &mut Detector,
        thresholds: &Thresholds,
        score: f32,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Self, ImbalanceError> {
        let mut thresholds = thresholds.clone();
        thresholds.keep_all_from(score);
        let mut maker = samples.maker();
        let mut found = Vec::new();
        let mut images = Vec::with_capacity(samples.images());
        for image in 0..samples.images() {
            let objects = match samples.objects(image) {
                Some(objects) => objects.to_vec(),
                None => match samples.pixels(&mut maker, image) {
                    Ok(pixels) => {
                        parent.detect(&pixels, &thresholds, &mut found).map_err(|source| {
                            ImbalanceError::Detector {
                                image: samples.name(image).to_owned(),
                                source: Box::new(source),
                            }
                        })?;
                        found.iter().map(|one| Object { class_id: one.class_id, bbox: one.bbox }).collect()
                    }
                    // counted when it is its turn in the training
                    Err(DataError::Image { .. }) => Vec::new(),
                    Err(error) => return Err(error.into()),
                },
            };
            images.push(objects);
            progress(image + 1, samples.images());
        }
        Ok(Self { images })
    }
}
