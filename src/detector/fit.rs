//! How an image lies in the model's input, and the way back.

use super::BoundingBox;
use super::manifest::{InputSpec, Resize};

/// Where an image of one size lies in the model's input.
///
/// The resized image has a whole number of pixels, so its two scales differ a little from the ideal one; the way back
/// uses the real ones. In continuous coordinates (pixel `i` covers `[i, i + 1)`) OpenCV's `resize` maps a source of
/// `w` pixels onto a target of `w'` pixels with `x = x' * w / w'` exactly; its half-pixel shifts are the same line
/// in terms of pixel centres.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    source_width: u32,
    source_height: u32,
    width: u32,
    height: u32,
    left: u32,
    top: u32,
}

impl Fit {
    /// Fits an image of `width` x `height` pixels, both at least 1, into the input.
    ///
    /// Letterboxing scales both sides by `min(input width / width, input height / height)` and rounds to whole pixels,
    /// halves to even; the odd pixel of an odd margin goes to the right and the bottom.
    #[must_use]
    pub fn new(input: &InputSpec, width: u32, height: u32) -> Self {
        let (fitted_width, fitted_height) = match input.resize {
            Resize::Stretch => (input.width, input.height),
            Resize::Letterbox | Resize::LetterboxTopLeft => {
                let (w, h) = (f64::from(width), f64::from(height));
                let scale = (f64::from(input.width) / w).min(f64::from(input.height) / h);
                let scaled =
                    |side: f64, limit: u32| ((side * scale).round_ties_even() as u32).clamp(1, limit);
                (scaled(w, input.width), scaled(h, input.height))
            }
        };
        let centred = input.resize == Resize::Letterbox;
        let margin = |whole: u32, part: u32| if centred { whole.saturating_sub(part) / 2 } else { 0 };
        Self {
            source_width: width,
            source_height: height,
            width: fitted_width,
            height: fitted_height,
            left: margin(input.width, fitted_width),
            top: margin(input.height, fitted_height),
        }
    }

    /// Size of the original image, pixels.
    #[must_use]
    pub fn source_size(&self) -> (u32, u32) {
        (self.source_width, self.source_height)
    }

    /// Size of the resized image within the input, pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Position of the resized image's left top corner within the input, pixels.
    #[must_use]
    pub fn origin(&self) -> (u32, u32) {
        (self.left, self.top)
    }

    /// Original pixels per input pixel, along x and y.
    #[must_use]
    pub fn scale(&self) -> (f32, f32) {
        let ratio = |source: u32, fitted: u32| (f64::from(source) / f64::from(fitted)) as f32;
        (ratio(self.source_width, self.width), ratio(self.source_height, self.height))
    }

    /// A box of the model's input in original pixels, not clipped.
    #[must_use]
    pub fn to_image(&self, bbox: &BoundingBox) -> BoundingBox {
        let (scale_x, scale_y) = self.scale();
        let (left, top) = (self.left as f32, self.top as f32);
        BoundingBox {
            x_min: (bbox.x_min - left) * scale_x,
            y_min: (bbox.y_min - top) * scale_y,
            x_max: (bbox.x_max - left) * scale_x,
            y_max: (bbox.y_max - top) * scale_y,
        }
    }

    /// A box of the original image in the model's input.
    #[must_use]
    pub fn to_input(&self, bbox: &BoundingBox) -> BoundingBox {
        let (scale_x, scale_y) = self.scale();
        let (left, top) = (self.left as f32, self.top as f32);
        BoundingBox {
            x_min: bbox.x_min / scale_x + left,
            y_min: bbox.y_min / scale_y + top,
            x_max: bbox.x_max / scale_x + left,
            y_max: bbox.y_max / scale_y + top,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Colour, Interpolation, Layout};
    use super::*;
    use proptest::prelude::*;

    fn input(width: u32, height: u32, resize: Resize) -> InputSpec {
        InputSpec {
            width,
            height,
            layout: Layout::Nchw,
            colour: Colour::Bgr,
            mean: [0.0; 3],
            std: [1.0; 3],
            resize,
            pad_value: 0,
            interpolation: Interpolation::Area,
        }
    }

    #[test]
    fn letterbox_of_a_wide_image() {
        let fit = Fit::new(&input(416, 416, Resize::Letterbox), 1280, 720);
        assert_eq!((fit.size(), fit.origin()), ((416, 234), (0, 91)));
        let fit = Fit::new(&input(416, 416, Resize::LetterboxTopLeft), 1280, 720);
        assert_eq!((fit.size(), fit.origin()), ((416, 234), (0, 0)));
        let fit = Fit::new(&input(416, 416, Resize::Stretch), 1280, 720);
        assert_eq!((fit.size(), fit.origin()), ((416, 416), (0, 0)));
    }

    #[test]
    fn letterbox_of_a_tall_image_with_an_odd_margin() {
        // 416 * 333 / 500 = 277.06; 139 left over: 69 left, 70 right
        let fit = Fit::new(&input(416, 416, Resize::Letterbox), 333, 500);
        assert_eq!((fit.size(), fit.origin()), ((277, 416), (69, 0)));
    }

    #[test]
    fn extreme_aspect_ratios_keep_a_pixel() {
        let fit = Fit::new(&input(416, 416, Resize::Letterbox), 100_000, 1);
        assert_eq!(fit.size(), (416, 1));
    }

    proptest! {
        #[test]
        fn there_and_back(
            w in 1u32..5000, h in 1u32..5000, in_w in 1u32..2000, in_h in 1u32..2000,
            resize in prop_oneof![
                Just(Resize::Letterbox), Just(Resize::LetterboxTopLeft), Just(Resize::Stretch)
            ],
            edges in prop::array::uniform4(0f32..1.0),
        ) {
            let fit = Fit::new(&input(in_w, in_h, resize), w, h);
            let (fitted_w, fitted_h) = fit.size();
            let (left, top) = fit.origin();
            prop_assert!(fitted_w >= 1 && left + fitted_w <= in_w);
            prop_assert!(fitted_h >= 1 && top + fitted_h <= in_h);

            let bbox = BoundingBox::new(
                edges[0] * w as f32, edges[1] * h as f32, edges[2] * w as f32, edges[3] * h as f32,
            );
            let back = fit.to_image(&fit.to_input(&bbox));
            let tolerance_x = 1e-3 + 1e-5 * w as f32 + 2e-7 * in_w as f32 * fit.scale().0;
            let tolerance_y = 1e-3 + 1e-5 * h as f32 + 2e-7 * in_h as f32 * fit.scale().1;
            prop_assert!((back.x_min - bbox.x_min).abs() < tolerance_x, "{back:?} {bbox:?}");
            prop_assert!((back.y_max - bbox.y_max).abs() < tolerance_y, "{back:?} {bbox:?}");

            // the resized image's corners are the image's corners
            let corners = BoundingBox::new(
                left as f32, top as f32, (left + fitted_w) as f32, (top + fitted_h) as f32,
            );
            let image = fit.to_image(&corners);
            prop_assert!(image.x_min == 0.0 && image.y_min == 0.0);
            prop_assert!((image.x_max - w as f32).abs() <= tolerance_x);
            prop_assert!((image.y_max - h as f32).abs() <= tolerance_y);
        }
    }
}
