//! What is to be seen in an image.

use roadproof::detector::BoundingBox;

/// An object of an image, from labels or from the parent's detections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Its class, as the model numbers them.
    pub class_id: u32,
    /// Its box, in pixels of the network's input.
    pub bbox: BoundingBox,
}

/// What each class counts for in losses, by class number; 1 on average over what is seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassWeights(pub Vec<f32>);

impl ClassWeights {
    /// All the same.
    #[must_use]
    pub fn even(classes: usize) -> Self {
        Self(vec![1.0; classes])
    }

    /// Of a class; 1 beyond the last.
    #[must_use]
    pub fn of(&self, class_id: u32) -> f32 {
        self.0.get(class_id as usize).copied().unwrap_or(1.0)
    }
}
