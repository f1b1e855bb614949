//! Boxes and detections, in pixels of the original image.

/// An axis-aligned box in continuous pixel coordinates of the original image.
///
/// Pixel `i` covers `[i, i + 1)`, so the whole of a `w` x `h` image is `(0, 0, w, h)` and no `+ 1` appears in
/// widths and areas.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct BoundingBox {
    /// Left edge, pixels.
    pub x_min: f32,
    /// Top edge, pixels.
    pub y_min: f32,
    /// Right edge, pixels.
    pub x_max: f32,
    /// Bottom edge, pixels.
    pub y_max: f32,
}

impl BoundingBox {
    /// A box from its edges, taken as they are.
    #[must_use]
    pub const fn new(x_min: f32, y_min: f32, x_max: f32, y_max: f32) -> Self {
        Self { x_min, y_min, x_max, y_max }
    }

    /// A box from its centre and size.
    #[must_use]
    pub fn from_centre(x: f32, y: f32, width: f32, height: f32) -> Self {
        Self::new(x - width * 0.5, y - height * 0.5, x + width * 0.5, y + height * 0.5)
    }

    /// Width in pixels, never negative.
    #[must_use]
    pub fn width(&self) -> f32 {
        (self.x_max - self.x_min).max(0.0)
    }

    /// Height in pixels, never negative.
    #[must_use]
    pub fn height(&self) -> f32 {
        (self.y_max - self.y_min).max(0.0)
    }

    /// Area in square pixels, never negative.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// Whether all four edges are finite numbers.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.x_min.is_finite() && self.y_min.is_finite() && self.x_max.is_finite() && self.y_max.is_finite()
    }

    /// Intersection over union (Jaccard index) in `[0, 1]`; 0 where both boxes have no area.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let width = self.x_max.min(other.x_max) - self.x_min.max(other.x_min);
        let height = self.y_max.min(other.y_max) - self.y_min.max(other.y_min);
        if width <= 0.0 || height <= 0.0 {
            return 0.0;
        }
        let intersection = width * height;
        let union = self.area() + other.area() - intersection;
        if union > 0.0 { (intersection / union).min(1.0) } else { 0.0 }
    }

    /// The part of the box inside an image of `width` x `height` pixels. A box wholly outside comes back
    /// without area, on the image's border.
    #[must_use]
    pub fn clip(&self, width: u32, height: u32) -> Self {
        let (width, height) = (width as f32, height as f32);
        Self {
            x_min: self.x_min.clamp(0.0, width),
            y_min: self.y_min.clamp(0.0, height),
            x_max: self.x_max.clamp(0.0, width),
            y_max: self.y_max.clamp(0.0, height),
        }
    }
}

/// One detected object.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Detection {
    /// Where it is, in pixels of the original image.
    pub bbox: BoundingBox,
    /// Index into the model's class names.
    pub class_id: u32,
    /// The model's confidence in `[0, 1]`.
    pub score: f32,
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these results are exact")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn iou_of_known_boxes() {
        let a = BoundingBox::new(0.0, 0.0, 10.0, 10.0);
        assert!((a.iou(&a) - 1.0).abs() < 1e-6);
        // 5x10 of overlap, union 150
        assert!((a.iou(&BoundingBox::new(5.0, 0.0, 15.0, 10.0)) - 50.0 / 150.0).abs() < 1e-6);
        assert_eq!(a.iou(&BoundingBox::new(10.0, 0.0, 20.0, 10.0)), 0.0, "touching is not overlapping");
        assert_eq!(BoundingBox::default().iou(&BoundingBox::default()), 0.0);
    }

    #[test]
    fn clip_keeps_what_is_inside() {
        let clipped = BoundingBox::new(-5.0, 2.0, 50.0, 700.0).clip(40, 30);
        assert_eq!(clipped, BoundingBox::new(0.0, 2.0, 40.0, 30.0));
        assert_eq!(BoundingBox::new(50.0, 50.0, 60.0, 60.0).clip(40, 30).area(), 0.0);
    }

    fn any_box() -> impl Strategy<Value = BoundingBox> {
        (-100f32..2000.0, -100f32..2000.0, 0f32..500.0, 0f32..500.0)
            .prop_map(|(x, y, w, h)| BoundingBox::new(x, y, x + w, y + h))
    }

    proptest! {
        #[test]
        fn iou_is_symmetric_and_bounded(a in any_box(), b in any_box()) {
            let iou = a.iou(&b);
            prop_assert!((0.0..=1.0).contains(&iou));
            prop_assert_eq!(iou, b.iou(&a));
        }

        #[test]
        fn clipped_boxes_lie_in_the_image(a in any_box(), w in 1u32..2000, h in 1u32..2000) {
            let c = a.clip(w, h);
            prop_assert!(c.x_min >= 0.0 && c.y_min >= 0.0 && c.x_max <= w as f32 && c.y_max <= h as f32);
            prop_assert!(c.area() <= a.area());
        }
    }
}
