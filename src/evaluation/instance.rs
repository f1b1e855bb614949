//! What is in an image, and what was found in it.

use crate::detector::Detection;

/// An axis-aligned box, pixels: upper left corner and size.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Rect {
    /// The box between two corners.
    #[must_use]
    pub fn from_corners(x_min: f64, y_min: f64, x_max: f64, y_max: f64) -> Self {
        Self { x: x_min, y: y_min, width: x_max - x_min, height: y_max - y_min }
    }

    /// `x_min`, `y_min`, `x_max`, `y_max`.
    #[must_use]
    pub fn corners(&self) -> [f64; 4] {
        [self.x, self.y, self.x + self.width, self.y + self.height]
    }

    /// Area, square pixels.
    #[must_use]
    pub fn area(&self) -> f64 {
        self.width * self.height
    }

    fn intersection(&self, other: &Self) -> f64 {
        let width = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let height = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        if width <= 0.0 || height <= 0.0 { 0.0 } else { width * height }
    }

    /// Intersection over union.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f64 {
        let both = self.intersection(other);
        let union = self.area() + other.area() - both;
        if union > 0.0 { both / union } else { 0.0 }
    }

    /// The share of this box that lies in `region`: what COCO takes for the IoU with a crowd.
    #[must_use]
    pub fn share_in(&self, region: &Self) -> f64 {
        let area = self.area();
        if area > 0.0 { self.intersection(region) / area } else { 0.0 }
    }
}

/// A labelled instance, or a region that does not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Index of the class; `None` for a region in which no class counts.
    pub class_id: Option<u32>,
    /// Where it is.
    pub bbox: Rect,
    /// Its area (of the mask, where the labels say), square pixels: by it COCO tells small from large.
    pub area: f64,
    /// A region that holds any number of instances (COCO's crowd, KITTI's `DontCare`): detections in it are neither right nor wrong.
    pub is_crowd: bool,
}

impl Truth {
    /// An instance that counts.
    #[must_use]
    pub fn new(class_id: u32, bbox: Rect) -> Self {
        Self { class_id: Some(class_id), bbox, area: bbox.area(), is_crowd: false }
    }

    /// Whether it can be found or missed.
    #[must_use]
    pub fn counts(&self) -> bool {
        !self.is_crowd && self.class_id.is_some()
    }
}

/// A detection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Index of the class.
    pub class_id: u32,
    /// Where it is.
    pub bbox: Rect,
    /// Score.
    pub score: f32,
}

impl From<&Detection> for Found {
    fn from(detection: &Detection) -> Self {
        let bbox = &detection.bbox;
        let [x_min, y_min, x_max, y_max] = [bbox.x_min, bbox.y_min, bbox.x_max, bbox.y_max].map(f64::from);
        let bbox = Rect::from_corners(x_min, y_min, x_max, y_max);
        Self { class_id: detection.class_id, bbox, score: detection.score }
    }
}

/// Everything about one image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Labelled {
    /// What is there.
    pub truths: Vec<Truth>,
    /// What was found.
    pub detections: Vec<Found>,
}
